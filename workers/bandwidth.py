"""The provider client: one message in, one outcome out; and what it has received.

Bandwidth's v2 `messages` call for groups, with Basic or OAuth2 credentials. `send`
writes at most once: it never retries, never follows a redirect, and raises nothing
but what its `before_write` raises and cancellation. `search` asks which messages the
provider received; it raises nothing but cancellation. No credential, number or text
gets into a repr or an error.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

import httpx
import msgspec

from dispatcher.credentials import Credentials
from dispatcher.errors import ConfigError
from dispatcher.ledger.latency import Latencies
from workers.judgement import from_answer, from_error
from workers.outcomes import Kind, Outcome
from workers.search import (
    BAD_PAGE,
    MAX_PAGES,
    NotMade,
    Page,
    Query,
    Searched,
    Unavailable,
    not_made,
    read_page,
    read_pages,
)
from workers.skew import Skew
from workers.tokens import Tokens
from workers.transport import Transport
from workers.wire import Template

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from dispatcher.settings import Settings

    #: Asks for permission to write; returns until when it holds (`boottime`).
    BeforeWrite = Callable[[], Awaitable[float | None]]

_VERSION: Final = importlib.metadata.version("group-dispatcher")
_USER_AGENT: Final = f"group-dispatcher/{_VERSION}".encode()

#: Seconds until a connection must stand, and as long again to wait for a free one.
#: Nothing has left before that, so a short limit costs nothing.
_CONNECT_S: Final = 5.0

#: Seconds one search may take, all its pages together. Must stay well below the
#: reconciler's lease (30 s).
SEARCH_S: Final = 15.0
#: Connections for searches. They are apart from those for sends: a slow search must
#: never make a send wait.
SEARCH_CONNECTIONS: Final = 8

_encode: Final = msgspec.json.Encoder().encode


class Message(
    msgspec.Struct,
    frozen=True,
    omit_defaults=True,
    rename={"application_id": "applicationId", "sender": "from"},
):
    """One group message, with the fields of the call (Bandwidth, "createMessage").

    Attributes:
        application_id: The application bound to the sender's location.
        sender: Own number, E.164.
        to: One to ten numbers, E.164.
        text: Up to 2048 characters; may be missing if there is media.
        media: Up to ten URLs.
        tag: Up to 1024 characters; callbacks echo it.
        expiration: RFC 3339 time after which it shall not be delivered any more.
    """

    application_id: str
    sender: str
    to: tuple[str, ...]
    text: str | None = None
    media: tuple[str, ...] = ()
    tag: str | None = None
    expiration: str | None = None

    def __repr__(self) -> str:
        """Show no number and no text."""
        return f"<Message to {len(self.to)}>"


class _Gate:
    """Runs `before_write` and remembers how that went."""

    __slots__ = ("_before_write", "passed", "passed_at", "refusal")

    def __init__(self, before_write: BeforeWrite | None) -> None:
        self._before_write = before_write
        self.passed = False
        self.passed_at = 0.0
        self.refusal: Exception | None = None

    async def __call__(self) -> float | None:
        try:
            until = await self._before_write() if self._before_write else None
        except Exception as error:
            self.refusal = error
            raise
        self.passed = True
        self.passed_at = time.monotonic()
        return until


class Bandwidth:
    """Sends messages of one account, and finds them again.

    Args:
        base_url: The part before `/users`.
        credentials: The account and the way into it.
        transport: Carries the requests; closed with this client.
        search_transport: Carries the searches instead; closed likewise.
        deadline: Seconds from the write of a request to its complete answer. What
            comes before the write has limits of its own: a request written with
            little time left to wait for its answer would end as unknown.

    Attributes:
        skew: How far the provider's clock is ahead, as its answers tell.
        latencies: How long its answers take.

    Raises:
        ConfigError: An address is not a URL.
    """

    def __init__(
        self,
        *,
        base_url: str,
        credentials: Credentials,
        transport: httpx.AsyncBaseTransport,
        deadline: float,
        search_transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        account = quote(credentials.account_id, safe="")
        self._url = _url(f"{base_url.rstrip('/')}/users/{account}/messages")
        self._basic = self._template(credentials.basic)
        self._transport = transport
        self._search_transport = search_transport or transport
        self.skew = Skew()
        self.latencies = Latencies()
        patience = min(_CONNECT_S, deadline)
        self._limits = {
            "timeout": {"connect": patience, "pool": patience},
            "deadline": deadline,
        }
        self._tokens: Tokens | None = None
        if credentials.token_url:
            url = _url(credentials.token_url)
            self._tokens = Tokens(transport, url, credentials.basic, self._limits)

    @classmethod
    def from_settings(
        cls, settings: Settings, *, transport: httpx.AsyncBaseTransport | None = None
    ) -> Bandwidth:
        """The client that the environment describes.

        Raises:
            ConfigError: The account or its credentials are not set; names all that
                is missing. Or an address is not a URL.
        """
        return cls(
            base_url=settings.base_url,
            credentials=Credentials.from_settings(settings),
            transport=transport or Transport(size=settings.slots),
            search_transport=transport or Transport(size=SEARCH_CONNECTIONS),
            deadline=settings.http_deadline,
        )

    async def send(
        self, message: Message, before_write: BeforeWrite | None = None
    ) -> Outcome:
        """Write one message, at most once.

        Args:
            message: What to send.
            before_write: Awaited when a connection is in hand; returns until when
                the permit to write holds. What it raises comes out of `send`,
                which raises nothing else.
        """
        if self._tokens is None:
            return await self._post(message, self._basic, _Gate(before_write))
        token = await self._tokens.get()
        if isinstance(token, Outcome):
            return token
        template = self._template(token.authorization)
        outcome = await self._post(message, template, _Gate(before_write))
        return self._tokens.judged(token, outcome)

    async def search(self, query: Query) -> Searched:
        """Ask which messages the provider has received."""
        try:
            async with asyncio.timeout(SEARCH_S):
                return await self._search(query)
        except TimeoutError:
            return Unavailable("timeout")

    async def aclose(self) -> None:
        """Close idle connections; call it when nothing is under way."""
        if self._tokens:
            await self._tokens.aclose()
        await self._transport.aclose()
        await self._search_transport.aclose()

    # -- sending -----------------------------------------------------------

    def _template(self, authorization: bytes) -> Template:
        return Template("POST", self._url, _headers(authorization))

    async def _post(self, message: Message, template: Template, gate: _Gate) -> Outcome:
        try:
            content = _encode(message)
        except ValueError:
            # Not Unicode: no group of the campaign could be sent.
            return Outcome(Kind.STOPPED, "message-not-encodable")
        request = template.fill(content, {"before_write": gate, **self._limits})
        outcome = await self._exchanged(request, gate)
        if gate.passed and outcome.kind is not Kind.NOT_WRITTEN:
            took = time.monotonic() - gate.passed_at
            self.latencies.observe(outcome.kind.word, took)
        return outcome

    async def _exchanged(self, request: httpx.Request, gate: _Gate) -> Outcome:
        try:
            response = await self._transport.handle_async_request(request)
            content = await _content(response)
        except Exception as error:
            if error is gate.refusal:
                raise
            return from_error(error, permitted=gate.passed)
        outcome = from_answer(response.status_code, response.headers, content)
        self.skew.learn(outcome.time)
        return outcome

    # -- searching ---------------------------------------------------------

    async def _search(self, query: Query) -> Searched:
        parameters = query.parameters()
        pages: list[Page] = []
        while len(pages) < MAX_PAGES:
            page = await self._page(parameters)
            if not isinstance(page, Page):
                return page
            pages.append(page)
            if page.next is None or page.next == parameters.get("pageToken"):
                break
            parameters["pageToken"] = page.next
        return read_pages(pages, query.sender)

    async def _page(self, parameters: dict[str, str]) -> Page | NotMade:
        """One page; a token that has run out is replaced once."""
        url = self._url.copy_with(query=urlencode(parameters).encode())
        outcome, page = await self._asked(url)
        if outcome.kind is Kind.TOKEN_REFRESHED:
            outcome, page = await self._asked(url)
        if outcome.kind is not Kind.ACCEPTED:
            return not_made(outcome)
        return page or BAD_PAGE

    async def _asked(self, url: httpx.URL) -> tuple[Outcome, Page | None]:
        """What became of one request; ACCEPTED means that it was answered with 200."""
        if self._tokens is None:
            return await self._got(url, self._basic.headers)
        token = await self._tokens.get()
        if isinstance(token, Outcome):
            return token, None
        outcome, page = await self._got(url, _headers(token.authorization))
        return self._tokens.judged(token, outcome), page

    async def _got(
        self, url: httpx.URL, headers: httpx.Headers
    ) -> tuple[Outcome, Page | None]:
        request = httpx.Request("GET", url, headers=headers, extensions=self._limits)
        try:
            response = await self._search_transport.handle_async_request(request)
            content = await _content(response)
        except Exception as error:  # noqa: BLE001 - becomes an outcome, by table
            return from_error(error, permitted=False), None
        if response.status_code == httpx.codes.OK:
            return Outcome(Kind.ACCEPTED, "200"), read_page(content)
        outcome = from_answer(response.status_code, response.headers, content)
        if outcome.kind is Kind.ACCEPTED:
            # 202 says nothing about a search.
            outcome = replace(outcome, kind=Kind.UNKNOWN)
        return outcome, None


async def _content(response: httpx.Response) -> bytes:
    """The body; empty if its encoding is broken, for the status still counts."""
    if isinstance(response.stream, httpx.ByteStream) and not _is_encoded(response):
        # What `aread` comes to, at a tenth of its cost.
        return b"".join(response.stream)
    try:
        return await response.aread()
    except httpx.DecodingError:
        return b""


def _is_encoded(response: httpx.Response) -> bool:
    return any(name.lower() == b"content-encoding" for name, _ in response.headers.raw)


def _url(text: str) -> httpx.URL:
    try:
        return httpx.URL(text)
    except httpx.InvalidURL:
        raise ConfigError("BW_BASE_URL or BW_TOKEN_URL is not a URL") from None


def _headers(authorization: bytes) -> httpx.Headers:
    return httpx.Headers(
        [
            (b"Authorization", authorization),
            (b"Content-Type", b"application/json"),
            (b"Accept", b"application/json"),
            (b"Accept-Encoding", b"identity"),
            (b"User-Agent", _USER_AGENT),
        ]
    )
