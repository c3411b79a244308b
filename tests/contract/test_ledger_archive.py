"""Tombstones: what the scripts, the readers and those on the way make of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from dispatcher import books
from dispatcher.errors import CampaignArchived
from dispatcher.ledger import calls
from dispatcher.ledger.async_ledger import AsyncLedger
from dispatcher.ledger.calls import Rates, Refusal
from dispatcher.ledger.circumstances import look
from dispatcher.ledger.deliveries import Answer
from dispatcher.ledger.doubts import due_doubts
from dispatcher.ledger.graves import bury
from dispatcher.ledger.identity import Identity, compare
from dispatcher.ledger.keys import key
from dispatcher.ledger.states import DeliveryState
from tests.bench import Bench, ticket

HOUR_MS = 3_600_000


@pytest.fixture
def done(bench: Bench) -> Bench:
    """A campaign of two groups that was accepted."""
    bench.sent(2)
    for group in range(2):
        bench.settle("accepted", group, detail=f"m{group}")
    return bench


def burial(bench: Bench, id_: str = "c") -> str:
    bench.loaded.clear()
    return bench.ledger.run(bury(bench.row(id_), "/srv/archive"))


def archived(bench: Bench) -> Bench:
    assert burial(bench) == "buried"
    for grave in bench.ledger.graves():
        bench.ledger.clear(grave)
    return bench


# -- the step ------------------------------------------------------------------


def test_once(done: Bench) -> None:
    """A repeated call finds it gone."""
    row = done.row()
    assert burial(done) == "buried"
    assert done.ledger.run(bury(row, "/srv/archive")) == "gone"


def test_another_load(done: Bench) -> None:
    """An export of another list, under the same id, removes nothing."""
    row = replace(done.row(), load="another")
    assert done.ledger.run(bury(row, "/srv/archive")) == "gone"
    assert done.campaign() == "done"


@pytest.mark.parametrize(
    "change",
    [
        lambda bench: bench.deliver(DeliveryState.SENT, 0, message_id="m0"),
        lambda bench: bench.settle("accepted", 0, detail="another"),
        lambda bench: bench.sweep(0),
    ],
    ids=["a delivery", "a double", "nothing more is expected"],
)
def test_not_what_was_exported(done: Bench, change: Callable[[Bench], object]) -> None:
    """Whatever happened since: nothing is removed."""
    row = done.row()
    done.clock.forward(1000)
    change(done)
    before = done.dump()
    assert done.ledger.run(bury(row, "/srv/archive")) == "changed"
    assert done.dump() == before


@pytest.mark.parametrize("fate", ["accepted", "unknown", "retry"])
def test_not_over(bench: Bench, fate: str) -> None:
    """Running, or with a group of which nobody knows yet."""
    bench.sent(2)
    bench.settle(fate, 0, detail="x")
    assert burial(bench) == "open"


def test_cancelled_on_the_way(bench: Bench) -> None:
    """A cancelled campaign waits for what was being written."""
    bench.sent(1)
    bench.control("cancel")
    assert burial(bench) == "open"
    bench.settle("accepted", detail="m1")
    assert burial(bench) == "buried"


# -- the id --------------------------------------------------------------------


def test_its_id_stays_taken(done: Bench) -> None:
    """The same content is known, other content is told what is there."""
    archived(done)
    assert done.ledger.run(calls.begin("c", 60)) == "content"
    done.put("load-2", 1)
    assert done.ledger.run(done.committing("c", 1, "load-2")) == "content"
    with pytest.raises(CampaignArchived):
        done.row()


def test_a_submission_that_fails_does_not_free_it(done: Bench) -> None:
    """Nor does it expire."""
    archived(done)
    assert done.ledger.run(calls.forget("c")) == 0
    assert done.redis.ttl(key("campaign", "c")) == -1


def test_a_load_under_way_loses(done: Bench) -> None:
    """Begun before, committed after: as if the campaign were still there."""
    done.redis.hdel(key("campaign", "c"), "x")
    done.put("load-2", 1)
    archived(done)
    assert done.ledger.run(done.committing("c", 1, "load-2")) == "content"


# -- whoever comes late --------------------------------------------------------


def test_what_people_are_told(done: Bench) -> None:
    """One line: when, where to, and how it ended."""
    archived(done)
    with pytest.raises(CampaignArchived) as told:
        done.row()
    assert str(told.value) == (
        "campaign 'c' was archived on 2027-01-15 08:00 UTC to /srv/archive: "
        "done, groups: 2 accepted"
    )
    assert told.value.archived_at == done.clock.ms


def test_readers_are_told_meanwhile(done: Bench) -> None:
    """Who reads groups while they go is told why, and gets none that seem untouched."""
    row, groups = done.row(), done.ledger.groups(done.row())
    archived(done)
    for read in (
        lambda: next(groups),
        lambda: done.ledger.group(row, 0),
        lambda: done.ledger.circumstances(row, Rates()),
        lambda: done.ledger.snapshot(row),
        lambda: books.verify(done.ledger, "c"),
    ):
        with pytest.raises(CampaignArchived):
            read()


def test_late_callbacks(done: Bench) -> None:
    """They change nothing, and nothing comes back to life."""
    archived(done)
    before = done.dump()
    assert done.deliver(DeliveryState.DELIVERED, message_id="m0") is Answer.UNKNOWN
    assert done.settle("accepted", 0, detail="m0", token="") == 0
    assert done.settle("accepted", 1, 2, detail="m9", token="") == 0
    assert done.dump() == before


def test_commands(done: Bench) -> None:
    """None finds a campaign."""
    archived(done)
    before = done.dump()
    for command in ("pause", "resume", "cancel", "vouch"):
        assert done.ledger.run(calls.control("c", command)) is None
    assert done.settle("ask") == 0
    assert done.ledger.run(look("c", Rates())) is None
    assert done.dump() == before


def test_workers(done: Bench) -> None:
    """Claim, gate, leases, doubts and sweeps pass over what is there no more."""
    done.redis.sadd(key("claim", "T1"), "c|0")
    done.redis.zadd(key("leases"), {"T1": done.clock.ms})
    assert burial(done) == "buried"
    # Between the tombstone and the last step everything may still be listed.
    done.redis.zadd(key("ready"), {"c": 1})
    done.redis.zadd(key("later"), {"c": 1})
    done.redis.zadd(key("doubts"), {"c|0|1|5": 1})
    done.redis.zadd(key("awaiting"), {"c|0": 1})
    assert done.claim().groups == []
    assert done.gates([ticket(0, 2)]) == [Refusal.LOST]
    done.clock.forward(HOUR_MS)
    done.lapse()
    found = done.ledger.run(due_doubts("child", 9))
    assert found is not None
    assert found.due == []
    assert done.sweep(0) == (0, False)
    left = {name: done.redis.zcard(key(name)) for name in ("ready", "later", "doubts")}
    assert left == {"ready": 0, "later": 0, "doubts": 0}
    assert done.redis.zcard(key("awaiting")) == 0


def test_a_doubt_that_was_being_looked_for(done: Bench) -> None:
    """It is not planned again: a reconciler that found no chunk leaves nothing."""

    async def plan() -> None:
        ledger = AsyncLedger(done.url, clock=done.clock)
        await ledger.look_again("c|0|1|5", done.clock.ms + 60_000)
        await ledger.aclose()

    archived(done)
    asyncio.run(plan())
    assert not done.redis.exists(key("doubts"))


def test_a_ledger_that_was_set_back(done: Bench) -> None:
    """The tombstone is no campaign to be paused."""
    archived(done)
    done.ledger.run(compare("child", Identity()))
    assert done.ledger.run(compare("child", Identity("another", 1))).paused == 0


def test_memory_may_be_full(done: Bench, configure: Callable[..., None]) -> None:
    """Then it is needed most."""
    configure(maxmemory="1")
    assert burial(done) == "buried"
    for grave in done.ledger.graves():
        done.ledger.clear(grave)
    assert done.ledger.graves() == []
