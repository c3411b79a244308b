"""The reconciler among fakes: what it asks, records and plans; time is the loop's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import pytest
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from dispatcher.errors import LedgerCorrupt, LedgerError
from dispatcher.ledger.calls import Verdict
from dispatcher.ledger.codec import Members, member_lock
from dispatcher.ledger.doubts import RECONCILER_LEASE_MS, Doubts
from dispatcher.ledger.scripts import Call
from dispatcher.settings import Settings
from tests.unit.worker_fakes import (
    AWAY,
    MEMBERS,
    PRIVATE,
    SENDER,
    FakeLedger,
    FakeProvider,
    Reply,
    now,
    run,
    verdict,
)
from workers.proof import CLOSE_S, Rules
from workers.reconcile import (
    DAMAGED_S,
    REST_S,
    ROUND,
    SEARCH_RATE,
    STAND_BY_S,
    Reconciler,
    held_after,
)
from workers.search import Candidate, Found, Query, Searched, Throttled, Unavailable
from workers.skew import Skew

T = TypeVar("T")

GATE_MS = 1_800_000_000_000
HOLD = Rules(grace=300.0, policy="hold", deadline=15.0)
RESEND = Rules(grace=300.0, policy="resend", deadline=15.0)
GRACE_END = 301.0
OTHERS: list[Any] = []


class Ledger(FakeLedger):
    """Notes what is planned, too.

    Attributes:
        at: What its clock showed last, seconds.
        planned: Name of a doubt -> seconds after the gate; None when dropped.
        damaged: Chunks that cannot be read.
    """

    def __init__(self, *rounds: Reply) -> None:
        super().__init__(doubt=rounds)
        self.at = 0.0
        self.planned: dict[str, float | None] = {}
        self.damaged: set[int] = set()

    async def run(self, call: Call[T]) -> T:
        answer = await super().run(call)
        if isinstance(answer, Doubts):
            self.at = answer.now / 1000
        return answer

    async def chunk(self, load: str, number: int) -> list[Members]:
        if number in self.damaged:
            raise LedgerCorrupt("a chunk of groups is damaged")
        return await super().chunk(load, number)

    async def look_again(self, doubt: str, at_ms: float) -> None:
        self._plan(doubt, (at_ms - GATE_MS) / 1000)

    async def drop_doubt(self, doubt: str) -> None:
        self._plan(doubt, None)

    def _plan(self, doubt: str, at: float | None) -> None:
        if "plan" in self.fails:
            raise AWAY
        self.planned[doubt] = at

    @property
    def verdicts(self) -> list[tuple[Any, ...]]:
        """What was recorded, in short."""
        return [told for told in self.told if told[0] in set(Verdict)]


class Client(FakeProvider):
    """Answers searches as told, one by one; the last answer stays.

    Attributes:
        asked: When each search was begun, and for what.
    """

    def __init__(self, *answers: Searched | Exception, takes: float = 0.0) -> None:
        super().__init__()
        self.answers = list(answers)
        self.takes = takes
        self.asked: list[tuple[float, Query]] = []
        self.skew = Skew(clock=lambda: 0.0)
        self.learn(0.0)

    def learn(self, seconds: float) -> None:
        for _ in range(3):
            self.skew.learn(seconds)

    @property
    def times(self) -> list[float]:
        return [moment for moment, _ in self.asked]

    async def search(self, query: Query) -> Searched:
        self.asked.append((now(), query))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        await asyncio.sleep(self.takes)
        if isinstance(answer, Exception):
            raise answer
        return answer


def doubt(
    group: int = 0,
    serial: int = 1,
    *,
    newest: int | None = None,
    unknown: float | None = 1.0,
    dropped: int = 0,
) -> list[Any]:
    """One doubt of a script's reply; `unknown` in seconds after the gate."""
    name = f"c1|{group}|{serial}|{GATE_MS}"
    unknown_at = -1 if unknown is None else GATE_MS + unknown * 1000
    fields: list[Any] = [name.encode(), b"c1", b"nonce", SENDER.encode(), group, serial]
    return [*fields, GATE_MS, newest or serial, dropped, unknown_at]


