"""A provider with canned replies, for the tests of the provider client."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

import httpx

from dispatcher.credentials import Credentials
from workers.bandwidth import Bandwidth, Message

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from workers.outcomes import Outcome

BASIC = Credentials("9900123", "user", "pa55word")
OAUTH = Credentials("9900123", "client", "s3cret", "https://id.test/token")
MESSAGE = Message(
    application_id="app-1",
    sender="+19195551200",
    to=("+19195551201", "+19195551202"),
    text="Doors open.",
)
TAKEN = httpx.Response(202, json={"id": "m1"})

T = TypeVar("T")
Reply = httpx.Response | Exception


class Provider(httpx.AsyncBaseTransport):
    """Asks for the permit, as the real transport does, then gives canned replies."""

    def __init__(self, *replies: Reply, tokens: tuple[Reply, ...] = ()) -> None:
        self.replies = list(replies)
        self.tokens = list(tokens)
        self.requests: list[httpx.Request] = []
        self.permits: list[object] = []
        self.closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        await asyncio.sleep(0)
        if request.url.host == "id.test":
            return given(self.tokens.pop(0))
        reply = self.replies.pop(0)
        if isinstance(reply, httpx.ConnectError):
            raise reply
        self.permits.append(await request.extensions["before_write"]())
        return given(reply)

    async def aclose(self) -> None:
        self.closed = True


def given(reply: Reply) -> httpx.Response:
    if isinstance(reply, Exception):
        raise reply
    return reply


def token(text: str = "t0ken-1", **fields: object) -> httpx.Response:
    return httpx.Response(
        200, json={"access_token": text, "expires_in": 3600, **fields}
    )


def client(provider: Provider, credentials: Credentials = BASIC) -> Bandwidth:
    """The client under test."""
    return Bandwidth(
        base_url="https://bw.test/api/v2/",
        credentials=credentials,
        transport=provider,
        deadline=15.0,
    )


def run(coroutine: Coroutine[object, object, T]) -> T:
    """Run on a loop of its own."""
    return asyncio.run(coroutine)


def sent(
    provider: Provider, credentials: Credentials = BASIC, times: int = 1
) -> list[Outcome]:
    """The outcomes of so many sends, one after the other."""

    async def send() -> list[Outcome]:
        bandwidth = client(provider, credentials)
        return [await bandwidth.send(MESSAGE) for _ in range(times)]

    return run(send())
