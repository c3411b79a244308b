"""The ledger and its server: Lua's constants, memory, faults, both connections."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from dispatcher.errors import (
    LedgerCorrupt,
    LedgerError,
    LedgerUnreachable,
    UnknownCampaign,
)
from dispatcher.ledger import calls, scripts
from dispatcher.ledger.async_ledger import AsyncLedger
from dispatcher.ledger.calls import Rates
from dispatcher.ledger.codec import CHUNK_GROUPS, Record
from dispatcher.ledger.keys import PATTERNS, key
from dispatcher.ledger.ledger import Ledger
from dispatcher.ledger.scripts import Call
from dispatcher.ledger.states import CAMPAIGN_MOVES, GROUP_MOVES, GroupState
from tests.bench import FREE, TOKEN, Bench, members_of, ticket

# -- what Lua and Python must agree on -----------------------------------------

#: Integer keys as strings: JSON objects have no others.
_AS_TEXT = """
local function text(value)
  if type(value) ~= 'table' then return value end
  local out = {}
  for k, v in pairs(value) do out[tostring(k)] = text(v) end
  return out
end
return cjson.encode(text({ KEY = KEY, STATE = STATE, NAME = NAME, MOVE = MOVE,
                           CAMPAIGN_MOVE = CAMPAIGN_MOVE, CHUNK = CHUNK }))
"""


def test_tables_in_lua(bench: Bench) -> None:
    """The generated tables, read by the server's Lua, are Python's own."""
    tables = json.loads(
        bench.redis.eval(scripts._tables(" ".join(PATTERNS)) + _AS_TEXT, 0)
    )
    assert tables.pop("KEY") == dict(PATTERNS)
    assert tables.pop("CHUNK") == CHUNK_GROUPS
    assert tables.pop("STATE") == {state.word: state.value for state in GroupState}
    assert tables.pop("NAME") == {str(int(state)): state.word for state in GroupState}
    moves = tables.pop("MOVE")
    assert moves == {
        event.value: {str(int(a)): int(b) for a, b in GROUP_MOVES[event].items()}
        for event in GROUP_MOVES
    }
    assert tables.pop("CAMPAIGN_MOVE") == {
        command: {a.value: b.value for a, b in moves.items()}
        for command, moves in CAMPAIGN_MOVES.items()
    }
    assert not tables


def test_records_written_by_lua(bench: Bench) -> None:
    """Python reads what Lua packed, field by field, and Lua what Python packed."""
    stored = Record(GroupState.RETRY, 200, 4, 1, 0b1000000001, 0xFFFF_FFF0, 1.9e12, "x")
    bench.load(groups=1)
    bench.claim()
    bench.settle("back", serial=0)
    bench.checked = False
    counts = {"pending": 0, "retry": 1}
    bench.redis.hset(key("campaign", "c"), mapping=counts)
    bench.redis.hset(key("records", "load-c", 0), "0", stored.pack())
    bench.check()
    (claimed,) = bench.claim().groups
    assert (claimed.serial, claimed.attempts) == (0xFFFF_FFF0, 200)
    record = bench.record()
    assert record == Record(
        GroupState.CLAIMED, 200, 4, 1, 513, 0xFFFF_FFF0, 1.9e12, TOKEN
    )


# -- memory --------------------------------------------------------------------


@pytest.fixture
def full(bench: Bench) -> Iterator[Bench]:
    """A server without memory left, with a group in each state that can go on."""
    bench.load(groups=4)
    bench.claim(3)
    bench.gates([ticket(1), ticket(2)])
    bench.run(calls.begin("x", 1))  # the server has read it before it is full
    bench.checked = False
    bench.redis.config_set("maxmemory", 1)
    yield bench
    bench.redis.config_set("maxmemory", 0)
    bench.check()


def test_nothing_begins_without_memory(full: Bench) -> None:
    """Neither a claim nor a gate nor a load: the error says what to do."""
    before = full.dump()
    begin: list[Call[Any]] = [
        calls.claim(TOKEN, 1, FREE, idle=True),
        calls.gate(TOKEN, FREE, [ticket(0)]),
        calls.begin("d", 60),
        full.committing("d", 0),
    ]
    for call in begin:
        with pytest.raises(LedgerError, match="out of memory"):
            full.ledger.run(call)
    assert full.dump() == before


def test_what_is_true_is_recorded_without_memory(full: Bench) -> None:
    """Outcomes, leases, pauses and commands are never refused."""
    assert full.settle("accepted", 1, detail="m1") == 1
    assert full.run(calls.throttle(1)) == 1000
    assert full.run(calls.unthrottle()) == 1
    assert full.run(calls.breaker("a", "down", 0)) == 1
    assert full.run(calls.renew("a", [TOKEN], in_shift=True)) == 1
    assert full.control("pause", "by hand") == "paused"
    assert full.lapse(TOKEN).unknown == 1
    assert full.counts() == {"accepted": 1, "pending": 2, "unknown": 1}


def test_records_stay_small(bench: Bench) -> None:
    """Settled with a message id, a chunk's records are one compact hash."""
    bench.checked = False
    bench.sent(128)
    for group in range(128):
        bench.settle("accepted", group, detail="1589228074636lm4k2je7j7jklbn2")
    name = key("records", "load-c", 0)
    assert bench.redis.object("encoding", name) == b"listpack"
    assert bench.redis.memory_usage(name) < 128 * 80


# -- faults --------------------------------------------------------------------


