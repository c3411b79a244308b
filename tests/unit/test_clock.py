"""The clock against a fake ledger: what a tick does, and what a fault leaves undone."""

from __future__ import annotations

import threading
from typing import Any, TypeVar

import pytest
from celery import Celery
from kombu.exceptions import OperationalError
from structlog.testing import capture_logs

from dispatcher.errors import (
    CampaignArchived,
    LedgerCorrupt,
    LedgerError,
    LedgerUnreachable,
)
from dispatcher.ledger.codec import Record, member_lock
from dispatcher.ledger.ledger import Ledger
from dispatcher.ledger.rows import CampaignRow, GroupRow
from dispatcher.ledger.scripts import Call
from dispatcher.ledger.states import CampaignState, GroupState
from dispatcher.settings import Settings
from tests.unit.worker_fakes import (
    AWAY,
    MEMBERS,
    PRIVATE,
    SENDER,
    settled,
    settlements,
)
from workers.clock import (
    BREATH_S,
    BUSY_S,
    GRACE_LIMIT,
    REST_S,
    SWEEPS,
    TELL_EVERY,
    TICK_LEASE_MS,
    Clock,
)
from workers.reconcile import HOLD_MARGIN_S, RESEND_MARGIN_S

T = TypeVar("T")

NOW_MS = 1_800_000_000_000.0
GRACE_S = 300.0


class Books(Ledger):
    """A ledger in which some groups are unknown.

    Attributes:
        asked: Every question, in order.
        replies: Script -> replies, used up one by one; the last one stays.
        unknown: (campaign, group) past their grace time.
        faults: Campaign -> what reading it raises.
    """

    def __init__(self, **replies: list[Any]) -> None:
        self.replies = {
            "lapse": [[0, 0, 0, 0]],
            "sweep": [[0, 0]],
            "wake": [[0, -1]],
        } | replies
        self.asked: list[tuple[Any, ...]] = []
        self.ticks = True
        self.unknown: list[tuple[str, int]] = []
        self.faults: dict[str, Exception] = {}
        self.state = GroupState.UNKNOWN

    def hold(self, name: str, child: str, lease_ms: int) -> bool:
        self.asked.append((name.rpartition(":")[2], child, lease_ms))
        return self.ticks

    def now_ms(self) -> float:
        return NOW_MS

    def unknown_before(self, ms: float, limit: int) -> list[tuple[str, int]]:
        self.asked.append(("unknown", NOW_MS - ms, limit))
        return self.unknown

    def campaign(self, id: str) -> CampaignRow:  # noqa: A002 - as the real one
        if fault := self.faults.get(id):
            raise fault
        return CampaignRow(id, CampaignState.RUNNING, sender=SENDER)

    def group(self, row: CampaignRow, group: int) -> GroupRow:
        assert row.sender == SENDER
        record = Record(self.state, 1, 0, 0, 0, 7, NOW_MS, "timeout")
        return GroupRow(group, MEMBERS, record)

    def run(self, call: Call[T]) -> T:
        if call.script == "settle":
            (item,) = settlements(call.arguments)
            assert call.arguments[0] == "", "the clock holds no token"
            assert item.lock == member_lock(SENDER, MEMBERS)
            self.asked.append((item.id, item.group, *settled(item)))
            return call.read([1])
        self.asked.append((call.script, *call.arguments))
        given = self.replies[call.script]
        reply = given.pop(0) if len(given) > 1 else given[0]
        if isinstance(reply, Exception):
            raise reply
        return call.read(reply)


class Broker(Celery):
    """Counts wake-ups; fails as it is told."""

    published = 0
    fault: Exception | None = None

    def send_task(self, *_: object, **__: object) -> Any:  # noqa: ANN401
        if self.fault:
            raise self.fault
        self.published += 1


