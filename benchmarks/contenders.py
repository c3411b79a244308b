"""Who runs in the races: how each is started and how its results are counted.

Every queue gets the settings that did best of those tried here (`tried`). It starts
nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from benchmarks.harness import job
from benchmarks.harness.store import Store
from benchmarks.peers import ours
from dispatcher import Dispatcher, Settings

#: The first Python that is asked for is the one that runs this.
_RUN: Final = (sys.executable, "-m")
#: What a child of ours has unless it is told otherwise.
SLOTS: Final[int] = Settings.model_fields["slots"].default


@dataclass(frozen=True)
class Setting:
    """One way to start the workers.

    Attributes:
        label: For people.
        command: Program and arguments.
        slots: Of our worker's children; the others know no such thing.
    """

    label: str
    command: tuple[str, ...]
    slots: int = SLOTS


@dataclass(frozen=True)
class Contender:
    """One queue.

    Attributes:
        name: For people.
        module: Its app in `benchmarks.peers`.
        tried: Ways to start its workers; the best is used.
        groups: How many make a race of some seconds.
        recorded: How many results are stored.
        environment: What its processes need besides the addresses.
    """

    name: str
    module: str
    tried: tuple[Setting, ...]
    groups: int
    recorded: Callable[[Store], int]
    environment: Mapping[str, str] = field(default_factory=dict)


def _keys(pattern: str) -> Callable[[Store], int]:
    """Counts results by the form of their keys."""

    def count(store: Store) -> int:
        return sum(1 for _ in store.client.scan_iter(pattern, count=5000))

    return count


def _accepted(store: Store) -> int:
    environ = ours.environment(store.url, "http://127.0.0.1:1")
    with Dispatcher(ours.settings(environ)) as dispatcher:
        return dispatcher.campaign(ours.ID).progress().counts["accepted"]


def _celery(concurrency: int, prefetch: int) -> Setting:
    app = ("celery", "-q", "-A", "benchmarks.peers.celery_app", "worker")
    quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat")
    many = (f"--concurrency={concurrency}", f"--prefetch-multiplier={prefetch}")
    label = f"prefork, {concurrency} processes, prefetch {prefetch} each"
    return Setting(label, (*_RUN, *app, *quiet, *many))


def _dramatiq(processes: int, threads: int) -> Setting:
    many = ("--processes", str(processes), "--threads", str(threads))
    command = (*_RUN, "dramatiq", "benchmarks.peers.dramatiq_app", *many)
    return Setting(f"{processes} processes of {threads} threads", command)


def _taskiq(workers: int, tasks: int) -> Setting:
    many = ("--workers", str(workers), "--max-async-tasks", str(tasks))
    quiet = ("--log-level", "WARNING")
    app = "benchmarks.peers.taskiq_app:broker"
    label = f"{workers} processes of {tasks} tasks"
    return Setting(label, (*_RUN, "taskiq", "worker", app, *many, *quiet))


def _rq(workers: int) -> Setting:
    pool = ("rq.cli", "worker-pool", "--quiet", "--num-workers", str(workers))
    kind = ("--worker-class", "rq.worker.SimpleWorker")
    return Setting(f"{workers} SimpleWorkers", (*_RUN, *pool, *kind))


def dispatcher(children: int = 2, slots: int = SLOTS) -> Setting:
    """Our worker with so many children, and requests in flight in each."""
    command = (*_RUN, "dispatcher", "worker", f"--concurrency={children}")
    return Setting(f"{children} children of {slots} slots", command, slots)


OURS: Final = Contender(
    "dispatcher",
    "benchmarks.peers.ours",
    tuple(dispatcher(2, slots) for slots in (SLOTS, 2 * SLOTS, 4 * SLOTS)),
    60_000,
    _accepted,
)
CELERY: Final = Contender(
    "Celery, httpx",
    "benchmarks.peers.celery_app",
    (_celery(2, 4), _celery(4, 4), _celery(4, 32), _celery(8, 4)),
    2500,
    _keys("celery-task-meta-*"),
)
#: dramatiq and taskiq name a result by 32 digits.
_HEXADECIMAL: Final = _keys("[0-9a-f]" * 32)
DRAMATIQ: Final = Contender(
    "dramatiq, httpx",
    "benchmarks.peers.dramatiq_app",
    (_dramatiq(2, 2), _dramatiq(2, 4), _dramatiq(2, 8), _dramatiq(4, 4)),
    4000,
    _HEXADECIMAL,
)
TASKIQ: Final = Contender(
    "taskiq, httpx",
    "benchmarks.peers.taskiq_app",
    (_taskiq(2, 4), _taskiq(2, 10), _taskiq(2, 32)),
    3000,
    _HEXADECIMAL,
)
TASKIQ_AIOHTTP: Final = Contender(
    "taskiq, aiohttp",
    "benchmarks.peers.taskiq_app",
    (_taskiq(2, 32), _taskiq(2, 100)),
    4000,
    _HEXADECIMAL,
    {"BENCH_CLIENT": "aiohttp"},
)
RQ: Final = Contender(
    "rq, httpx",
    "benchmarks.peers.rq_app",
    (_rq(2), _rq(4)),
    2000,
    _keys("rq:results:*"),
)
PEERS: Final = (CELERY, DRAMATIQ, TASKIQ, TASKIQ_AIOHTTP, RQ)


def environment(who: Contender, store: Store, provider: str) -> dict[str, str]:
    """What the processes of a contender find in their environment."""
    return {
        job.REDIS: store.url,
        job.PROVIDER: provider,
        "RQ_REDIS_URL": store.url,
        "DISPATCHER_LOG_LEVEL": "warning",
        **ours.environment(store.url, provider),
        **who.environment,
    }
