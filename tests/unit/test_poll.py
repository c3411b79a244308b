"""Polling: what a search says becomes the callbacks that nobody brought."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest

from dispatcher.callbacks import Report, read_callback
from dispatcher.errors import CampaignArchived, UnknownCampaign
from dispatcher.ledger.codec import Record
from dispatcher.ledger.delivery import Delivery
from dispatcher.ledger.keys import key
from dispatcher.ledger.rows import CampaignRow, GroupRow
from dispatcher.ledger.states import CampaignState, DeliveryState, GroupState
from workers.poll import REST_S, STAND_BY_S, Poller
from workers.search import Candidate, Found, Query, Status, Throttled

GATED_MS = 1_800_000_000_000.0
ONE, TWO, THREE = 12125550001, 12125550002, 12125550003
ROW = CampaignRow("c", CampaignState.DONE, load="nonce", sender="+19195551212")


def group(*states: DeliveryState, number: int = 0, tail: str = "m1") -> GroupRow:
    record = Record(GroupState.ACCEPTED, 1, 0, 0, 0, 3, GATED_MS, tail)
    members = (ONE, TWO, THREE)[: len(states)]
    return GroupRow(number, members, record, tuple(Delivery(s) for s in states))


class FakeLedger:
    """One chunk with what a test puts into it."""

    def __init__(self, *groups: GroupRow) -> None:
        self.groups = groups
        self.now = GATED_MS + 1000
        self.mine = True
        self.gone = False

    def hold(self, name: str, holder: str, lease_ms: int) -> bool:
        assert (name, bool(holder), lease_ms > 0) == (key("poller"), True, True)
        return self.mine

    def now_ms(self) -> float:
        return self.now

    def awaiting(self) -> list[tuple[str, float]]:
        return [("c|0", GATED_MS)]

    def campaign(self, _id: str) -> CampaignRow:
        if self.gone:
            raise UnknownCampaign("gone")
        return ROW

    def chunk(self, _row: CampaignRow, number: int) -> Sequence[GroupRow]:
        assert number == 0
        return self.groups


class FakeSearch:
    """Answers every search with the same messages."""

    def __init__(self, **statuses: dict[int, Status]) -> None:
        self.queries: list[Query] = []
        self.answer: Found | Throttled = Found(
            tuple(
                Candidate(id_, frozenset(said), statuses=said)
                for id_, said in statuses.items()
            )
        )

    async def search(self, query: Query) -> Found | Throttled:
        self.queries.append(query)
        return self.answer


class Box:
    """The inbox."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    async def put(self, body: bytes) -> None:
        self.bodies.append(body)

    @property
    def reports(self) -> list[Report]:
        events = [e for body in self.bodies for e in read_callback(body).events]
        return [event for event in events if isinstance(event, Report)]


def poller(ledger: FakeLedger, search: FakeSearch, box: Box) -> Poller:
    return Poller(ledger, search, box, 15.0)  # type: ignore[arg-type]


def polled(ledger: FakeLedger, search: FakeSearch) -> Box:
    box = Box()
    assert asyncio.run(poller(ledger, search, box).run_once()) == REST_S
    return box


def said(word: str, code: int = 0) -> dict[int, Status]:
    return {ONE: Status(word, code)}


AWAITED = DeliveryState.AWAITING


@pytest.mark.parametrize(
    ("word", "code", "state", "told"),
    [
        ("SENDING", 0, DeliveryState.SENDING, 0),
        ("SENT", 0, DeliveryState.SENT, 0),
        ("DELIVERED", 0, DeliveryState.DELIVERED, 0),
        ("FAILED", 4720, DeliveryState.FAILED, 4720),
        ("UNDELIVERED", 4750, DeliveryState.FAILED, 4750),
        ("DLR_EXPIRED", 0, DeliveryState.FAILED, 9902),
    ],
)
def test_words_become_events(
    word: str, code: int, state: DeliveryState, told: int
) -> None:
    """As the receiver's own reader understands them: tag, id, number, state, code."""
    (report,) = polled(
        FakeLedger(group(AWAITED)), FakeSearch(m1=said(word, code))
    ).reports
    assert report.tag == ("nonce", 0, 3)
    assert (report.message_id, report.to) == ("m1", (ONE,))
    assert (report.state, report.code) == (state, told)


