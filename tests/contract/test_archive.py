"""Archiving on a real server: what is written, what is left, and what is refused."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dispatcher import Archive, AsyncDispatcher, Settings
from dispatcher.errors import InvalidInput, Refused
from dispatcher.exports import FORMATS
from dispatcher.ledger import graves
from dispatcher.ledger.keys import PATTERNS, PREFIX, key
from tests.bench import LAPSE_MS, SIZE, Bench
from tests.contract.everything import (
    GROUPS,
    LEDGER_WIDE,
    everything_in,
    go,
    kept,
    load,
    names,
    read,
)


@pytest.fixture
def everything(bench: Bench) -> Bench:
    return everything_in(bench)


# -- what is left --------------------------------------------------------------


def test_nothing_is_left_but_the_tombstone(everything: Bench, tmp_path: Path) -> None:
    """Of a campaign that used every key there is; what others have is untouched."""
    by_load = {n for n, p in PATTERNS.items() if p.startswith(PREFIX + "%s:")}
    used = {name.split(":")[1] for name in names(everything) if ":" in name}
    assert by_load - used <= {"due"}, "the test does not make use of everything"
    assert {"awaiting", "doubts", "loads"} <= names(everything)
    done = go(everything, tmp_path)
    assert done.removed
    assert names(everything) - LEDGER_WIDE == {"campaign:c"}
    assert "campaign:c" not in str(everything.redis.hkeys(key("buckets")))
    everything.clock.forward(LAPSE_MS + 1000)
    everything.lapse()
    assert everything.redis.zcard(key("leases")) == 0


def test_another_campaign_is_untouched(everything: Bench, tmp_path: Path) -> None:
    """Also one whose id begins with the same letters."""
    load(everything, "c2")
    everything.redis.zadd(key("doubts"), {"c2|0|1|5": 5})
    everything.redis.zadd(key("awaiting"), {"c2|0": 5})
    before = {n: d for n, d in everything.dump().items() if b"c2" in n}
    go(everything, tmp_path)
    assert {n: d for n, d in everything.dump().items() if b"c2" in n} == before
    assert everything.redis.zrange(key("doubts"), 0, -1) == [b"c2|0|1|5"]
    assert everything.redis.zrange(key("awaiting"), 0, -1) == [b"c2|0"]
    assert everything.redis.hgetall(key("loads")) == {b"load-c2": b"c2"}
    assert everything.redis.zrange(key("campaigns"), 0, -1) == [b"c2"]


def test_the_tombstone_is_small(everything: Bench, tmp_path: Path) -> None:
    """It keeps what its id was used for and how that ended, no number and no text."""
    go(everything, tmp_path)
    stone = everything.redis.hgetall(key("campaign", "c"))
    assert stone[b"content"] == b"content"
    assert stone[b"state"] == b"archived"
    assert {b"load", b"spec", b"sender"}.isdisjoint(stone)
    # A third of a kilobyte, or one if the path is longer than Redis packs (64 bytes).
    assert everything.redis.memory_usage(key("campaign", "c")) < 1500


def test_sums_over_all_campaigns_do_not_go_down(
    everything: Bench, tmp_path: Path
) -> None:
    """What Prometheus takes for a counter must be one."""
    row = everything.row()
    go(everything, tmp_path)
    assert everything.redis.hgetall(key("archived")) == {
        b"campaigns:archived": b"1",
        b"gated_units": b"%d" % row.gated_units,
        b"doubled": b"1",
    }


def test_steps_are_small(
    everything: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long the list: no command has more than so many names."""
    monkeypatch.setattr(graves, "BATCH", 3)
    go(everything, tmp_path)
    assert names(everything) - LEDGER_WIDE == {"campaign:c"}


# -- what is written -----------------------------------------------------------


def test_the_files(everything: Bench, tmp_path: Path) -> None:
    """A row a group, a row a recipient, and the rest in a small JSON."""
    done = go(everything, tmp_path / "new")
    assert (done.groups, done.recipients) == (GROUPS, GROUPS * SIZE)
    assert [file.name for file in done.files] == [
        *("c-groups.csv", "c-recipients.csv", "c.json"),
    ]
    assert {file.stat().st_mode & 0o777 for file in done.files} == {0o600}
    groups, people, _ = (read(file) for file in done.files)
    assert Counter(row["state"] for row in groups) == {
        "accepted": GROUPS - 2,
        "failed": 1,
        "held": 1,
    }
    assert groups[1]["error_code"] == "400 bad"
    assert groups[0]["message_id"] == "m0"
    assert [row["delivery"] for row in people[:2]] == ["failed", "delivered"]
    assert people[2 * SIZE]["state"] == "cancelled"


def test_from_an_event_loop(everything: Bench, tmp_path: Path) -> None:
    """The same, by those that ended before some time."""

    async def go_async() -> list[Archive]:
        settings = Settings.load(redis_url=everything.url)
        async with AsyncDispatcher(settings) as dispatcher:
            early = datetime(2027, 1, 15, 7, tzinfo=UTC)
            assert await dispatcher.ended_before(early) == []
            old = await dispatcher.ended_before(early + timedelta(hours=2))
            return [
                await dispatcher.archive(run.id, tmp_path, anyway=True) for run in old
            ]

    (done,) = asyncio.run(go_async())
    assert (done.id, done.groups, done.removed) == ("c", GROUPS, True)


