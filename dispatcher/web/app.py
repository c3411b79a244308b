"""What is served: callbacks on the short way, everything else by Starlette's routes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from dispatcher.doors import Pass
from dispatcher.errors import LedgerError
from dispatcher.ledger.inbox import Inbox
from dispatcher.web import receiver
from dispatcher.web.receiver import Receiver


class Site:
    """The whole site, an ASGI application.

    Args:
        callbacks: Answers `/callbacks`.
        pages: Answers everything else, and the server's start and end.
    """

    def __init__(self, callbacks: ASGIApp, pages: ASGIApp) -> None:
        self._callbacks = callbacks
        self._pages = pages

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Answer one request."""
        # A router would take as long as the rest of a callback's way.
        here = scope.get("path") == receiver.PATH
        return (self._callbacks if here else self._pages)(scope, receive, send)


def make_site(
    inbox: Inbox,
    asked: Pass | None,
    more: Sequence[BaseRoute] = (),
    duties: Sequence[Callable[[], Coroutine[None, None, None]]] = (),
) -> Site:
    """Put the site together.

    Args:
        inbox: Where callbacks go; closed when the server ends.
        asked: Credentials for callbacks.
        more: Further routes.
        duties: Run beside, from the server's start until they are cancelled at its end.
    """

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        beside = [asyncio.create_task(duty()) for duty in duties]
        try:
            yield
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            await inbox.aclose()

    async def healthz(_: Request) -> Response:
        try:
            await inbox.check()
        except LedgerError as error:
            return PlainTextResponse(f"{receiver.reason(error)}\n", 503)
        return PlainTextResponse("ok\n")

    pages = Starlette(routes=[Route("/healthz", healthz), *more], lifespan=lifespan)
    return Site(Receiver(inbox, asked), pages)
