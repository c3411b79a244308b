"""One lap: put groups into a queue, start its workers, see when all is recorded.

The clock runs from the moment at which the provider has taken a tenth of them, so
that nobody's start counts, to the one at which all are taken and recorded. Who takes
part and how is in contenders.py.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.contenders import Contender, Setting, environment
from benchmarks.harness import machine
from benchmarks.harness.answerer import Answerer, Provider
from benchmarks.harness.process import Process
from benchmarks.harness.store import Counters, Fsync, Store

#: Of the groups, before the clock starts.
LEAD: Final = 0.1
#: Seconds between two looks.
_LOOK_S: Final = 0.01
#: Seconds that a lap may take in all, and groups a second that are awaited at least.
_LONGEST_S: Final = 240.0
_SLOWEST: Final = 1000


@dataclass(frozen=True)
class Lap:
    """What one lap came to.

    Attributes:
        groups: How many there were.
        enqueue_s: Seconds until all were in the queue.
        queued_bytes: Of Redis, for one group that waits.
        sent: Groups sent and recorded a second.
        worker_us: Microseconds of a core that all worker processes used, per group.
        redis_us: The same of Redis.
        asked: What Redis was asked for, start of the workers to end.
    """

    groups: int
    enqueue_s: float
    queued_bytes: float
    sent: float
    worker_us: float
    redis_us: float
    asked: Counters

    @property
    def enqueued(self) -> float:
        """Groups put into the queue a second."""
        return self.groups / self.enqueue_s


@dataclass(frozen=True)
class Stretch:
    """What happened between the lead and the end."""

    seconds: float
    groups: int
    core: Sequence[float]

    def each_us(self, place: int) -> float:
        """Microseconds of a core for one group, of one family of processes."""
        return self.core[place] / self.groups * 1e6


def lap(
    who: Contender,
    setting: Setting,
    groups: int,
    fsync: Fsync = "always",
    provider: Callable[[], AbstractContextManager[Provider]] = Answerer,
) -> Lap:
    """Race once.

    Raises:
        Died: The workers did not live.
        TimeoutError: It took longer than any race should.
    """
    with ExitStack() as stack:
        store = stack.enter_context(Store(fsync))
        answerer = stack.enter_context(provider())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        environ = environment(who, store, answerer.url)
        environ["DISPATCHER_DATA_DIR"] = str(folder)
        environ["DISPATCHER_SLOTS"] = str(setting.slots)
        empty = store.memory()
        enqueue_s = enqueue(who, groups, environ)
        queued = (store.memory() - empty) / groups
        before = store.counters()
        worker = Process(setting.command, environ, folder / "worker.log")
        stack.enter_context(worker)
        stretch = watch(
            answerer,
            groups,
            worker.check,
            [[worker.pid], [store.pid]],
            lambda: who.recorded(store) >= groups,
        )
        asked = store.counters() - before
        worker.kill()
    return Lap(
        groups=groups,
        enqueue_s=enqueue_s,
        queued_bytes=queued,
        sent=stretch.groups / stretch.seconds,
        worker_us=stretch.each_us(0),
        redis_us=stretch.each_us(1),
        asked=asked,
    )


def watch(
    answerer: Provider,
    groups: int,
    check: Callable[[], None],
    families: Sequence[Sequence[int]],
    recorded: Callable[[], bool] = lambda: True,
) -> Stretch:
    """See so many groups go out.

    Args:
        answerer: Who takes them, and counts.
        groups: How many.
        check: Raises if nothing will come any more.
        families: Process ids whose use of cores is told.
        recorded: Whether all results are stored.
    """
    looks = _looks(check, _LONGEST_S + groups / _SLOWEST)
    while (first := answerer.taken()) < groups * LEAD:
        next(looks)
    began = time.perf_counter()
    used = [machine.core_seconds(pids) for pids in families]
    while answerer.taken() < groups or not recorded():
        next(looks)
    seconds = time.perf_counter() - began
    core = [
        machine.core_seconds(pids) - before
        for pids, before in zip(families, used, strict=True)
    ]
    return Stretch(seconds, groups - first, core)


def _looks(check: Callable[[], None], seconds: float) -> Iterator[None]:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        check()
        time.sleep(_LOOK_S)
        yield
    raise TimeoutError(f"not all were sent and recorded within {seconds:.0f} s")


def enqueue(who: Contender, groups: int, environ: dict[str, str]) -> float:
    """Put groups into the queue from a process of its own; the seconds it took."""
    command = [sys.executable, "-m", "benchmarks.peers.enqueue"]
    done = subprocess.run(  # noqa: S603 - our own arguments
        [*command, who.module, str(groups)],
        env={**os.environ, **environ},
        stdout=subprocess.PIPE,
        check=True,
    )
    return float(json.loads(done.stdout.splitlines()[-1])["seconds"])