def test_the_facts(everything: Bench, tmp_path: Path) -> None:
    """Everything that is known besides: counts, reasons, the message, further ids."""
    go(everything, tmp_path)
    facts = json.loads((tmp_path / "c.json").read_text("utf-8"))
    assert facts["rejected"] == {"empty": 2}
    assert facts["dropped"] == {"duplicate": 1}
    assert facts["accepted"] == GROUPS - 2
    assert facts["delivery"]["delivered"] == SIZE - 1
    assert facts["codes"] == {"4720": 1}
    assert facts["errors"] == {"400 bad": 1}
    assert facts["further_message_ids"] == {"4:1": "further"}
    assert facts["campaign"]["text"] == "Doors open at six"
    assert facts["rows"] == {"c-groups.csv": GROUPS, "c-recipients.csv": GROUPS * SIZE}


@pytest.mark.parametrize("name", FORMATS)
def test_formats(everything: Bench, tmp_path: Path, name: str) -> None:
    """All of them have all rows; nothing else is left in the directory."""
    if name == "parquet":
        pytest.importorskip("pyarrow")
    done = go(everything, tmp_path, format=name)
    assert kept(tmp_path) == [f"c-groups.{name}", f"c-recipients.{name}", "c.json"]
    assert [FORMATS[name].count(file) for file in done.files[:2]] == [
        *(GROUPS, GROUPS * SIZE),
    ]


def test_parquet_has_types(everything: Bench, tmp_path: Path) -> None:
    """Numbers are numbers, times are times, members are lists."""
    parquet = pytest.importorskip("pyarrow.parquet")
    done = go(everything, tmp_path, format="parquet")
    groups, people = (parquet.read_table(file).to_pylist() for file in done.files[:2])
    assert len(groups[0]["to"]) == SIZE
    assert groups[0]["sent_at"] == datetime(2027, 1, 15, 8, tzinfo=UTC)
    assert groups[1]["error_description"] == "no such number"
    assert groups[2]["dropped"] == groups[2]["to"][:1]
    assert people[0]["error_code"] == 4720


def test_to_keep_it(everything: Bench, tmp_path: Path) -> None:
    """The files are written and nothing is removed; it can be archived later."""
    before = everything.dump()
    assert not go(everything, tmp_path, keep=True).removed
    assert everything.dump() == before
    assert go(everything, tmp_path).removed


# -- what is refused -----------------------------------------------------------


def test_a_campaign_that_is_not_over(bench: Bench, tmp_path: Path) -> None:
    """Running or paused: one line, and no file."""
    bench.load(groups=2)
    for state in ("running", "paused"):
        with pytest.raises(Refused, match=f"'c' is {state}: only one that is done"):
            go(bench, tmp_path)
        bench.control("pause")
    assert kept(tmp_path) == []


@pytest.mark.parametrize("fate", ["", "unknown"])
def test_a_cancelled_one_with_open_groups(
    bench: Bench, tmp_path: Path, fate: str
) -> None:
    """What is on its way or unknown is waited for, --anyway or not."""
    bench.sent(1)
    bench.control("cancel")
    if fate:
        bench.settle(fate, detail="timeout")
    with pytest.raises(Refused, match="1 group on their way or unknown"):
        go(bench, tmp_path)


def test_held_groups(bench: Bench, tmp_path: Path) -> None:
    """A person should decide first, unless they say otherwise."""
    bench.sent(1)
    bench.settle("unknown", detail="timeout")
    bench.settle("hold")
    with pytest.raises(Refused, match="1 held group, which nobody decided about"):
        go(bench, tmp_path, anyway=False)
    assert go(bench, tmp_path).removed


def test_deliveries_to_come(bench: Bench, tmp_path: Path) -> None:
    """They would be lost; when all have come, or time is up, nothing is in the way."""
    bench.sent(1)
    bench.settle("accepted", detail="m1")
    with pytest.raises(Refused, match="waits for the deliveries of 10 recipients"):
        go(bench, tmp_path, anyway=False)
    bench.clock.forward(2000)
    bench.sweep(1000)
    assert go(bench, tmp_path, anyway=False).removed


def test_what_is_looked_for_at_the_provider(bench: Bench, tmp_path: Path) -> None:
    """Its id may be found yet."""
    bench.sent(1)
    bench.settle("accepted", detail="")
    bench.clock.forward(2000)
    bench.sweep(1000)
    with pytest.raises(Refused, match="1 message looked for at the provider"):
        go(bench, tmp_path, anyway=False)
    assert go(bench, tmp_path).removed


def test_files_of_another_campaign(everything: Bench, tmp_path: Path) -> None:
    """Another ledger had a campaign of that id: its archive is not replaced."""
    (tmp_path / "c.json").write_text(json.dumps({"load": "another"}), "utf-8")
    before = everything.dump()
    with pytest.raises(Refused, match="of another campaign of that id"):
        go(everything, tmp_path)
    assert everything.dump() == before
    assert kept(tmp_path) == ["c.json"]


def test_a_format_that_is_not_there(
    everything: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line that says what to do, before anything is written."""
    with pytest.raises(InvalidInput, match="csv, jsonl, parquet"):
        go(everything, tmp_path, format="xls")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(
        InvalidInput, match=r"pip install 'group-dispatcher\[parquet\]'"
    ):
        go(everything, tmp_path, format="parquet")
    assert kept(tmp_path) == []
