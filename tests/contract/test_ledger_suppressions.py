"""The lists of opted-out numbers: who is on them, why, and how they get off."""

from __future__ import annotations

from itertools import permutations

import pytest

from dispatcher.errors import LedgerCorrupt
from dispatcher.ledger import suppressions
from dispatcher.ledger.keys import key
from dispatcher.ledger.ledger import PAGE
from dispatcher.ledger.suppressions import ALL, Entry, Source
from tests.bench import DAWN_US, SENDER, Bench

NOW_MS = DAWN_US // 1000
ANN, BOB, CAT = 19_195_550_101, 19_195_550_102, 447_700_900_123


def add(bench: Bench, *numbers: int, source: Source = Source.HAND,
        since: float | None = None, scope: str = ALL) -> int:  # fmt: skip
    entries = [Entry(number, source, since) for number in numbers]
    return bench.run(suppressions.add(entries, scope))


def stored(bench: Bench, scope: str = ALL) -> dict[int, tuple[str, float | None]]:
    return {
        entry.number: (entry.source.value, entry.since)
        for entry in suppressions.entries(bench.ledger, scope)
    }


def test_adding(bench: Bench) -> None:
    """Who, why and since when; told how many are new."""
    assert add(bench, ANN, CAT) == 2
    assert add(bench, ANN, BOB, source=Source.STOP, since=5) == 1
    assert stored(bench) == {
        ANN: ("hand", NOW_MS),
        BOB: ("stop", 5),
        CAT: ("hand", NOW_MS),
    }
    assert suppressions.count(bench.ledger) == 3


def test_scopes_are_apart(bench: Bench) -> None:
    """One sender's list binds nobody else; that of all binds everybody."""
    add(bench, ANN)
    add(bench, BOB, scope=SENDER)
    assert suppressions.scopes(bench.ledger) == [ALL, SENDER]
    assert set(suppressions.snapshot(bench.ledger, SENDER)) == {ANN, BOB}
    assert set(suppressions.snapshot(bench.ledger, "+19195550000")) == {ANN}


def test_removing(bench: Bench) -> None:
    """By hand, whoever put it there; the list itself goes with its last number."""
    add(bench, ANN, source=Source.STOP)
    add(bench, BOB)
    assert bench.run(suppressions.remove([ANN, BOB, CAT])) == 2
    assert bench.run(suppressions.remove([ANN])) == 0
    assert stored(bench) == {}
    assert suppressions.scopes(bench.ledger) == []
    add(bench, ANN, source=Source.STOP)
    assert ANN in stored(bench)


@pytest.mark.parametrize(
    ("first", "then", "stays"),
    [
        ("hand", "stop", ("hand", 10)),
        ("import", "code", ("import", 10)),
        ("stop", "hand", ("hand", 20)),
        ("code", "import", ("import", 20)),
        ("hand", "import", ("hand", 10)),
        ("stop", "code", ("code", 20)),
    ],
)
def test_twice(bench: Bench, first: str, then: str, stays: tuple[str, int]) -> None:
    """What we entered is kept; of a person's own the last, so that START is newer."""
    add(bench, ANN, source=Source(first), since=10)
    assert add(bench, ANN, source=Source(then), since=20) == 0
    assert stored(bench) == {ANN: stays}


@pytest.mark.parametrize("source", Source)
def test_opting_in(bench: Bench, source: Source) -> None:
    """START takes back what is the person's own, and only that."""
    add(bench, ANN, BOB, source=source)
    bench.clock.forward(1)
    own = source in (Source.STOP, Source.CODE)
    assert bench.run(suppressions.opt_in([ANN, CAT])) == int(own)
    assert set(stored(bench)) == ({BOB} if own else {ANN, BOB})


def test_opting_in_at_a_sender(bench: Bench) -> None:
    """From all lists that bind that sender, and from no other sender's."""
    for scope in (ALL, SENDER, "+19195550000"):
        add(bench, ANN, source=Source.STOP, scope=scope)
    bench.clock.forward(1)
    assert bench.run(suppressions.opt_in([ANN], sender=SENDER)) == 2
    assert suppressions.scopes(bench.ledger) == ["+19195550000"]


@pytest.mark.parametrize("order", list(permutations(["stop 1", "start 2", "stop 3"])))
def test_events_in_any_order(bench: Bench, order: tuple[str, ...]) -> None:
    """However they come, and come again, the last word by its own time counts."""
    for said in (*order, *order):
        tell(bench, said)
    assert stored(bench) == {ANN: ("stop", 3)}
    for said in ("start 4", *order):
        tell(bench, said)
    assert stored(bench) == {}


def test_in_the_same_moment(bench: Bench) -> None:
    """In doubt a person is left alone."""
    for order in (("stop 5", "start 5"), ("start 5", "stop 5")):
        bench.redis.flushall()
        for said in order:
            tell(bench, said)
        assert stored(bench) == {ANN: ("stop", 5)}


def tell(bench: Bench, said: str) -> None:
    word, at = said.split()
    if word == "stop":
        add(bench, ANN, source=Source.STOP, since=int(at))
    else:
        bench.run(suppressions.opt_in([ANN], at=int(at)))


def test_we_may_enter_them_whenever_we_like(bench: Bench) -> None:
    """A START of some time ago is about people's own opt-outs only."""
    tell(bench, "start 100")
    assert add(bench, ANN, source=Source.IMPORT, since=50) == 1


def test_many(bench: Bench) -> None:
    """A long list comes in pages, whole, and nobody twice."""
    # The server counts buckets, not entries: a page may hold more than was asked for.
    numbers = range(ANN, ANN + 5 * PAGE + 7)
    for first in range(0, len(numbers), suppressions.BATCH):
        add(bench, *numbers[first : first + suppressions.BATCH])
    listed = [entry.number for entry in suppressions.entries(bench.ledger)]
    assert sorted(listed) == list(numbers)
    assert list(suppressions.snapshot(bench.ledger, SENDER)) == list(numbers)
    bench.redis.config_resetstat()
    list(suppressions.entries(bench.ledger))
    assert bench.redis.info("commandstats")["cmdstat_hscan"]["calls"] > 2


@pytest.mark.parametrize("value", [b"", b"stop", b"whim|5", b"stop|soon", b"\xff|5"])
def test_damaged(bench: Bench, value: bytes) -> None:
    """An entry that cannot be read is an error without a number in it."""
    name = key("suppressed", ALL)
    bench.redis.hset(name, ANN.to_bytes(8, "big"), value)
    with pytest.raises(LedgerCorrupt, match="opted-out") as caught:
        stored(bench)
    assert str(ANN) not in str(caught.value)


def test_no_number_in_any_repr() -> None:
    """Neither an entry nor a call shows whom it is about."""
    entry = Entry(ANN, Source.STOP)
    shown = repr((entry, suppressions.add([entry]), suppressions.opt_in([ANN])))
    assert str(ANN) not in shown
