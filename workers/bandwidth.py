"""The provider client: one message in, one outcome out.

Bandwidth's v2 `messages` call for groups, with Basic or OAuth2 credentials. `send`
writes at most once: it never retries, never follows a redirect, and raises nothing
but what its `before_write` raises and cancellation. No credential, number or text
gets into a repr or an error.
"""

from __future__ import annotations

import importlib.metadata
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import httpx
import msgspec

from dispatcher.errors import ConfigError
from workers.credentials import Credentials
from workers.judgement import from_answer, from_error
from workers.outcomes import Kind, Outcome
from workers.tokens import Tokens
from workers.transport import Transport

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

    __slots__ = ("_before_write", "passed", "refusal")

    def __init__(self, before_write: BeforeWrite | None) -> None:
        self._before_write = before_write
        self.passed = False
        self.refusal: Exception | None = None

    async def __call__(self) -> float | None:
        try:
            until = await self._before_write() if self._before_write else None
        except Exception as error:
            self.refusal = error
            raise
        self.passed = True
        return until


class Bandwidth:
    """Sends messages of one account.

    Args:
        base_url: The part before `/users`.
        credentials: The account and the way into it.
        transport: Carries the requests; closed with this client.
        deadline: Seconds from the write of a request to its complete answer. What
            comes before the write has limits of its own: a request written with
            little time left to wait for its answer would end as unknown.

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
    ) -> None:
        account = quote(credentials.account_id, safe="")
        self._url = _url(f"{base_url.rstrip('/')}/users/{account}/messages")
        self._headers = _headers(credentials.basic)
        self._transport = transport
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
            return await self._post(message, self._headers, _Gate(before_write))
        token = await self._tokens.get()
        if isinstance(token, Outcome):
            return token
        headers = _headers(token.authorization)
        outcome = await self._post(message, headers, _Gate(before_write))
        return self._tokens.judged(token, outcome)

    async def aclose(self) -> None:
        """Close idle connections; call it when no send is under way."""
        if self._tokens:
            await self._tokens.aclose()
        await self._transport.aclose()

    async def _post(
        self, message: Message, headers: httpx.Headers, gate: _Gate
    ) -> Outcome:
        try:
            content = _encode(message)
        except ValueError:
            # Not Unicode: no group of the campaign could be sent.
            return Outcome(Kind.STOPPED, "message-not-encodable")
        request = httpx.Request(
            "POST",
            self._url,
            headers=headers,
            content=content,
            extensions={"before_write": gate, **self._limits},
        )
        return await self._exchanged(request, gate)

    async def _exchanged(self, request: httpx.Request, gate: _Gate) -> Outcome:
        try:
            response = await self._transport.handle_async_request(request)
            content = await _content(response)
        except Exception as error:
            if error is gate.refusal:
                raise
            return from_error(error, permitted=gate.passed)
        return from_answer(response.status_code, response.headers, content)


async def _content(response: httpx.Response) -> bytes:
    """The body; empty if its encoding is broken, for the status still counts."""
    try:
        return await response.aread()
    except httpx.DecodingError:
        return b""


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
