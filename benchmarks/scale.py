"""Does it grow? More children, longer lists, very many campaigns.

    python -m benchmarks.scale [--quick | --full] [--write]

Processor time is that of all worker processes and of Redis, read from the system; it
says more on a machine with few cores than groups a second do.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import Final

from benchmarks import race
from benchmarks.harness import command, job, machine
from benchmarks.harness.command import Size
from benchmarks.harness.figures import table
from benchmarks.harness.report import Section
from benchmarks.harness.store import Counters
from benchmarks.rig import Rig
from benchmarks.submit import shuffled

CHILDREN: Final = (1, 2, 4)
#: Groups of a small campaign.
FEW: Final = 3
_SIZES: Final = (1000, 10_000, 100_000, 1_000_000)
_HUGE: Final = 10_000_000
#: Groups that are sent at least, so that processor time (counted in hundredths of a
#: second) can be told; a shorter list is submitted several times.
_ENOUGH: Final = 3000
_MICRO: Final = 1e6


@dataclass(frozen=True)
class Cost:
    """What some campaigns came to, from submitted to recorded.

    Attributes:
        groups: How many in all.
        submit_s: Seconds to submit them.
        send_s: Seconds from the worker's start until all are recorded.
        sent: Groups a second between the tenth part and the end.
        worker_us: Microseconds of a core of all worker processes, per group.
        redis_us: The same of Redis.
        asked: What Redis was asked for, from the workers' start.
    """

    groups: int
    submit_s: float
    send_s: float
    sent: float
    worker_us: float
    redis_us: float
    asked: Counters

    def each(self, count: float) -> float:
        """So much of it for one group."""
        return count / self.groups


def cost(recipients: int, campaigns: int = 1, children: int = 2) -> Cost:
    """Submit some campaigns of one size, then send them all."""
    with Rig() as rig:
        began = time.perf_counter()
        for number in range(campaigns):
            rig.submit(shuffled(recipients, number * recipients), f"c{number}")
        submitted = time.perf_counter()
        before = rig.store.counters()
        worker = rig.start(children)
        stretch = race.watch(
            rig.answerer, rig.groups, worker.check, [[worker.pid], [rig.store.pid]]
        )
        rig.finish()
        ended = time.perf_counter()
        asked = rig.store.counters() - before
    return Cost(
        groups=campaigns * recipients // job.SIZE,
        submit_s=submitted - began,
        send_s=ended - submitted,
        sent=stretch.groups / stretch.seconds,
        worker_us=stretch.each_us(0),
        redis_us=stretch.each_us(1),
        asked=asked,
    )


_TEXT: Final = """\
{cores} cores for everything: Redis, nginx and the workers. "us" are microseconds of a
core for a group, of all worker processes and of Redis; commands include those that
scripts call. Scripts are claims, gates, outcomes, leases and the clock's ticks; while
one runs Redis does nothing else.

Children of one worker, {many:,} groups:

{children}
Length of the list, two children. A list below {enough:,} groups is submitted several
times.

{lengths}
{campaigns:,} campaigns of {few} groups, all submitted before a worker starts:

{small}"""

_HEADS: Final = ["groups/s", "worker us", "Redis us", "commands", "socket reads",
                 "scripts", "us a script"]  # fmt: skip


def measure(size: Size) -> Section:
    """Measure all three."""
    many = size.pick(4000, 30_000)
    by_children = {n: cost(many * job.SIZE, children=n) for n in CHILDREN}
    sizes = _SIZES[: size.pick(2, 4)] + (_HUGE,) * size.pick(0, 0, 1)
    by_length = {length: _of_length(length) for length in sizes}
    campaigns = size.pick(300, 10_000)
    small = cost(FEW * job.SIZE, campaigns)
    text = _TEXT.format(
        cores=machine.cores(),
        many=many,
        children=table(
            ["children", *_HEADS],
            [[str(n), *_row(found)] for n, found in by_children.items()],
        ),
        enough=_ENOUGH,
        lengths=table(
            ["recipients", *_HEADS],
            [[f"{n:,}", *_row(found)] for n, found in by_length.items()],
        ),
        campaigns=campaigns,
        few=FEW,
        small=table(
            ["campaigns", "submitted in, s", "sent in, s", *_HEADS],
            [[f"{campaigns:,}", *_times(small), *_row(small)]],
        ),
    )
    return Section("scale", "Scale", text, {"redis_us": small.redis_us})


def _of_length(recipients: int) -> Cost:
    print(f"scale: {recipients:,} recipients", file=sys.stderr, flush=True)
    times = max(1, _ENOUGH * job.SIZE // recipients)
    return cost(recipients, times)


def _row(found: Cost) -> list[str]:
    return [
        f"{found.sent:,.0f}",
        f"{found.worker_us:.0f}",
        f"{found.redis_us:.0f}",
        f"{found.each(found.asked.commands):.2f}",
        f"{found.each(found.asked.reads):.3f}",
        f"{found.each(found.asked.scripts):.3f}",
        f"{found.asked.script_us / found.asked.scripts:,.0f}",
    ]


def _times(found: Cost) -> list[str]:
    return [f"{found.submit_s:.1f}", f"{found.send_s:.1f}"]


if __name__ == "__main__":
    command.run(measure)
