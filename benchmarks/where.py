"""Where does the time of a group go, in a worker child and in Redis?

    python -m benchmarks.where [--quick] [--write]

One child's crew runs in this process and is looked at every few thousandths of a
second of its processor time, which changes nothing in what it does: what function of
Python's runs, those of C counting for who called them. Redis tells how long each script
took.
"""

from __future__ import annotations

import logging
import signal
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

import structlog
import uvloop

import dispatcher
from benchmarks.commands import scripts
from benchmarks.harness import command
from benchmarks.harness.command import Size
from benchmarks.harness.figures import table
from benchmarks.harness.report import Section
from benchmarks.harness.store import Store
from benchmarks.rig import Rig
from benchmarks.submit import shuffled
from dispatcher.ledger.async_ledger import AsyncLedger
from workers.bandwidth import Bandwidth
from workers.shifts import Crew

_ROOT: Final = Path(dispatcher.__file__).parents[1]
_LIBRARY: Final = Path(logging.__file__).parents[1]
#: Seconds of processor time between two looks; the system may look less often.
_EVERY_S: Final = 0.002
#: Functions that are shown.
_MOST: Final = 16
#: Entries of Redis's log of commands that are read.
_ENTRIES: Final = 200_000

Place = tuple[str, str]
_Counts = Sequence[tuple[tuple[str, ...], int]]


class Looks:
    """What was running, look by look: (module, function)."""

    def __init__(self) -> None:
        self.seen: Counter[Place] = Counter()

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Look while this lasts."""
        before = signal.signal(signal.SIGPROF, self._look)
        signal.setitimer(signal.ITIMER_PROF, _EVERY_S, _EVERY_S)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.signal(signal.SIGPROF, before)

    def _look(self, _signal: int, frame: FrameType | None) -> None:
        if frame is not None:
            self.seen[module_of(frame.f_code.co_filename), frame.f_code.co_name] += 1


def module_of(file: str) -> str:
    """A file as people name it: below this project, or the package it is in."""
    parts = Path(file).parts
    if "site-packages" in parts:
        return parts[parts.index("site-packages") + 1].removesuffix(".py")
    for root, form in ((_ROOT, "{}"), (_LIBRARY, "Python's {}")):
        if Path(file).is_relative_to(root):
            inside = Path(file).relative_to(root)
            return form.format(inside if root is _ROOT else inside.parts[0])
    return "generated code"


async def _send(rig: Rig) -> float:
    """Send all; seconds of processor time."""
    ledger = AsyncLedger(rig.store.url)
    client = Bandwidth.from_settings(rig.settings)
    crew = Crew("child:1:where", ledger, client, rig.settings, lambda: False)
    began = time.process_time()
    more = True
    while more:
        _, more = await crew.shift()
    used = time.process_time() - began
    await crew.close()
    await client.aclose()
    await ledger.aclose()
    return used


def by_script(store: Store) -> tuple[Counter[str], Counter[str]]:
    """Microseconds and calls of each script since the log was emptied."""
    names = scripts()
    spent: Counter[str] = Counter()
    calls: Counter[str] = Counter()
    for entry in store.client.slowlog_get(_ENTRIES):
        words = entry["command"].split()
        if words[0].lower() == b"evalsha":
            name = names.get(words[1].decode(), "another")
            spent[name] += entry["duration"]
            calls[name] += 1
    return spent, calls


_TEXT: Final = """\
One child, {groups:,} groups: {core:.0f} us of a core each, looked at {looks:,} times.
Time within C (sockets, uvloop, JSON, hashes) counts for the Python function that called
it; "generated code" is that of dataclasses and named tuples.

{modules}
{functions}
Redis, by script, while it notes how long every command takes, so the shares count and
not the time; "with" is how many groups one call serves.

{redis}"""


def measure(size: Size) -> Section:
    """Send and look."""
    groups = size.pick(5000, 60_000)
    looks = Looks()
    with Rig() as rig:
        rig.warm()
        rig.submit(shuffled(groups * 10), "where")
        _log_everything(rig.store)
        with _as_a_worker_logs(), looks.taken():
            core = uvloop.run(_send(rig))
        spent, calls = by_script(rig.store)
    text = _TEXT.format(
        groups=groups,
        core=core / groups * 1e6,
        looks=looks.seen.total(),
        modules=_modules(looks.seen),
        functions=_functions(looks.seen),
        redis=_redis(spent, calls, groups),
    )
    return Section("where", "Where the time goes", text)


def _log_everything(store: Store) -> None:
    store.client.config_set("slowlog-max-len", _ENTRIES)
    store.client.config_set("slowlog-log-slower-than", 0)
    store.client.slowlog_reset()


@contextmanager
def _as_a_worker_logs() -> Iterator[None]:
    before = structlog.get_config()
    level = structlog.make_filtering_bound_logger(logging.INFO)
    structlog.configure(wrapper_class=level)
    try:
        yield
    finally:
        structlog.configure(**before)


def _modules(seen: Counter[Place]) -> str:
    modules: Counter[str] = Counter()
    for (module, _), count in seen.items():
        modules[module] += count
    return _shares("module", [((name,), n) for name, n in modules.most_common(_MOST)],
                   seen.total())  # fmt: skip


def _functions(seen: Counter[Place]) -> str:
    return _shares("function", seen.most_common(_MOST), seen.total())


def _shares(
    head: str, counts: Sequence[tuple[tuple[str, ...], int]], total: int
) -> str:
    rows = [[" ".join(f"`{w}`" for w in words), f"{n / total:.1%}"]
            for words, n in counts]  # fmt: skip
    return table([head, "share"], rows)


def _redis(spent: Counter[str], calls: Counter[str], groups: int) -> str:
    total = spent.total()
    rows = [
        [f"`{name}`", f"{us / total:.1%}", f"{calls[name]:,}",
         f"{groups / calls[name]:.0f}"] for name, us in spent.most_common(4)
    ]  # fmt: skip
    return table(["script", "share", "calls", "with"], rows)


if __name__ == "__main__":
    command.run(measure)
