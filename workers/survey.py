"""All messages that the provider has of one sender, stretch of time by stretch.

For `dispatcher verify --provider`; workers never ask for so much. Rows of one message
have one receive time, so that no stretch cuts a message in two.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

from dispatcher.errors import DispatchError
from workers.bandwidth import Bandwidth
from workers.reconcile import Pace
from workers.search import (
    OUTAGE_S,
    Candidate,
    Found,
    NotMade,
    Query,
    Throttled,
)

#: Rows of a page: half of what an answer may be long.
ROWS: Final = 1000
#: Requests a second. Together with what workers ask (10) within what the provider takes
#: of one address (3500 in five minutes).
RATE: Final = 1.5
#: Seconds without a search after which it is given up; a wish to wait is obeyed.
PATIENCE_S: Final = 60.0
#: Shortest stretch, seconds: one that holds more than can be read is told of.
SHORTEST_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Stretch:
    """What was received between two times.

    Attributes:
        start: Seconds since 1970, by the provider's clock.
        end: Likewise.
        messages: Those found.
        complete: There are no others, as far as the search shows.
    """

    start: float
    end: float
    messages: tuple[Candidate, ...]
    complete: bool


async def survey(
    client: Bandwidth, sender: str, times: Sequence[tuple[float, float]]
) -> AsyncIterator[Stretch]:
    """Search one stretch after the other; what is too much at once in halves.

    Raises:
        DispatchError: The provider does not search.
    """
    pace = Pace(RATE)
    left = list(reversed(times))
    while left:
        start, end = left.pop()
        found = await _search(client, pace, Query(sender, None, start, end, ROWS))
        whole = found.complete and not found.unreadable
        # Nothing but the promise of more: shorter ones would not show it either.
        if whole or end - start <= SHORTEST_S or not found.candidates:
            yield Stretch(start, end, found.candidates, whole)
            continue
        middle = (start + end) / 2
        left += [(middle, end), (start, middle)]


async def _search(client: Bandwidth, pace: Pace, query: Query) -> Found:
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + PATIENCE_S
    while True:
        searched = await pace.turn() or await client.search(query)
        if isinstance(searched, Found):
            pace.learn(searched)
            return searched
        if isinstance(searched, Throttled):
            give_up_at = loop.time() + searched.rest_s + PATIENCE_S
        elif _is_final(searched) or loop.time() >= give_up_at:
            raise DispatchError(f"the provider does not search: {searched.code}")
        await asyncio.sleep(searched.rest_s)


def _is_final(searched: NotMade) -> bool:
    """Whether to ask again is no use: everything but an outage."""
    return searched.rest_s != OUTAGE_S