def reply(
    *doubts: Sequence[Any], at: float = 3.0, more: int = 0, wait: int = -1
) -> list[Any]:
    """What the script answers so many seconds after the gate."""
    head: list[Any] = [GATE_MS + at * 1000, more, wait]
    return [*head, *(field for fields in doubts for field in fields)]


def message(id_: str = "m1", at: float = 0.2) -> Found:
    """The group's own message is found."""
    received_at = GATE_MS / 1000 + at
    return Found((Candidate(id_, frozenset(MEMBERS), len(MEMBERS), received_at),))


def made(
    ledger: Ledger, client: Client, rules: Rules = HOLD, ahead: float = 0.0
) -> Reconciler:
    """A reconciler whose wall clock is so many seconds ahead of the ledger's."""
    return Reconciler("child", ledger, client, rules, clock=lambda: ledger.at + ahead)


def looked(
    ledger: Ledger, client: Client, rules: Rules = HOLD, times: int = 1
) -> list[float]:
    """What so many rounds return."""

    async def rounds() -> list[float]:
        reconciler = made(ledger, client, rules)
        return [await reconciler.run_once() for _ in range(times)]

    return run(rounds())


NAME = f"c1|0|1|{GATE_MS}"


# -- one doubt -----------------------------------------------------------------


def test_proof_is_recorded() -> None:
    """Under the serial of the write, with the lock of its members; then it is over."""
    ledger, client = Ledger(reply(doubt(serial=4))), Client(message())
    looked(ledger, client)
    (settled,) = ledger.settled()
    assert (settled.id, settled.group, settled.serial) == ("c1", 0, 4)
    assert (settled.verdict, settled.detail) == (Verdict.ACCEPTED, "m1")
    assert settled.lock == member_lock(SENDER, MEMBERS)
    assert ledger.planned == {f"c1|0|4|{GATE_MS}": None}


def test_it_is_looked_for_again() -> None:
    """Nothing found within the grace time changes nothing."""
    ledger = Ledger(reply(doubt()))
    looked(ledger, Client(Found()))
    assert (ledger.verdicts, ledger.planned) == ([], {NAME: 6.0})


@pytest.mark.parametrize(
    ("rules", "searched", "expected"),
    [
        (HOLD, Found(), Verdict.HOLD),
        (HOLD, Unavailable("500"), Verdict.HOLD),
        (RESEND, Found(), Verdict.RETRY),
        (RESEND, Unavailable("500"), Verdict.HOLD),
        (RESEND, Found(complete=False), Verdict.HOLD),
    ],
)
def test_after_the_grace_time(
    rules: Rules, searched: Searched, expected: Verdict
) -> None:
    """The policy decides after a search; its message is looked for all the same."""
    ledger = Ledger(reply(doubt(), at=GRACE_END))
    looked(ledger, Client(searched), rules)
    assert ledger.verdicts == [verdict(expected, 1)]
    assert ledger.planned == {NAME: 406.0}


@pytest.mark.parametrize("rules", [HOLD, RESEND], ids=["hold", "resend"])
@pytest.mark.parametrize(
    "late", [doubt(unknown=None), doubt(newest=2), doubt(newest=2, unknown=None)]
)
def test_what_is_not_open_any_more(rules: Rules, late: list[Any]) -> None:
    """Held, sent again, or told of by others: only proof is recorded for it."""
    ledger = Ledger(reply(late, at=500.0), reply(late, at=500.0))
    looked(ledger, Client(Found(), message()), rules, times=2)
    assert ledger.verdicts == [verdict(Verdict.ACCEPTED, 1, detail="m1")]
    assert ledger.planned == {NAME: None}


def test_the_last_look() -> None:
    """After it a held group is a person's alone."""
    ledger = Ledger(reply(doubt(unknown=None), at=CLOSE_S))
    looked(ledger, Client(Found()))
    assert (ledger.verdicts, ledger.planned) == ([], {NAME: None})


def test_members_that_were_left_out() -> None:
    """Whoever was dropped at the gate is not in the message that is looked for."""
    ledger, client = Ledger(reply(doubt(dropped=1))), Client(Found())
    looked(ledger, client)
    assert client.asked[0][1].members == frozenset({MEMBERS[1]})


