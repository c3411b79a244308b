"""How many groups a second are sent and recorded, beside everything else?

    python -m benchmarks.sending [--quick] [--write]

Task queues on the same job, each with its best settings of those tried, and loops
that record nothing. All in turns on the same machine, the same Redis settings, the
same answerer; medians over the rounds, ratios within each round.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks import bare, contenders, race
from benchmarks.contenders import CELERY, DRAMATIQ, OURS, PEERS, RQ, TASKIQ, Contender
from benchmarks.harness import answerer, command, job, store
from benchmarks.harness.answerer import Answerer, Provider
from benchmarks.harness.command import Size
from benchmarks.harness.figures import Spread, ratio, spread, table
from benchmarks.harness.process import Process
from benchmarks.harness.report import Section
from benchmarks.race import Lap

#: Processes of a loop: one, and as many as our worker has children.
PROCESSES: Final = (1, 2)
#: Messages that one process of a loop sends in a lap.
_LOOP: Final = {"own": 120_000, "httpx": 2000, "aiohttp": 40_000, "pyreqwest": 100_000}
_CLIENTS: Final = {
    "own": "our HTTP stack",
    "httpx": "httpx.AsyncClient",
    "aiohttp": "aiohttp",
    "pyreqwest": "pyreqwest",
}


@dataclass
class Found:
    """All laps, by who ran them; those of one place in their lists are one round."""

    laps: dict[str, list[Lap]] = field(default_factory=dict)
    relaxed: dict[str, list[Lap]] = field(default_factory=dict)
    loops: dict[tuple[str, int], list[float]] = field(default_factory=dict)
    loop_us: dict[tuple[str, int], list[float]] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)

    def sent(self, who: Contender) -> list[float]:
        """Groups a second, round by round."""
        return [lap.sent for lap in self.laps[who.name]]


def measure(size: Size) -> Section:
    """Race everybody."""
    found = Found()
    best = {who.name: _best(who, size) for who in (OURS, *PEERS)}
    found.settings = {name: setting.label for name, setting in best.items()}
    for number in range(size.pick(1, 3, 5)):
        for who in (OURS, *PEERS):
            groups = _groups(who, size)
            lap = race.lap(who, best[who.name], groups)
            found.laps.setdefault(who.name, []).append(lap)
            _tell(f"round {number + 1}: {who.name} {lap.sent:,.0f}/s")
            if number == 0 and not size.quick:
                relaxed = race.lap(who, best[who.name], groups, "everysec")
                found.relaxed.setdefault(who.name, []).append(relaxed)
        for client, processes in _loops():
            rate, us = loop(client, processes, _LOOP[client] // size.pick(4, 1))
            found.loops.setdefault((client, processes), []).append(rate)
            found.loop_us.setdefault((client, processes), []).append(us)
            _tell(f"round {number + 1}: {client} x {processes} {rate:,.0f}/s")
    return Section("sending", "Sending", _text(found), figures(found))


def _loops() -> Iterator[tuple[str, int]]:
    return ((client, processes) for client in _CLIENTS for processes in PROCESSES)


def _groups(who: Contender, size: Size) -> int:
    return who.groups // size.pick(3, 1)


def _best(who: Contender, size: Size) -> contenders.Setting:
    """The fastest of those tried, with a short lap each."""
    if len(who.tried) == 1 or size.quick:
        return who.tried[0]
    rates = {s: race.lap(who, s, who.groups // 3).sent for s in who.tried}
    for setting, rate in rates.items():
        _tell(f"tried: {who.name}, {setting.label}: {rate:,.0f}/s")
    return max(rates, key=rates.__getitem__)


def loop(
    client: str,
    processes: int,
    count: int,
    provider: Callable[[], AbstractContextManager[Provider]] = Answerer,
) -> tuple[float, float]:
    """Messages a second of a bare loop, and microseconds of a core for each."""
    with ExitStack() as stack:
        target = stack.enter_context(provider())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        environ = {job.PROVIDER: target.url}
        line = bare.command(client, count)
        running = [
            stack.enter_context(Process(line, environ, folder / f"{place}.log"))
            for place in range(processes)
        ]

        def check() -> None:
            for one in running:
                one.check()

        pids = [one.pid for one in running]
        stretch = race.watch(target, count * processes, check, [pids])
    return stretch.groups / stretch.seconds, stretch.each_us(0)


def figures(found: Found) -> Mapping[str, float]:
    """What targets are compared with: medians of ratios within a round."""
    ours = found.sent(OURS)
    # The best of a round is the best of that round, whoever it is.
    rivals = [found.sent(who) for who in (DRAMATIQ, TASKIQ, RQ)]
    best = [max(rates) for rates in zip(*rivals, strict=True)]
    children = PROCESSES[-1]
    return {
        "sent_vs_celery": ratio(ours, found.sent(CELERY)).middle,
        "sent_vs_peers": ratio(ours, best).middle,
        "sent_vs_own_loop": ratio(ours, found.loops["own", children]).middle,
        "sent_vs_pyreqwest": ratio(ours, found.loops["pyreqwest", children]).middle,
    }


# -- telling -------------------------------------------------------------------

_TEXT: Final = """\
N groups of ten, each one send call of {size} bytes, its message id stored. Every
queue is filled before its workers start; the clock runs from the tenth part taken by
the provider to the last result stored. The provider is {answerer}: it answers at
once, which suits those best that wait in line for each answer; a real one takes some
50 ms. Redis is {redis}, one fresh server a lap, `appendfsync always` for everybody
(in brackets `everysec`, one lap). Median of {rounds} rounds in turns (lowest to
highest). Redis commands include those that scripts call.

