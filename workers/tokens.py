"""OAuth2 client credentials: one token, shared and fetched in good time.

It never raises for what the token endpoint does or fails to do, and never shows a
secret in a repr or an error.
"""

from __future__ import annotations

import asyncio
import functools
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import httpx
import msgspec

from workers.connection import boottime
from workers.judgement import from_error
from workers.outcomes import Kind, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: Seconds before its end at which a token is replaced; the provider's SDK does the
#: same ("bandwidth-sdk" on PyPI).
_MARGIN_S: Final = 60.0
#: Seconds a token is taken to live if the endpoint does not say.
_DEFAULT_LIFE_S: Final = 300.0

#: What RFC 6750 allows; anything else could break out of the header.
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/=-]{1,8192}")

#: Only a call whose credentials were taken ends as one of these.
_AUTHENTICATED: Final = frozenset({Kind.ACCEPTED, Kind.REFUSED, Kind.SERVER_ERROR})

#: These pass by themselves; every other 4xx is a matter of settings.
_TEMPORARY: Final = frozenset({408, 425, 429})


class _Grant(msgspec.Struct):
    access_token: str
    expires_in: float = _DEFAULT_LIFE_S


_HEADERS: Final = {
    b"Content-Type": b"application/x-www-form-urlencoded",
    b"Accept": b"application/json",
    b"Accept-Encoding": b"identity",
}

_decoder: Final = msgspec.json.Decoder(_Grant, strict=False)


@dataclass(slots=True)
class Token:
    """A bearer token.

    Attributes:
        authorization: The value of the `Authorization` header.
        fresh_until: Time of the clock until which it may be used, seconds.
        has_worked: The provider has accepted it at least once.
    """

    authorization: bytes = field(repr=False)
    fresh_until: float
    has_worked: bool = False


class Tokens:
    """Keeps the current token; concurrent callers share one request for a new one.

    Args:
        transport: Carries the request.
        url: The token endpoint.
        client: Value of the `Authorization` header that names the client.
        limits: The request's `timeout` and `deadline` extensions.
        clock: Seconds, never going backwards.
    """

    def __init__(
        self,
        transport: httpx.AsyncBaseTransport,
        url: httpx.URL,
        client: bytes,
        limits: Mapping[str, object],
        clock: Callable[[], float] = boottime,
    ) -> None:
        self._transport = transport
        self._request = functools.partial(
            httpx.Request,
            "POST",
            url,
            headers={b"Authorization": client, **_HEADERS},
            content=b"grant_type=client_credentials",
            extensions=dict(limits),
        )
        self._clock = clock
        self._token: Token | None = None
        self._fetching: asyncio.Task[Token | Outcome] | None = None

    async def get(self) -> Token | Outcome:
        """The current token, a new one, or why there is none."""
        if self._token is not None and self._clock() < self._token.fresh_until:
            return self._token
        if self._fetching is None:
            self._fetching = asyncio.create_task(self._fetch())
        # A caller that is cancelled must not take the token from the others.
        return await asyncio.shield(self._fetching)

    def judged(self, token: Token, outcome: Outcome) -> Outcome:
        """What an outcome of a call with this token means.

        A token that used to work and is refused has run out: the next call brings a
        new one. One that never worked is a matter of settings, and is not kept
        either, because those may be corrected.
        """
        if outcome.kind in _AUTHENTICATED:
            token.has_worked = True
        if not outcome.code.startswith("401"):
            return outcome
        if self._token is token:
            self._token = None
        return (
            Outcome(Kind.TOKEN_REFRESHED, outcome.code) if token.has_worked else outcome
        )

    async def aclose(self) -> None:
        """Stop a request that is under way."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.wait([self._fetching])

    async def _fetch(self) -> Token | Outcome:
        try:
            result = await self._ask()
        except Exception as error:  # noqa: BLE001 - becomes an outcome, by table
            result = Outcome(Kind.UNREACHABLE, f"token: {_code(error)}")
        finally:
            self._fetching = None
        if isinstance(result, Token):
            self._token = result
        return result

    async def _ask(self) -> Token | Outcome:
        response = await self._transport.handle_async_request(self._request())
        return self._judged(response.status_code, await response.aread())

    def _judged(self, status: int, content: bytes) -> Token | Outcome:
        if status == httpx.codes.OK:
            return self._granted(content)
        refused = status // 100 == 4 and status not in _TEMPORARY  # noqa: PLR2004 - 4xx
        kind = Kind.STOPPED if refused else Kind.UNREACHABLE
        return Outcome(kind, f"token: {status}")

    def _granted(self, content: bytes) -> Token | Outcome:
        try:
            grant = _decoder.decode(content)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return Outcome(Kind.UNREACHABLE, "token: bad-answer")
        if not _TOKEN.fullmatch(grant.access_token):
            return Outcome(Kind.UNREACHABLE, "token: bad-answer")
        # A life shorter than twice the margin is used for half.
        life = max(grant.expires_in - _MARGIN_S, grant.expires_in / 2)
        authorization = b"Bearer " + grant.access_token.encode()
        return Token(authorization, self._clock() + life)


def _code(error: Exception) -> str:
    return from_error(error, permitted=False).code
