"""Loading: nothing before the commit, everything after it, and only one load wins."""

from __future__ import annotations

import pytest

from dispatcher import books
from dispatcher.errors import LedgerError, UnknownCampaign
from dispatcher.ledger import calls
from dispatcher.ledger.keys import key
from dispatcher.ledger.loads import LOAD_TTL_S
from tests.bench import DAWN_US, Bench, members_of

NOW_MS = DAWN_US // 1000


def begin(bench: Bench, id_: str = "c") -> str:
    return bench.run(calls.begin(id_, LOAD_TTL_S))


def ttl(bench: Bench, load: str, chunk: int = 0) -> int:
    """Seconds a chunk still lives; -1: for ever, -2: it is not there."""
    return int(bench.redis.ttl(key("groups", load, chunk)))


def test_nothing_before_the_commit(bench: Bench) -> None:
    """While a list loads nothing of it can be claimed, and all of it would expire."""
    assert begin(bench) == ""
    bench.put("load-c", 300)
    assert bench.claim().groups == []
    assert bench.campaign() == "loading"
    for chunk in range(3):
        assert LOAD_TTL_S - 60 < ttl(bench, "load-c", chunk) <= LOAD_TTL_S
    assert 0 < bench.redis.ttl(key("campaign", "c")) <= LOAD_TTL_S


def test_committed(bench: Bench) -> None:
    """All of it, for ever, in one step."""
    begin(bench)
    bench.clock.forward(5000)
    bench.load("c", 300, pace=0.5, priority=-3)
    row = bench.row()
    assert (row.state, row.groups, row.cursor) == ("running", 300, 0)
    assert (row.load, row.content) == ("load-c", "content")
    assert row.created_at == NOW_MS + 5000
    assert bench.counts() == {"pending": 300}
    assert [ttl(bench, "load-c", chunk) for chunk in range(3)] == [-1] * 3
    assert bench.redis.ttl(key("campaign", "c")) == -1
    groups = [group.members for group in bench.ledger.groups(row)]
    assert groups == [members_of(number) for number in range(300)]


def test_repeated(bench: Bench) -> None:
    """The reply got lost and the same load commits again: it is committed."""
    bench.load()
    bench.claim(1)
    before = bench.dump()
    assert bench.commit("c", 3) == ""
    assert bench.dump() == before


def test_begun_again(bench: Bench) -> None:
    """A submission that died is begun again; one committed tells its content."""
    assert [begin(bench), begin(bench)] == ["", ""]
    bench.load()
    assert begin(bench) == "content"
    assert bench.campaign() == "running"


def test_two_loads_race(bench: Bench) -> None:
    """The first commit wins; the second hears what content that has."""
    begin(bench)
    begin(bench)
    bench.put("load-2", 5)
    bench.load()
    before = bench.dump()
    assert bench.commit("c", 5, "load-2") == "content"
    assert bench.dump() == before
    assert bench.row().load == "load-c"
    assert ttl(bench, "load-2") > 0


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_a_missing_chunk(bench: Bench, missing: int) -> None:
    """A load that expired in part is refused: no half campaign."""
    begin(bench)
    bench.put("load-c", 300)
    bench.redis.delete(key("groups", "load-c", missing))
    before = bench.dump()
    with pytest.raises(LedgerError, match="submit again"):
        bench.commit("c", 300)
    assert bench.dump() == before
    left = ({0, 1, 2} - {missing}).pop()
    assert ttl(bench, "load-c", left) > 0
    assert bench.claim().groups == []


def test_renewed_and_dropped(bench: Bench) -> None:
    """A load that takes long lives on; one that will not be committed goes."""
    bench.put("load-c", 300)
    for chunk in range(3):
        bench.redis.expire(key("groups", "load-c", chunk), 5)
    bench.ledger.renew_chunks("load-c", 3)
    assert min(ttl(bench, "load-c", chunk) for chunk in range(3)) > 5
    bench.ledger.drop_chunks("load-c", 3)
    assert bench.redis.keys() == []


def test_what_is_committed_is_not_dropped(bench: Bench) -> None:
    """Whoever did not hear of its commit may try to drop the load: it stays whole."""
    bench.load(groups=300)
    bench.ledger.drop_chunks("load-c", 3)
    bench.check()