{queues}
Loops that record nothing: {flying} messages in flight in each process, answer read. Two
processes are what two worker children are to be compared with. "here" is our worker's
groups a second over the loop's, round by round; "of our us" is the loop's processor
time for a message over our worker's for a group, which a busy machine changes less.

{loops}"""


def _text(found: Found) -> str:
    with store.Store() as server:
        redis = server.version()
    return _TEXT.format(
        size=len(bare.encoded(0)),
        answerer=answerer.version(),
        redis=redis,
        rounds=len(found.sent(OURS)),
        flying=bare.IN_FLIGHT,
        queues=_queues(found),
        loops=_loop_table(found),
    )


def _queues(found: Found) -> str:
    heads = ["", "settings", "groups", "sent and recorded/s", "ours is", "enqueued/s",
             "Redis bytes a queued group", "worker us a group", "Redis us a group",
             "Redis commands a group", "socket reads a group"]  # fmt: skip
    return table(heads, [_queue(found, who) for who in (OURS, *PEERS)])


def _queue(found: Found, who: Contender) -> list[str]:
    laps = found.laps[who.name]
    relaxed = found.relaxed.get(who.name)
    beside = f" [{relaxed[0].sent:,.0f}]" if relaxed else ""
    times = ratio(found.sent(OURS), found.sent(who))
    return [
        who.name,
        found.settings[who.name],
        f"{laps[0].groups:,}",
        spread(found.sent(who)).tell() + beside,
        times.tell(".1f") + " x",
        _of(laps, "enqueued").tell(),
        _of(laps, "queued_bytes").tell(),
        _of(laps, "worker_us").tell(),
        _of(laps, "redis_us").tell(),
        f"{spread([one.asked.commands / one.groups for one in laps]).middle:.2f}",
        f"{spread([one.asked.reads / one.groups for one in laps]).middle:.2f}",
    ]


def _of(laps: Sequence[Lap], name: str) -> Spread:
    return spread([getattr(lap, name) for lap in laps])


def _loop_table(found: Found) -> str:
    heads = ["", "processes", "messages/s", "here", "us a message", "of our us"]
    ours = found.sent(OURS)
    cost = [lap.worker_us for lap in found.laps[OURS.name]]
    rows = [
        [
            _CLIENTS[client],
            str(processes),
            spread(rates).tell(),
            ratio(ours, rates).tell(".2f"),
            spread(found.loop_us[client, processes]).tell(),
            ratio(found.loop_us[client, processes], cost).tell(".2f"),
        ]
        for (client, processes), rates in found.loops.items()
    ]
    return table(heads, rows)


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    command.run(measure)
