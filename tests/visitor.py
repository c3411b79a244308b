"""A visitor of the campaign pages, without a browser: asks, reads, sends forms."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from contextlib import ExitStack
from html.parser import HTMLParser
from typing import Any, Self

import httpx
from starlette.applications import Starlette
from starlette.routing import BaseRoute

from dispatcher.doors import Pass
from dispatcher.settings import Settings
from dispatcher.web.pages import Pages

ADDRESS = "http://127.0.0.1:8085"
#: What a browser says along with a form of our own page.
OURS = {"sec-fetch-site": "same-origin", "origin": ADDRESS}


class Site:
    """Makes pages on one ledger, and closes them; a context manager.

    Args:
        redis_url: Where the ledger is.
    """

    def __init__(self, redis_url: str) -> None:
        self._settings: dict[str, object] = {"redis_url": redis_url}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def pages(self, callbacks: Pass | None = None, **settings: object) -> Pages:
        """The pages as `dispatcher serve` would have them under these settings."""
        made = Pages(Settings.load(**self._settings | settings), callbacks=callbacks)
        self._stack.callback(made.close)
        return made

    def visitor(
        self,
        auth: tuple[str, str] | None = None,
        callbacks: Pass | None = None,
        **settings: object,
    ) -> Visitor:
        """Somebody who visits them."""
        return Visitor(self.pages(callbacks, **settings).route, auth)


class Visitor:
    """Asks one site's pages.

    Args:
        route: Where they are.
        auth: User name and password; None: none are given.
    """

    def __init__(self, route: BaseRoute, auth: tuple[str, str] | None = None) -> None:
        self._site = Starlette(routes=[route])
        self.auth = auth

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:  # noqa: ANN401 - as httpx takes it
        """One answer; redirections are not followed."""

        async def asked() -> httpx.Response:
            transport = httpx.ASGITransport(self._site, raise_app_exceptions=False)
            async with httpx.AsyncClient(
                transport=transport, base_url=ADDRESS, auth=self.auth
            ) as client:
                return await client.request(method, path, **more)

        return asyncio.run(asked())

    def get(self, path: str, status: int = 200) -> str:
        """A page."""
        answer = self.ask("GET", path)
        assert answer.status_code == status, answer.text
        return answer.text

    def fields(self, path: str, status: int = 200) -> dict[str, str]:
        """What the form on a page holds by itself."""
        return hidden(self.get(path, status))

    def send(
        self,
        path: str,
        fields: Mapping[str, str],
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Send a form, as a browser does from our own page unless told otherwise."""
        return self.ask(
            "POST",
            path,
            data=dict(fields),
            headers=OURS if headers is None else headers,
        )

    def order(self, path: str, **more: str) -> httpx.Response:
        """Look at a form, then send it."""
        return self.send(path, self.fields(path) | more)


def hidden(page: str) -> dict[str, str]:
    """The hidden fields of a page."""
    found = re.findall(r'type="hidden" name="([^"]*)" value="([^"]*)"', page)
    return dict(found)


def words(page: str) -> str:
    """What a page says, in one line."""
    return " ".join(re.sub(r"<[^>]*>", " ", page).split())


class Outline(HTMLParser):
    """What a page is made of, for those who do not see it.

    Attributes:
        faults: What is wrong with it.
    """

    _VOID = frozenset({"meta", "link", "input", "br", "path"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.faults: list[str] = []
        self._open: list[str] = []
        self._ids: list[str] = []
        self._heads: list[int] = []
        self._inputs: list[dict[str, str | None]] = []
        self._labels: set[str | None] = set()
        self._tags: list[str] = []
        self.feed(page)
        self.close()
        self._judge()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """The parser: an element begins."""
        of = dict(attrs)
        self._tags.append(tag)
        if tag not in self._VOID:
            self._open.append(tag)
        self._ids += [of["id"] or ""] if "id" in of else []
        if re.fullmatch("h[1-6]", tag):
            self._heads.append(int(tag[1]))
        if tag == "label":
            self._labels.add(of.get("for"))
        if tag == "input" and of.get("type") != "hidden" and "label" not in self._open:
            self._inputs.append(of)
        self._refuse(tag, of)

    def _refuse(self, tag: str, of: dict[str, str | None]) -> None:
        handlers = [name for name in of if name.startswith("on")]
        if handlers or "style" in of or tag == "style":
            self.faults.append(f"{tag} has script or style of its own")
        if tag == "script" and "src" not in of:
            self.faults.append("a script in the page")
        if tag in ("progress", "nav", "svg") and not of.keys() & {
            *("aria-label", "aria-labelledby", "aria-hidden"),
        }:
            self.faults.append(f"{tag} without a name")
        if tag == "section" and of.get("aria-labelledby") is None:
            self.faults.append("a section without a name")

    def handle_endtag(self, tag: str) -> None:
        """The parser: an element ends."""
        if tag not in self._VOID and (not self._open or self._open.pop() != tag):
            self.faults.append(f"</{tag}> closes another")

    def _judge(self) -> None:
        if self._open:
            self.faults.append(f"not closed: {self._open}")
        if len(self._ids) != len(set(self._ids)):
            self.faults.append("an id twice")
        for name in ("h1", "main", "header", "footer", "title"):
            if self._tags.count(name) != 1:
                self.faults.append(f"not one {name}")
        deeper = zip(self._heads, self._heads[1:], strict=False)
        if self._heads[:1] != [1] or any(b > a + 1 for a, b in deeper):
            self.faults.append(f"headings {self._heads}")
        if self._tags.count("table") != self._tags.count("caption"):
            self.faults.append("a table without a caption")
        for of in self._inputs:
            if of.get("id") not in self._labels:
                self.faults.append(f"no label for {of.get('name')}")