def test_dead_loads_are_not_listed(bench: Bench) -> None:
    """A load that died is listed while it may go on, and not once it expired."""
    bench.load("a")
    bench.clock.forward(1)
    begin(bench, "dead")
    bench.clock.forward(1)
    bench.load("b")
    assert bench.ledger.campaign_ids() == ["a", "dead", "b"]
    bench.redis.delete(key("campaign", "dead"))
    assert bench.ledger.campaign_ids() == ["a", "b"]
    with pytest.raises(UnknownCampaign):
        bench.row("dead")


def test_reading_what_is_not_there(bench: Bench) -> None:
    """An unknown id, a number beyond the groups, a lost chunk: each is told."""
    with pytest.raises(UnknownCampaign, match="no campaign has the id 'gone'"):
        bench.row("gone")
    bench.load()
    row = bench.row()
    for group in (-1, 3):
        with pytest.raises(UnknownCampaign, match="groups 0 to 2"):
            bench.ledger.group(row, group)
    bench.redis.delete(key("groups", "load-c", 0))
    with pytest.raises(LedgerError, match="chunk 0 of campaign 'c' is missing"):
        bench.ledger.group(row, 0)


# -- the recount ---------------------------------------------------------------


def test_balanced(bench: Bench) -> None:
    """Groups, members and states as recounted; rows left out are part of the books."""
    bench.load(recipients=35, rejected='{"empty": 3}', dropped='{"duplicate": 2}')
    bench.claim(1)
    found = books.verify(bench.ledger, "c")
    assert found.balanced
    assert (found.groups, found.members) == (3, 30)
    assert {s: n for s, n in found.counts.items() if n} == {"claimed": 1, "pending": 2}


FALSIFIED = [
    ("hset", ("campaign", "c"), ("accepted", 1), "groups accepted: 1 in the books, 0"),
    ("hset", ("campaign", "c"), ("recipients", 31), "recipients: 31 in the books, 30"),
    ("hset", ("campaign", "c"), ("groups", 2), "groups: 2 in the books, 3 counted"),
    ("hset", ("campaign", "c"), ("doubled", 2), "messages doubled: 2 in the books"),
    ("hdel", ("records", "load-c", 0), ("0",), "groups claimed: 1 in the books, 0"),
    ("zrem", ("due", "load-c"), ("1",), "1 groups wait to be sent but are in no queue"),
    ("zadd", ("due", "load-c"), ({"0": 1},), "1 groups are in the queue but do not"),
]


@pytest.mark.parametrize(("command", "name", "change", "sentence"), FALSIFIED)
def test_falsified(
    bench: Bench,
    command: str,
    name: tuple[str, ...],
    change: tuple[object, ...],
    sentence: str,
) -> None:
    """Whatever is changed behind the ledger's back, the recount says what differs."""
    bench.load()
    bench.claim(2)
    bench.settle("back", 1, 0)
    bench.checked = False
    assert books.verify(bench.ledger, "c").balanced
    getattr(bench.redis, command)(key(*name), *change)
    found = books.verify(bench.ledger, "c")
    assert not found.balanced
    assert any(difference.startswith(sentence) for difference in found.differences)


def test_a_person_in_two_groups(bench: Bench) -> None:
    """Nobody may be in more than one group of a campaign."""
    bench.ledger.put_chunks("load-c", 0, [[members_of(0), members_of(0)]])
    bench.commit("c", 2)
    found = books.verify(bench.ledger, "c")
    assert found.differences == ["10 recipients are in more than one group"]


@pytest.mark.parametrize("state", ["running", "done", "cancelled"])
def test_large_and_ended_campaigns(
    bench: Bench, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read chunk by chunk, not in one transaction, with the same result."""
    monkeypatch.setattr(books, "SNAPSHOT_GROUPS", 299)
    bench.load(groups=300)
    bench.claim(300)
    if state == "cancelled":
        bench.control("cancel")
    if state == "done":
        bench.checked = False
        for group in range(300):
            bench.gate(group)
            bench.settle("accepted", group, detail="m")
    assert bench.campaign() == state
    assert books.verify(bench.ledger, "c").groups == 300