# -- the clocks ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("skew", "ahead", "start"), [(0.0, 0.0, -5.0), (7.0, 0.0, 2.0), (7.0, -4.0, -2.0)]
)
def test_the_window_is_the_provider_s(skew: float, ahead: float, start: float) -> None:
    """Its clock is known against ours, and ours against the ledger's."""
    ledger, client = Ledger(reply(doubt())), Client(Found())
    client.skew = Skew(clock=lambda: 0.0)
    client.learn(skew)
    run(made(ledger, client, ahead=ahead).run_once())
    query = client.asked[0][1]
    assert query.start - GATE_MS / 1000 == pytest.approx(start)
    assert query.end - query.start == pytest.approx(25.0)


def test_the_window_is_wide_at_first() -> None:
    """Before the provider has told its time, what is near proves nothing."""
    ledger = Ledger(reply(doubt(), at=GRACE_END))
    client = Client(message(at=-30.0))
    client.skew = Skew()
    looked(ledger, client, RESEND)
    assert ledger.verdicts == [verdict(Verdict.HOLD, 1)]


# -- pace ----------------------------------------------------------------------


def many(count: int = ROUND, at: float = 3.0) -> list[Any]:
    return reply(*(doubt(group) for group in range(count)), at=at)


def test_searches_are_spaced_out() -> None:
    """Over all groups and rounds, as the provider's limit for one address wants it."""
    client = Client(Found(), takes=1.0)
    looked(Ledger(many()), client, times=3)
    gaps = [b - a for a, b in zip(client.times, client.times[1:], strict=False)]
    assert len(client.times) == 3 * ROUND
    assert min(gaps) == pytest.approx(1 / SEARCH_RATE)
    assert SEARCH_RATE * 300 <= 3500 - 500


def test_further_pages_count() -> None:
    """An answer of three pages took three requests."""
    client = Client(Found(pages=3), Found())
    looked(Ledger(many(1)), client, times=2)
    assert client.times == pytest.approx([0.0, 3 / SEARCH_RATE])


def test_retry_after_holds_for_all() -> None:
    """Until then nobody is asked, and nobody is held for it."""
    ledger = Ledger(many(4, at=GRACE_END), many(4, at=GRACE_END), many(4, at=GRACE_END))
    client = Client(Throttled(60.0), Found())

    async def rounds() -> None:
        reconciler = made(ledger, client)
        await reconciler.run_once()
        await asyncio.sleep(59.0)
        assert ledger.verdicts == []
        await reconciler.run_once()
        assert len(client.times) == 1
        assert ledger.planned[NAME] == pytest.approx(GRACE_END + 0.7, abs=0.01)
        await asyncio.sleep(0.8)
        await reconciler.run_once()

    run(rounds())
    assert len(client.times) == 5
    assert ledger.count("settle") == 4


def test_an_account_that_may_not_search() -> None:
    """One request a minute finds out whether it may now; the policy goes on: hold."""
    ledger = Ledger(many(at=GRACE_END))
    client = Client(Unavailable("403 forbidden", 60.0))
    looked(ledger, client, RESEND, times=2)
    assert len(client.times) == 1
    assert {word for word, *_ in ledger.verdicts} == {"hold"}
    assert len({item.group for item in ledger.settled()}) == ROUND


def test_a_query_that_is_refused() -> None:
    """It says nothing about the others."""
    client = Client(Unavailable("400", 0.0), Found())
    looked(Ledger(many()), client)
    assert len(client.times) == ROUND


# -- rounds --------------------------------------------------------------------


def test_another_child_looks() -> None:
    """This one stands by, and asks again whether it is its turn."""
    ledger = Ledger(reply(), OTHERS, reply())
    pauses = looked(ledger, Client(Found()), times=3)
    assert pauses == [REST_S, STAND_BY_S, REST_S]
    assert ledger.asked[0][1] == ["child", RECONCILER_LEASE_MS, ROUND]