def test_a_fresh_script_cache(bench: Bench) -> None:
    """A server that forgot the scripts gets them again, and runs each once."""
    bench.load()
    bench.redis.script_flush()
    assert len(bench.claimed(2)) == 2
    assert bench.counts() == {"claimed": 2, "pending": 1}


def test_a_broken_rule_stops_the_script(bench: Bench) -> None:
    """An illegal move is an error without numbers in it, and nothing is counted."""
    bench.load(groups=2)
    bench.claim(1)
    bench.checked = False
    bench.redis.zadd(key("due", "load-c"), {"0": 0})
    before = bench.redis.hgetall(key("campaign", "c"))
    with pytest.raises(LedgerCorrupt, match="ILLEGAL claim of a group that is claimed"):
        bench.claim()
    assert bench.redis.hgetall(key("campaign", "c")) == before
    assert bench.state(1) == "pending"


def test_nobody_at_the_address(tmp_path: Path) -> None:
    """Nothing answers: said so, without the address."""
    ledger = Ledger(f"unix://{tmp_path}/nobody.sock")
    for ask in (
        lambda: ledger.run(calls.lapse()),
        lambda: ledger.campaign("c"),
        ledger.check,
    ):
        with pytest.raises(LedgerUnreachable) as told:
            ask()
        assert str(tmp_path) not in str(told.value)


def test_check(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster and a replica are refused, a primary is not."""
    bench.ledger.check()
    for info, word in (
        ({"cluster_enabled": 1}, "Cluster"),
        ({"role": "slave"}, "replica"),
    ):
        answer: dict[str, Any] = dict(info)
        monkeypatch.setattr(bench.ledger._redis, "info", lambda _, a=answer: a)
        with pytest.raises(LedgerError, match=word):
            bench.ledger.check()


#: A server that keeps everything.
SAFE = {"appendonly": "yes", "appendfsync": "always", "maxmemory_policy": "noeviction"}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"appendonly": "no", "save": ""}, "keeps nothing.*set appendonly yes"),
        ({"maxmemory_policy": "volatile-ttl"}, "vanish.*set maxmemory-policy"),
    ],
)
def test_an_unsafe_server_is_refused(
    bench: Bench,
    configure: Callable[..., None],
    settings: dict[str, str],
    words: str,
) -> None:
    """In one line, with what to set; whoever insists is warned."""
    configure(**SAFE | settings)
    with pytest.raises(LedgerError, match=words) as told:
        bench.ledger.check_safety(insisted=False)
    assert "DISPATCHER_ALLOW_UNSAFE_REDIS=1" in str(told.value)
    assert "\n" not in str(told.value)
    remarks = bench.ledger.check_safety(insisted=True)
    assert "fault" in {remark.level for remark in remarks}


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({}, ""),
        ({"appendfsync": "everysec"}, "appendfsync everysec"),
        ({"appendonly": "no", "save": "60 1"}, "appendonly no"),
    ],
)
def test_what_may_lose_the_last_moments_is_warned_of(
    bench: Bench,
    configure: Callable[..., None],
    settings: dict[str, str],
    found: str,
) -> None:
    """It can be used; what may be lost is told."""
    configure(**SAFE | settings)
    remarks = bench.ledger.check_safety(insisted=False)
    assert [remark.level for remark in remarks] == (["warning"] if found else [])
    assert all(found in remark.found for remark in remarks)


def test_a_server_that_tells_no_settings(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Managed servers forbid CONFIG: warned of, for nobody knows."""

    def forbidden(*_: object) -> None:
        raise redis.ResponseError("unknown command 'CONFIG'")

    monkeypatch.setattr(bench.ledger._redis, "config_get", forbidden)
    (remark,) = bench.ledger.check_safety(insisted=False)
    assert (remark.level, remark.check) == ("warning", "durability")


def test_the_server_s_own_clock(bench: Bench) -> None:
    """Without an injected clock time is the server's, in scripts as in Python."""
    with Ledger(bench.url) as ledger:
        before = ledger.now_ms()
        ledger.run(calls.renew("a", [], in_shift=False))
        after = ledger.now_ms()
    seen = bench.redis.zscore(key("children"), "a")
    assert int(before) <= seen <= after
    assert abs(after - bench.redis.time()[0] * 1000) < 5000


# -- the workers' connection ---------------------------------------------------


def test_async_ledger(bench: Bench) -> None:
    """The same scripts on an event loop, and what a worker reads besides."""
    bench.load(groups=130, spec='{"text": "née"}', starts_at=0)

    async def work(ledger: AsyncLedger) -> None:
        reply = await ledger.run(calls.claim(TOKEN, 1, Rates(), idle=True))
        assert [c.group for c in reply.groups] == [0]
        await ledger._redis.script_flush()
        gated = await ledger.run(calls.gate(TOKEN, Rates(), [ticket()]))
        assert gated == ([0], 1)
        assert await ledger.chunk("load-c", 1) == [members_of(128), members_of(129)]
        assert await ledger.spec("c") == '{"text": "née"}'
        with pytest.raises(LedgerError, match="chunk 2 of load load-c is missing"):
            await ledger.chunk("load-c", 2)
        with pytest.raises(UnknownCampaign):
            await ledger.spec("gone")
        await ledger.aclose()

    asyncio.run(work(AsyncLedger(bench.url)))


def test_async_ledger_unreachable(tmp_path: Path) -> None:
    """Nothing answers: the same error as on the blocking side."""

    async def ask(ledger: AsyncLedger) -> None:
        with pytest.raises(LedgerUnreachable):
            await ledger.run(calls.lapse())
        await ledger.aclose()

    asyncio.run(ask(AsyncLedger(f"unix://{tmp_path}/nobody.sock")))
