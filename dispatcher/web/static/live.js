// Keeps a page up to date: puts the parts that the server sends where they belong.
// Without it every page works, and stands still.
"use strict";

(() => {
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
  const events = new EventSource(address);
  events.onmessage = (event) => {
    for (const [id, html] of Object.entries(JSON.parse(event.data))) replace(id, html);
  };
  events.onerror = () => {
    trouble.textContent = "No connection: this page stands still. Trying again.";
  };
  events.onopen = () => {
    trouble.textContent = "";
  };
})();