@pytest.mark.parametrize(
    ("answer", "pause"),
    [
        (reply(), REST_S),
        (reply(wait=400), 0.4),
        (reply(wait=0), 0.01),
        (reply(wait=60_000), REST_S),
        (reply(more=1, wait=60_000), 0.01),
    ],
)
def test_pauses(answer: list[Any], pause: float) -> None:
    """Until something is due, and at most so long that new ones are noticed."""
    assert looked(Ledger(answer), Client(Found())) == [pause]


# -- faults --------------------------------------------------------------------


def test_redis_away_at_the_beginning() -> None:
    """The caller is told."""
    with pytest.raises(LedgerError):
        looked(Ledger(AWAY), Client(Found()))


@pytest.mark.parametrize("failing", ["settle", "plan"])
def test_redis_away_in_between(failing: str) -> None:
    """What was found is found again later: the doubt stays as it is."""
    ledger = Ledger(reply(doubt()))
    ledger.fails = {failing}
    assert looked(ledger, Client(message())) == [STAND_BY_S]
    assert ledger.planned == {}


def test_one_damaged_group() -> None:
    """It is put off; the others get their proof."""
    ledger = Ledger(reply(doubt(0), doubt(300)))
    ledger.damaged = {2}
    with capture_logs() as logs:
        assert looked(ledger, Client(message())) == [REST_S]
    assert ledger.planned == {NAME: None, f"c1|300|1|{GATE_MS}": 3.0 + DAMAGED_S}
    assert [log["event"] for log in logs] == ["doubt.unreadable", "doubt.settled"]


def test_a_damaged_group_for_ever() -> None:
    """Once it is not unknown any more, it is given up at the end of its time."""
    ledger = Ledger(reply(doubt(unknown=None), at=CLOSE_S + 1))
    ledger.damaged = {0}
    looked(ledger, Client(message()))
    assert ledger.planned == {NAME: None}
    ledger.fails = {"plan"}
    assert looked(ledger, Client(message())) == [STAND_BY_S]


def living(
    ledger: Ledger, client: Client, until: Callable[[], bool], rules: Rules = HOLD
) -> None:
    """Live until something is so."""

    async def live() -> None:
        task = asyncio.create_task(made(ledger, client, rules).live())
        # What is waited for is the fakes', which set no event.
        while not until():  # noqa: ASYNC110
            await asyncio.sleep(0.5)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    run(live())


def test_it_lives_through_faults() -> None:
    """Redis comes back, a fault of ours is told of, and it goes on."""
    ledger = Ledger(reply(), AWAY, RuntimeError("x"), reply(), reply())
    with capture_logs() as logs:
        living(ledger, Client(Found()), lambda: ledger.count("doubt") == 5)
    assert [log["event"] for log in logs] == [
        "reconciler.failed",
        "reconciler.crashed",
    ]


def test_a_round_ends_within_the_lease() -> None:
    """However slow the searches of one round are: nobody else begins them."""
    ledger, client = Ledger(many(), reply()), Client(Found(), takes=15.0)
    living(ledger, client, lambda: ledger.count("doubt") == 2)

    async def one() -> float:
        await made(Ledger(many()), Client(Found(), takes=15.0)).run_once()
        return now()

    assert run(one()) < 20


# -- privacy, settings ---------------------------------------------------------


def test_the_log_names_groups_and_nothing_private() -> None:
    """Campaign, group and verdict; no number, whatever goes wrong."""
    ledger = Ledger(reply(doubt(0), doubt(1), doubt(2)))
    client = Client(message(), Unavailable("500", 0.0), RuntimeError("x"))
    with capture_logs(processors=[merge_contextvars]) as logs:
        looked(ledger, client)
    told = {(log["event"], log["group"]) for log in logs}
    assert told == {
        ("doubt.settled", 0),
        ("search.not_made", 1),
        ("doubt.unreadable", 2),
    }
    assert all(log["campaign"] == "c1" for log in logs)
    assert not [secret for secret in PRIVATE if secret in repr((logs, ledger.told))]


@pytest.mark.parametrize(("policy", "expected"), [("hold", 305.0), ("resend", 2100.0)])
def test_when_the_clock_holds(policy: str, expected: float) -> None:
    """Later than the reconciler decides: then it is a net and nothing more."""
    assert held_after(Settings.load(unknown_policy=policy)) == expected