@pytest.mark.parametrize("word", ["RECEIVED", "QUEUED", "ACCEPTED", "WHATEVER"])
def test_other_words_say_nothing(word: str) -> None:
    """Nothing that callbacks would tell has happened yet."""
    assert not polled(FakeLedger(group(AWAITED)), FakeSearch(m1=said(word))).bodies


def test_only_news_is_told() -> None:
    """What the ledger knows, or knows better, costs nothing."""
    states = (DeliveryState.SENT, DeliveryState.DELIVERED, AWAITED)
    words = {
        ONE: Status("SENDING", 0),
        TWO: Status("DELIVERED", 0),
        THREE: Status("DELIVERED", 0),
    }
    box = polled(FakeLedger(group(*states)), FakeSearch(m1=words))
    assert [report.to for report in box.reports] == [(THREE,)]


def test_other_messages_are_left_alone() -> None:
    """The search shows everything of that sender."""
    assert not polled(FakeLedger(group(AWAITED)), FakeSearch(x=said("FAILED"))).bodies


def test_a_body_is_one_a_callback_could_have() -> None:
    """An array of events, with nothing else in it."""
    (body,) = polled(
        FakeLedger(group(AWAITED)), FakeSearch(m1=said("DELIVERED"))
    ).bodies
    (event,) = json.loads(body)
    assert event["type"] == "message-delivered"
    assert event["message"]["direction"] == "out"


def test_the_window_holds_all_groups_that_are_waited_for() -> None:
    """From a minute before the first gate to a minute after the last answer."""
    search = FakeSearch()
    polled(FakeLedger(group(AWAITED)), search)
    (query,) = search.queries
    assert (query.start, query.end) == (GATED_MS / 1000 - 60, GATED_MS / 1000 + 75)
    assert (query.sender, query.members) == (ROW.sender, None)


def test_nothing_is_asked_when_nobody_is_waited_for() -> None:
    """All ends are known, or the campaign is gone."""
    known, search = FakeLedger(group(DeliveryState.FAILED)), FakeSearch()
    polled(known, search)
    gone = FakeLedger(group(AWAITED))
    gone.gone = True
    polled(gone, search)
    assert search.queries == []


def test_a_campaign_that_is_archived_meanwhile() -> None:
    """Its groups go between two questions: nothing is asked of the provider."""

    class Vanishing(FakeLedger):
        def chunk(self, _row: CampaignRow, _number: int) -> Sequence[GroupRow]:
            raise CampaignArchived("archived", 0)

    search = FakeSearch(m1=said("DELIVERED"))
    assert polled(Vanishing(group(AWAITED)), search).bodies == []
    assert search.queries == []


def test_looks_grow_rarer() -> None:
    """Ten seconds after the first, then after half of its age."""
    ledger, search, box = FakeLedger(group(AWAITED)), FakeSearch(), Box()
    made = poller(ledger, search, box)

    def looks_at(seconds: float) -> int:
        ledger.now = GATED_MS + seconds * 1000
        asyncio.run(made.run_once())
        return len(search.queries)

    assert [looks_at(s) for s in (1, 9, 11, 20, 21, 100, 149, 151)] == [
        *(1, 1, 2, 2, 3, 4, 4, 5),
    ]


def test_one_process_polls() -> None:
    """The others stand by."""
    ledger, search = FakeLedger(group(AWAITED)), FakeSearch()
    ledger.mine = False
    pause: Any = asyncio.run(poller(ledger, search, Box()).run_once())
    assert (pause, search.queries) == (STAND_BY_S, [])
