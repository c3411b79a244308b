"""What moves by itself: parts of a page, sent again when they change.

Server-sent events: one long answer, of which each event holds the parts that changed
since the last one. Whoever has no script sees the page as it was when it was loaded.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Final

from markupsafe import escape
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from dispatcher.errors import DispatchError, LedgerError

#: Parts of a page by name.
Parts = dict[str, str]
Look = Callable[[Request], Awaitable[Parts]]

#: Seconds between two looks.
EVERY_S: Final = 2.0
#: Looks without news after which something is sent all the same: a connection that
#: nobody reads any more is found out by that.
_QUIET: Final = 8
#: Pages that move at once. Each costs the processor some 2 ms every look, and callbacks
#: must not wait; further ones do not move.
MOST: Final = 32


class Live:
    """Streams of parts that changed.

    Args:
        list_: The parts of the list.
        campaign: The parts of a campaign's page.
    """

    def __init__(self, list_: Look, campaign: Look) -> None:
        self._list = list_
        self._campaign = campaign
        self._open = 0
        self._end = asyncio.Event()

    def stop(self) -> None:
        """End all streams: the server waits for them."""
        self._end.set()

    async def campaigns(self, request: Request) -> Response:
        """The list's events."""
        return await self._events(request, self._list)

    async def campaign(self, request: Request) -> Response:
        """One campaign's events."""
        return await self._events(request, self._campaign)

    async def _events(self, request: Request, look: Look) -> Response:
        if self._open >= MOST:
            return PlainTextResponse("too many pages are open\n", 503)
        # An unknown campaign is an error, not a stream.
        first = await look(request)
        headers = {"x-accel-buffering": "no", "cache-control": "no-store"}
        events = self._stream(request, look, first)
        return StreamingResponse(events, 200, headers, "text/event-stream")

    async def _stream(
        self, request: Request, look: Look, parts: Parts
    ) -> AsyncIterator[str]:
        self._open += 1
        try:
            seen: Parts = {}
            quiet = 0
            while not self._end.is_set():
                news = {n: part for n, part in parts.items() if seen.get(n) != part}
                quiet = 0 if news else quiet + 1
                if news:
                    yield f"data: {json.dumps(news)}\n\n"
                elif quiet % _QUIET == 0:
                    yield ": nothing new\n\n"
                seen |= parts
                await self._rest()
                parts = await _looked(request, look)
        finally:
            self._open -= 1

    async def _rest(self) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._end.wait(), EVERY_S)


async def _looked(request: Request, look: Look) -> Parts:
    """The parts as they are now, and whether they can be seen at all."""
    try:
        return {**await look(request), "trouble": ""}
    except LedgerError:
        # Always the same: it is read aloud whenever it changes.
        return {"trouble": "Redis does not answer: this page stands still."}
    except DispatchError as error:
        return {"trouble": str(escape(str(error)))}