class Turns(threading.Event):
    """Ends after so many waits, and notes how long they were to be."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count
        self.waits: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout)
        return len(self.waits) > self.count


def clock(books: Books, broker: Broker | None = None, **settings: object) -> Clock:
    chosen = {"account_rate": 5.0, "sender_rate": None, "unknown_grace": GRACE_S}
    given = Settings.load(**(chosen | settings))
    return Clock("child", books, given, broker or Broker())


# -- one tick --------------------------------------------------------------------


def test_a_tick() -> None:
    """In this order: lease, dead claims, ends of waits, wake-ups."""
    books = Books()
    assert clock(books).beat() == REST_S
    assert books.asked == [
        ("tick", "child", TICK_LEASE_MS),
        ("lapse", 500, ""),
        ("unknown", (GRACE_S + HOLD_MARGIN_S) * 1000, GRACE_LIMIT),
        ("sweep", 10_800_000, 4),
        ("wake", 5.0, "", 10_000),
    ]


def test_only_one_child_ticks() -> None:
    """Without the lease a child does nothing, and looks again after a second."""
    books = Books()
    books.ticks = False
    assert clock(books).beat() == REST_S
    assert len(books.asked) == 1


def test_dead_claims_are_taken_back_until_none_is_left() -> None:
    """A script takes a bounded number; every one of them is told."""
    books = Books(lapse=[[500, 0, 0, 1], [7, 2, 1, 1], [0, 0, 0, 0]])
    with capture_logs() as logs:
        clock(books).beat()
    assert [name for name, *_ in books.asked].count("lapse") == 3
    counts = [(e["returned"], e["unknown"], e["poisoned"]) for e in logs]
    assert counts == [(500, 0, 0), (7, 2, 1)]


@pytest.mark.parametrize(
    ("publish", "due", "pause"),
    [
        (0, -1, REST_S),
        (0, 0, BUSY_S),
        (2, 0, BUSY_S),
        (0, 300, 0.3),
        (0, 1, BREATH_S),
        (0, 86_400_000, REST_S),
    ],
)
def test_exactly_what_the_ledger_says_is_published(
    publish: int, due: int, pause: float
) -> None:
    """So many wake-ups; and the next look when something is due."""
    broker = Broker()
    assert clock(Books(wake=[[publish, due]]), broker).beat() == pause
    assert broker.published == publish


# -- the end of grace ------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "margin"), [("hold", HOLD_MARGIN_S), ("resend", RESEND_MARGIN_S)]
)
def test_what_nobody_decided_is_held(policy: str, margin: float) -> None:
    """Under either policy, later than the reconciler would: it never sends again."""
    books = Books()
    books.unknown = [("c1", 3), ("c2", 4)]
    with capture_logs() as logs:
        clock(books, unknown_policy=policy).beat()
    assert books.asked[2:-2] == [
        ("unknown", (GRACE_S + margin) * 1000, GRACE_LIMIT),
        ("c1", 3, *verdict_of_hold()),
        ("c2", 4, *verdict_of_hold()),
    ]
    assert [(e["event"], e["campaign"], e["group"]) for e in logs] == [
        ("group.grace_ended", "c1", 3),
        ("group.grace_ended", "c2", 4),
    ]
    assert not [secret for secret in PRIVATE if secret in repr(logs)]


def test_what_was_resolved_in_the_meantime_is_left_alone() -> None:
    """Only an unknown group is held."""
    books = Books()
    books.unknown, books.state = [("c1", 3)], GroupState.ACCEPTED
    clock(books).beat()
    assert [name for name, *_ in books.asked][2:] == ["unknown", "sweep", "wake"]


# -- unconfirmed -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("replies", "calls", "told"),
    [
        ([[0, 0]], 1, []),
        ([[3, 0]], 1, [3]),
        ([[3, 1], [0, 1], [2, 0]], 3, [3, 2]),
        ([[1, 1]], SWEEPS, [1] * SWEEPS),
    ],
)
def test_silence_ends(replies: list[Any], calls: int, told: list[int]) -> None:
    """Until nothing more is due, but not so long that wake-ups wait for it."""
    books = Books(sweep=replies)
    with capture_logs() as logs:
        clock(books, unconfirmed_after=60).beat()
    asked = [entry for entry in books.asked if entry[0] == "sweep"]
    assert asked == [("sweep", 60_000, 4)] * calls
    assert [e["recipients"] for e in logs] == told


# -- faults ----------------------------------------------------------------------


def test_a_campaign_that_was_archived_meanwhile() -> None:
    """Nothing to hold, nothing to tell; the others are held."""
    books = Books(wake=[[0, 0]])
    books.unknown = [("c1", 3), ("c2", 4)]
    books.faults = {"c1": CampaignArchived("archived", 0)}
    with capture_logs() as logs:
        clock(books).beat()
    assert ("c2", 4, *verdict_of_hold()) in books.asked
    assert [e["event"] for e in logs] == ["group.grace_ended"]


@pytest.mark.parametrize("fault", [LedgerCorrupt("damaged"), ZeroDivisionError()])
def test_one_damaged_group_stops_nothing_else(fault: Exception) -> None:
    """The other groups are held and the workers are called all the same."""
    books, broker = Books(wake=[[1, 0]]), Broker()
    books.unknown = [("c1", 3), ("c2", 4)]
    books.faults = {"c1": fault}
    with capture_logs() as logs:
        assert clock(books, broker).beat() == BUSY_S
    assert ("c2", 4, *verdict_of_hold()) in books.asked
    assert broker.published == 1
    assert [e["event"] for e in logs] == ["clock.duty_failed", "group.grace_ended"]


def verdict_of_hold() -> tuple[Any, ...]:
    return ("hold", 7, {})


@pytest.mark.parametrize("fault", [LedgerError("refused"), KeyError("odd")])
def test_a_failed_duty_stops_no_other(fault: Exception) -> None:
    """Workers are called though dead claims cannot be taken back."""
    books, broker = Books(lapse=[fault], wake=[[2, 0]]), Broker()
    with capture_logs() as logs:
        clock(books, broker).beat()
    assert broker.published == 2
    assert [e["event"] for e in logs] == ["clock.duty_failed"]


def test_an_unreachable_redis_ends_the_tick() -> None:
    """Nothing else could be done; the next look tries again."""
    books = Books(lapse=[AWAY])
    with pytest.raises(LedgerUnreachable):
        clock(books).beat()
    assert [name for name, *_ in books.asked] == ["tick", "lapse"]


@pytest.mark.parametrize(
    ("fault", "event"),
    [
        (AWAY, "clock.failed"),
        (LedgerError("no memory"), "clock.failed"),
        (KeyError("odd"), "clock.crashed"),
    ],
)
def test_a_fault_only_delays(fault: Exception, event: str) -> None:
    """The clock goes on a second later, whatever it was."""
    books = Books(wake=[fault, [1, 0]])
    broker, turns = Broker(), Turns(2)
    ticking = clock(books, broker)
    ticking._ended = turns
    with capture_logs() as logs:
        ticking.run()
    assert turns.waits == [BREATH_S, REST_S, BUSY_S]
    assert broker.published == 1
    assert [e["event"] for e in logs if e["event"] != "clock.recovered"] == [event]


def test_a_broker_that_is_away_only_delays() -> None:
    """The wake-up is published at a later look."""
    broker, turns = Broker(), Turns(2)
    broker.fault = OperationalError("redis://u:s3cret@h refused")
    ticking = clock(Books(wake=[[1, 0]]), broker)
    ticking._ended = turns
    with capture_logs() as logs:
        ticking.run()
    assert turns.waits == [BREATH_S, REST_S, REST_S]
    assert [e["event"] for e in logs] == ["clock.failed"]
    assert "s3cret" not in repr(logs)


def test_an_outage_is_told_rarely() -> None:
    """The first failure, one a minute, and that it is over; then it begins anew."""
    away: list[Any] = [AWAY] * (2 * TELL_EVERY + 1)
    ticking = clock(Books(wake=[*away, [0, -1], [0, -1], AWAY, [0, -1]]))
    ticking._ended = Turns(2 * TELL_EVERY + 5)
    with capture_logs() as logs:
        ticking.run()
    assert [(e["event"], e["failures"]) for e in logs] == [
        ("clock.failed", 1),
        ("clock.failed", TELL_EVERY + 1),
        ("clock.failed", 2 * TELL_EVERY + 1),
        ("clock.recovered", 2 * TELL_EVERY + 1),
        ("clock.failed", 1),
        ("clock.recovered", 1),
    ]


def test_it_stops() -> None:
    """Asked to stop it makes no further look."""
    books = Books()
    ticking = clock(books)
    ticking.stop()
    ticking.run()
    assert books.asked == []


def test_it_never_keeps_a_process_alive() -> None:
    """A daemon thread: a slow broker cannot delay the end of a child."""
    assert clock(Books()).daemon
