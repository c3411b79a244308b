// Keeps a page up to date: puts the parts that the server sends where they belong.
// Without it every page works, and stands still.
"use strict";

(() => {
  const AGAIN_MS = 5000;
  const trouble = document.getElementById("trouble");

  // What the keyboard is on must not vanish under it: its link is found again.
  function replace(id, html) {
    const part = document.getElementById(id);
    const made = document.createElement("template");
    made.innerHTML = html;
    if (!part || part.innerHTML === made.innerHTML) return;
    const focused = part.contains(document.activeElement) && document.activeElement;
    part.replaceChildren(made.content);
    if (!focused) return;
    const href = focused.getAttribute("href");
    const again = [...part.querySelectorAll("a")].find((a) => a.getAttribute("href") === href);
    (again || document.getElementById("main")).focus({ preventScroll: true });
  }

  // What was done is told once, not again when the page is loaded again.
  if (location.search.includes("done=")) history.replaceState(null, "", location.pathname);

  const address = document.getElementById("main").dataset.live;
  if (!address) return;
  let events = null;

  function listen() {
    if (events || document.hidden) return;
    events = new EventSource(address);
    events.onmessage = (event) => {
      for (const [id, html] of Object.entries(JSON.parse(event.data))) replace(id, html);
    };
    events.onerror = () => {
      trouble.textContent = "No connection: this page stands still. Trying again.";
      // After an answer that is no stream a browser gives up by itself.
      if (events && events.readyState === EventSource.CLOSED) {
        rest();
        setTimeout(listen, AGAIN_MS);
      }
    };
    events.onopen = () => {
      trouble.textContent = "";
    };
  }

  function rest() {
    if (events) events.close();
    events = null;
  }

  // Nobody looks: then nothing is asked. A browser has few connections to one host.
  document.addEventListener("visibilitychange", () => (document.hidden ? rest() : listen()));
  listen();
})();
