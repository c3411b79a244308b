"""The pages' way to the ledger: blocking calls in threads. Callbacks never wait.

It reads what the pages show and carries out what people order. What is read goes to
`views.py`; nothing here is HTML.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from typing import Final, TypeVar

from dispatcher.bridge import Threads
from dispatcher.client import Dispatcher
from dispatcher.errors import InvalidInput, UnknownCampaign
from dispatcher.ledger.codec import CHUNK_GROUPS
from dispatcher.ledger.history import Slot, slots
from dispatcher.ledger.keys import key
from dispatcher.ledger.mishaps import mishaps
from dispatcher.ledger.rows import CampaignRow, GroupRow
from dispatcher.ledger.states import CampaignState, GroupState
from dispatcher.order import check_id
from dispatcher.run import Run
from dispatcher.settings import Settings
from dispatcher.web.doubts import Held
from dispatcher.web.views import Sight

T = TypeVar("T")

#: Campaigns on one page of the list.
CAMPAIGNS: Final = 20
#: Held groups on one page.
HELD: Final = 20


class Desk:
    """Where orders are taken and questions answered.

    Args:
        settings: Where the ledger is.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._threads = Threads()
        self._dispatcher: Dispatcher | None = None
        self._lock = threading.Lock()

    async def do(self, work: Callable[[Dispatcher], T]) -> T:
        """Have something done in a thread.

        Raises:
            DispatchError: As `work` does; LedgerError also when Redis is away.
        """
        return await self._threads.call(lambda: work(self._opened()))

    def _opened(self) -> Dispatcher:
        """Connected by the first who asks while Redis is there."""
        with self._lock:
            if self._dispatcher is None:
                self._dispatcher = Dispatcher(self._settings)
            return self._dispatcher

    async def keep(self) -> None:
        """Until cancelled; then give threads and connections back."""
        try:
            await asyncio.Event().wait()
        finally:
            self.close()

    def close(self) -> None:
        """Take nothing more, and give connections back."""
        self._threads.close(wait=False)
        if self._dispatcher is not None:
            self._dispatcher.close()


def find(dispatcher: Dispatcher, id_: str) -> Run:
    """One campaign, by an id as an address has it.

    Raises:
        UnknownCampaign: There is none, or there can be none.
    """
    try:
        return dispatcher.campaign(check_id(id_))
    except InvalidInput:
        raise UnknownCampaign("no campaign has that id") from None


# -- reading -------------------------------------------------------------------


def overview(dispatcher: Dispatcher, page: int) -> tuple[list[Sight], bool]:
    """The campaigns of one page (from 0), newest first, and whether there are more."""
    ids = dispatcher.ledger.newest(page * CAMPAIGNS, CAMPAIGNS + 1)
    sights = []
    for id_ in ids[:CAMPAIGNS]:
        # A submission may be given up in between, and its id is free again.
        with suppress(UnknownCampaign):
            sights.append(glance(dispatcher, id_))
    return sights, len(ids) > CAMPAIGNS


def glance(dispatcher: Dispatcher, id_: str) -> Sight:
    """A campaign for the list: counts, and how fast it goes if it does."""
    run, ledger = find(dispatcher, id_), dispatcher.ledger
    row = ledger.campaign(id_)
    running = row.state == CampaignState.RUNNING
    history = _history(dispatcher, row) if running else ()
    return Sight(row, run.progress(), ledger.now_ms(), history)


def look(dispatcher: Dispatcher, id_: str) -> Sight:
    """A campaign with all that its page shows."""
    run, ledger = find(dispatcher, id_), dispatcher.ledger
    row = ledger.campaign(id_)
    return Sight(
        row,
        run.progress(),
        ledger.now_ms(),
        _history(dispatcher, row),
        errors=run.errors(),
        mishaps=tuple(mishaps(ledger.list_of(key("mishaps", row.load)))),
        explanation=run.explain(),
    )


def _history(dispatcher: Dispatcher, row: CampaignRow) -> tuple[Slot, ...]:
    raw = dict(dispatcher.ledger.pages_of(key("history", row.load)))
    return tuple(slots(raw))


def held(dispatcher: Dispatcher, id_: str, first: int) -> Held:
    """Held groups from a number on, one page of them."""
    find(dispatcher, id_)
    row = dispatcher.ledger.campaign(id_)
    found = list(islice(_held(dispatcher, row, first), HELD + 1))
    return Held(row, found[:HELD], found[HELD].group if len(found) > HELD else None)


def _held(dispatcher: Dispatcher, row: CampaignRow, first: int) -> Iterator[GroupRow]:
    if not row.counts[GroupState.HELD]:
        return
    for number in range(first // CHUNK_GROUPS, -(-row.groups // CHUNK_GROUPS)):
        for group in dispatcher.ledger.chunk(row, number):
            if group.group >= first and group.record.state == GroupState.HELD:
                yield group


def group(dispatcher: Dispatcher, id_: str, number: int) -> Held:
    """One group of a campaign.

    Raises:
        UnknownCampaign: There is no such group.
    """
    find(dispatcher, id_)
    row = dispatcher.ledger.campaign(id_)
    return Held(row, [dispatcher.ledger.group(row, number)], None)
