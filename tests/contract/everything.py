"""A campaign that made use of every key that there is, and short ways to archive it."""

from __future__ import annotations

import csv
import errno
import json
import os
import stat
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dispatcher import books
from dispatcher.archive import Archive, archive
from dispatcher.campaign import Campaign
from dispatcher.hours import Hours, Rule
from dispatcher.lanes import Lane
from dispatcher.ledger.calls import Rates
from dispatcher.ledger.keys import PREFIX
from dispatcher.ledger.states import DeliveryState
from dispatcher.zones import timeline
from tests.bench import SENDER, SIZE, Bench, ticket

GROUPS = 130  # two chunks
RATES = Rates(account=1e6, sender=1e6, daily=10**6)
#: What is not a campaign's, and outlives every one.
LEDGER_WIDE = {
    *("identity", "buckets", "first", "day", "archived", "leases", "swept", "locks"),
    *("scopes", "children"),
}


def load(bench: Bench, id_: str = "c") -> None:
    """A campaign with lanes, a pace, and rows left out."""
    zone = timeline("America/New_York", datetime(2027, 1, 1, tzinfo=UTC))
    rule = Rule(Hours.parse("00:00-23:00"), frozenset([zone]))
    load = f"load-{id_}"
    bench.put(load, GROUPS)
    bench.ledger.put_lanes(load, [Lane(0, 100, rule), Lane(100, GROUPS, rule)])
    spec = Campaign(sender=SENDER, text="Doors open at six").to_json()
    made = bench.commit(
        *(id_, GROUPS),
        spec=spec,
        lanes=2,
        pace=1e6,
        recipients=GROUPS * SIZE + 3,
        rejected=json.dumps({"empty": 2}),
        dropped=json.dumps({"duplicate": 1}),
    )
    assert made == ""


def send(bench: Bench, id_: str = "c") -> None:
    """Every group passes the gate; one without its first member."""
    assert len(bench.claimed(GROUPS, rates=RATES)) == GROUPS
    items = [ticket(g, id_=id_, dropped=int(g == 2)) for g in range(GROUPS)]
    assert bench.gates(items, rates=RATES) == [0] * GROUPS


def end(bench: Bench, id_: str = "c") -> None:
    """Accepted all of them, but for one that failed twice, and one that is held."""
    bench.settle("failed", 1, 1, "400 bad", id_=id_, sentence="no such number")
    bench.settle("ask", 1, 1, id_=id_)
    bench.claim(1, rates=RATES)
    assert bench.gate(1, 2, id_=id_, rates=RATES) == 0
    bench.settle("failed", 1, 2, "400 bad", id_=id_, sentence="no such number")
    bench.settle("unknown", 3, 1, "timeout", id_=id_)
    bench.settle("hold", 3, 1, id_=id_)
    for group in range(GROUPS):
        if group not in (1, 3):
            bench.settle("accepted", group, 1, f"m{group}", id_=id_)
    bench.settle("accepted", 4, 1, "further", id_=id_)


def deliver(bench: Bench, id_: str = "c") -> None:
    """One member failed, nine got it, of the others nobody heard anything."""
    where: dict[str, Any] = {"id_": id_, "message_id": "m0"}
    bench.deliver(DeliveryState.FAILED, 0, code=4720, **where)
    bench.deliver(DeliveryState.DELIVERED, *range(1, SIZE), **where)


def everything_in(bench: Bench) -> Bench:
    """A ledger with one campaign that made use of everything."""
    bench.checked = False
    load(bench)
    send(bench)
    end(bench)
    deliver(bench)
    assert bench.campaign() == "done"
    assert books.verify(bench.ledger, "c").balanced
    return bench


def names(bench: Bench) -> set[str]:
    return {name.decode().removeprefix(PREFIX) for name in bench.redis.scan_iter()}


def go(bench: Bench, place: Path, **how: Any) -> Archive:  # noqa: ANN401 - passed on
    return archive(bench.ledger, "c", place, **{"anyway": True, **how})


def kept(place: Path) -> list[str]:
    return sorted(path.name for path in place.iterdir())


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def full_disk(files: int) -> Callable[[int], None]:
    """An `os.fsync` of a disk that has room for so many files."""
    left = iter(range(files))

    def fsync(file: int) -> None:
        is_file = stat.S_ISREG(os.fstat(file).st_mode)
        if is_file and next(left, None) is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    return fsync
