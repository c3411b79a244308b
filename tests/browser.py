"""A real browser without a screen, for tests: Debian's Chromium by its driver."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import pytest
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import ActionChains, Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from tests.stack import eventually

#: Seconds that anything in a page may take.
PATIENCE: Final = 30
_FLAGS: Final = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic"),
    *("--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)


def require() -> tuple[str, str]:
    """Where browser and driver are; without them the test is skipped, but not in CI."""
    found = shutil.which("chromium"), shutil.which("chromedriver")
    if found[0] and found[1]:
        return found[0], found[1]
    reason = "chromium and chromedriver are not installed (Debian: chromium-driver)"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@contextmanager
def browser(directory: Path) -> Iterator[Browser]:
    """A browser of its own, ended with all that it started."""
    program, driver = require()
    options = ChromeOptions()
    options.binary_location = program
    for flag in (*_FLAGS, f"--user-data-dir={directory}"):
        options.add_argument(flag)
    # What a page complains of: a fault of a script, something the policy forbids.
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chrome = Chrome(options=options, service=Service(driver))
    try:
        yield Browser(chrome)
    finally:
        chrome.quit()


class Browser:
    """Somebody who looks at pages, clicks and types."""

    def __init__(self, chrome: Chrome) -> None:
        self._chrome = chrome

    # -- looking -----------------------------------------------------------

    def open(self, url: str) -> None:
        """Go to an address."""
        self._chrome.get(url)

    @property
    def path(self) -> str:
        """Where it is now."""
        return str(self._run("return location.pathname"))

    @property
    def text(self) -> str:
        """What can be seen of the page, in one line."""
        # In one step: between two the page may have become another.
        seen = self._run("return document.querySelector('main')?.innerText")
        return " ".join(str(seen or "").split())

    @property
    def page(self) -> str:
        """All of the page as it is now."""
        return self._chrome.page_source

    def sees(self, text: str) -> None:
        """Wait until the page shows these words.

        Raises:
            AssertionError: It does not.
        """
        try:
            eventually(lambda: text in self.text, PATIENCE, text)
        except AssertionError:
            raise AssertionError(f"no {text!r} in: {self.text}") from None

    def waits_for_news(self) -> None:
        """Wait until the page shows something else, by itself.

        Raises:
            AssertionError: It stands still.
        """
        before = self.text
        eventually(lambda: self.text != before, PATIENCE, "something moves")

    def complaints(self) -> list[str]:
        """What pages complained of since the last time this was asked."""
        return [str(entry["message"]) for entry in self._chrome.get_log("browser")]  # type: ignore[no-untyped-call]

    # -- doing -------------------------------------------------------------

    def click(self, name: str) -> None:
        """A link or button by what it says; waits for the page that follows."""
        before = self._chrome.find_element(By.TAG_NAME, "html")
        eventually(lambda: self._clicked(name), PATIENCE, f"{name!r} can be clicked")
        eventually(lambda: self._is_another(before), PATIENCE, f"after {name!r}")

    def choose(self, label: str) -> None:
        """A choice of a form by its label."""
        self._chrome.find_element(
            By.XPATH, f"//label[contains(normalize-space(.), {label!r})]"
        ).click()

    def write(self, label: str, text: str) -> None:
        """Into a field of a form by its label."""
        found = self._chrome.find_element(By.XPATH, f"//label[.={label!r}]")
        self._chrome.find_element(By.ID, found.get_attribute("for") or "").send_keys(
            text
        )

    def press(self, key: str) -> None:
        """A key, wherever the keyboard is."""
        ActionChains(self._chrome).send_keys(key).perform()

    def tab_to(self, name: str) -> None:
        """Go on with the tab key until that link or button has the keyboard.

        Raises:
            AssertionError: It cannot be reached, or nobody sees that it is.
        """
        for _ in range(40):
            self.press(Keys.TAB)
            said, outline = self._run(_FOCUSED)
            if said == name:
                assert outline not in ("none", "0px"), f"{name!r} looks like any other"
                return
        raise AssertionError(f"the tab key does not lead to {name!r}")

    def _clicked(self, name: str) -> bool:
        # A part that is put in anew just now is another element.
        with suppress(StaleElementReferenceException):
            self._named(name).click()
            return True
        return False

    def _named(self, name: str) -> WebElement:
        return self._chrome.find_element(
            By.XPATH,
            f"//a[normalize-space(.)={name!r}]|//button[normalize-space(.)={name!r}]",
        )

    def _is_another(self, before: WebElement) -> bool:
        # For a moment, between two pages, there is none.
        now = self._chrome.find_elements(By.TAG_NAME, "html")
        is_whole = self._run("return document.readyState") == "complete"
        return is_whole and now not in ([], [before])

    # -- as others see it --------------------------------------------------

    def wear(self, *, width: int, dark: bool = False, height: int = 800) -> None:
        """Have another screen, and another colour scheme."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1}
        self._cdp(
            "Emulation.setDeviceMetricsOverride", {**metrics, "mobile": width < 500}
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._cdp("Emulation.setEmulatedMedia", {"features": [scheme]})

    def without_script(self, *, so: bool) -> None:
        """Pages opened from now on have no script."""
        self._cdp("Emulation.setScriptExecutionDisabled", {"value": so})

    def too_wide(self) -> int:
        """By how much one would have to scroll sideways."""
        root = "document.documentElement"
        return int(self._run(f"return {root}.scrollWidth - {root}.clientWidth"))

    def faint(self) -> list[str]:
        """Words that do not stand out enough from what is behind them (WCAG AA)."""
        return list(self._run(_FAINT))

    def mark(self) -> None:
        """Remember this page: it is another once it was loaded again."""
        self._run("window.marked = true")

    @property
    def is_marked(self) -> bool:
        """Whether this is still the page that was marked."""
        return bool(self._run("return window.marked === true"))

    def _run(self, script: str) -> Any:  # noqa: ANN401 - whatever the script gives
        return self._chrome.execute_script(script)

    def _cdp(self, command: str, arguments: Mapping[str, object]) -> None:
        self._chrome.execute_cdp_cmd(command, dict(arguments))


#: What has the keyboard says, and how it is outlined.
_FOCUSED: Final = """
const here = document.activeElement, style = getComputedStyle(here);
return [here.textContent.trim(),
        style.outlineStyle === "none" ? "none" : style.outlineWidth];
"""
#: Contrast of every text with the first background behind it that is not clear.
_FAINT: Final = """
const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
const light = (colour) => {
  const part = (n) => (n /= 255) <= 0.03928 ? n / 12.92 : ((n + 0.055) / 1.055) ** 2.4;
  const [r, g, b] = colour.map(part);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const behind = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const found = rgb(getComputedStyle(at).backgroundColor);
    if (found.length === 3 || found[3] > 0) return found.slice(0, 3);
  }
  return [255, 255, 255];
};
const faint = [];
const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walk.nextNode()) {
  const element = walk.currentNode.parentElement;
  if (!walk.currentNode.data.trim() || !element.getClientRects().length) continue;
  const two = [rgb(getComputedStyle(element).color).slice(0, 3), behind(element)];
  const [high, low] = two.map(light).sort((a, b) => b - a);
  if ((high + 0.05) / (low + 0.05) < 4.5) faint.push(walk.currentNode.data.trim());
}
return faint;
"""
