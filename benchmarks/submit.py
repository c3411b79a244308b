"""How fast is a list submitted, and in how much memory?

    python -m benchmarks.submit [--quick | --full] [--write]

Files of different numbers in no order, in a process of its own, every chunk on
Redis's disk (`appendfsync always`); beside one Celery `delay` per group.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks import contenders, race
from benchmarks.harness import command
from benchmarks.harness.command import Size
from benchmarks.harness.figures import ratio, spread, table
from benchmarks.harness.job import SIZE
from benchmarks.harness.report import Section
from benchmarks.harness.store import Counters, Store

#: What `--full` submits, and the target speaks of.
HUGE: Final = 10_000_000
_MICRO: Final = 1e6
#: Numbers in the order of a list that nobody sorted: steps of a prime, modulo all.
_SPACE, _STEP = 700_000_000, 433_494_437
_NOBODY: Final = "http://127.0.0.1:1"


@dataclass(frozen=True)
class Submitted:
    """What one submission came to; `core` is the producer's, in seconds."""

    recipients: int
    seconds: float
    core: float
    megabytes: float
    asked: Counters

    @property
    def rate(self) -> float:
        """Recipients a second."""
        return self.recipients / self.seconds

    @property
    def cost(self) -> float:
        """Microseconds of the producer's core for a recipient."""
        return self.core / self.recipients * _MICRO

    @property
    def redis_cost(self) -> float:
        """The same of Redis's."""
        return self.asked.core / self.recipients * _MICRO

    @property
    def trips(self) -> float:
        """Times that Redis read from the producer, per 10,000 recipients."""
        return self.asked.reads / self.recipients * 10_000


def shuffled(count: int, start: int = 0) -> Iterator[str]:
    """So many different numbers that could exist, in no order."""
    for i in range(start, start + count):
        place = i * _STEP % _SPACE
        yield f"+1{201 + place // 7_000_000}{2_000_000 + place % 7_000_000}"


def plain(path: Path, count: int) -> Path:
    """One number a line."""
    with path.open("w") as file:
        file.writelines(f"{number}\n" for number in shuffled(count))
    return path


def with_columns(path: Path, count: int) -> Path:
    """A CSV as an address book exports it."""
    with path.open("w") as file:
        file.write("name,phone,city,joined\n")
        file.writelines(
            f'"Doe, Jane {i}",({n[2:5]}) {n[5:8]}-{n[8:]},Raleigh,2026-01-02\n'
            for i, n in enumerate(shuffled(count))
        )
    return path


def submit(path: Path) -> Submitted:
    """Submit one list to a Redis of its own."""
    with ExitStack() as stack:
        store = stack.enter_context(Store())
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        environ = contenders.environment(contenders.OURS, store, _NOBODY)
        environ["DISPATCHER_DATA_DIR"] = folder
        before = store.counters()
        done = subprocess.run(  # noqa: S603 - our own arguments
            [sys.executable, "-m", "benchmarks.peers.submit_list", str(path)],
            env={**os.environ, **environ},
            stdout=subprocess.PIPE,
            check=True,
        )
        asked = store.counters() - before
    return Submitted(**json.loads(done.stdout), asked=asked)


def delays(count: int) -> float:
    """Recipients a second with one Celery `delay` per group."""
    who = contenders.CELERY
    with Store() as store:
        environ = contenders.environment(who, store, _NOBODY)
        return count * SIZE / race.enqueue(who, count, environ)


def measure(size: Size) -> Section:
    """Submit lists and delays in turns."""
    count = size.pick(100_000, 1_000_000)
    kinds = {"E.164, one a line": plain, "CSV, four columns": with_columns}
    found: dict[str, list[Submitted]] = {}
    celery: list[float] = []
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        paths = {k: make(folder / f"{i}", count)
                 for i, (k, make) in enumerate(kinds.items())}  # fmt: skip
        for _ in range(size.pick(1, 3)):
            for kind, path in paths.items():
                found.setdefault(kind, []).append(submit(path))
            celery.append(delays(size.pick(1000, 3000)))
        if not size.quick:
            huge = submit(plain(folder / "huge", HUGE))
            found[f"E.164, {HUGE:,} of them"] = [huge]
    return Section(
        "submit", "Submitting", _text(found, celery), _figures(found, celery)
    )


def _figures(
    found: dict[str, list[Submitted]], celery: list[float]
) -> dict[str, float]:
    plain_one, *_ = found.values()
    figures = {
        "submit_vs_celery": ratio([s.rate for s in plain_one], celery).middle,
    }
    huge = [s for laps in found.values() for s in laps if s.recipients == HUGE]
    if huge:
        figures |= {
            "submit_10m_seconds": huge[0].seconds,
            "submit_10m_megabytes": huge[0].megabytes,
        }
    return figures


_TEXT: Final = """\
Different numbers in no order, read, checked, grouped, written and committed by
`Dispatcher.submit(campaign, read_recipients(path))` in a process of its own; Redis has
every chunk on its disk. Beside it one Celery `delay` per group of ten, in recipients.

{table}"""


def _text(found: dict[str, list[Submitted]], celery: list[float]) -> str:
    heads = ["list", "recipients", "recipients/s", "against Celery", "us a recipient",
             "Redis us", "peak MB", "socket reads a 10,000", "seconds"]  # fmt: skip
    rows = [_row(kind, laps, celery) for kind, laps in found.items()]
    rows.append(["Celery `delay`", "", spread(celery).tell(), *[""] * 6])
    return _TEXT.format(table=table(heads, rows))


def _row(kind: str, laps: list[Submitted], celery: list[float]) -> list[str]:
    rates = [one.rate for one in laps]
    against = spread([rate / spread(celery).middle for rate in rates])
    return [
        kind,
        f"{laps[0].recipients:,}",
        spread(rates).tell(),
        against.tell(".1f") + " x",
        spread([one.cost for one in laps]).tell(".2f"),
        spread([one.redis_cost for one in laps]).tell(".2f"),
        spread([one.megabytes for one in laps]).tell(),
        spread([one.trips for one in laps]).tell(".1f"),
        spread([one.seconds for one in laps]).tell(".1f"),
    ]


if __name__ == "__main__":
    command.run(measure)
