"""What is asked of Redis for one group, all included?

    python -m benchmarks.commands [--quick] [--write]

A real worker with two children, no limit of the rate. What its clients send (claims,
gates, outcomes, leases, the clock, Celery) is told apart from what scripts call inside
the server, and from round trips: many commands may go in one.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from importlib import resources
from typing import Final

import dispatcher.ledger
from benchmarks.harness import command
from benchmarks.harness.command import Size
from benchmarks.harness.figures import table
from benchmarks.harness.monitor import Monitor
from benchmarks.harness.report import Section
from benchmarks.harness.store import Counters
from benchmarks.rig import Rig
from benchmarks.submit import shuffled
from dispatcher.ledger.scripts import Call, evalsha

#: Told one by one; the rest is added up.
_SHOWN: Final = 8


@dataclass(frozen=True)
class Asked:
    """What a campaign asked of Redis.

    Attributes:
        sent: Commands of clients, scripts by their names.
        inner: Commands that scripts called.
        counters: The server's own count, in a run that nobody listened to.
    """

    sent: Counter[str]
    inner: Counter[str]
    counters: Counters


def ask(groups: int) -> Asked:
    """Send so many groups, once listened to and once not."""
    with Rig() as rig:
        rig.warm()
        with Monitor(rig.store.socket) as heard:
            _send(rig, groups, "heard")
        before = rig.store.counters()
        _send(rig, groups, "alone")
        counters = rig.store.counters() - before
    names = scripts()
    sent = Counter({names.get(k, k): n for k, n in heard.sent.items()})
    return Asked(sent, heard.inner, counters)


def _send(rig: Rig, groups: int, name: str) -> None:
    # Others than before: those are locked for ten seconds.
    rig.submit(shuffled(groups * 10, rig.groups * 10), name)
    rig.start()
    rig.finish()
    rig.stop()


def scripts() -> dict[str, str]:
    """Name of each script by its digest."""
    folder = resources.files(dispatcher.ledger) / "lua"
    files = [path.name for path in folder.iterdir() if path.name.endswith(".lua")]
    names = [file.removesuffix(".lua") for file in files]
    return {str(evalsha(Call(name, [], str), None)[0]): name for name in names}


_TEXT: Final = """\
{groups:,} groups of ten, no limit of the rate, one worker with two children, from the
submission to the worker's end. **{sent:.3f} commands a group** are sent by all clients
together: that is what the target means. The scripts among them call {inner:.2f}
commands a group inside the server. Redis read {reads:.3f} times a group from a socket
(a command that carries hundreds of groups takes several reads); {wire:,.0f} bytes a
group went in and out.

{table}"""


def measure(size: Size) -> Section:
    """Count."""
    groups = size.pick(3000, 20_000)
    asked = ask(groups)
    sent = asked.sent.total() / groups
    text = _TEXT.format(
        groups=groups,
        sent=sent,
        inner=asked.inner.total() / groups,
        reads=asked.counters.reads / groups,
        wire=asked.counters.wire / groups,
        table=_table(asked, groups),
    )
    return Section("commands", "Redis commands", text, {"commands_per_group": sent})


def _table(asked: Asked, groups: int) -> str:
    heads = ["sent by clients", "a group", "called by scripts", "a group "]
    left, right = _column(asked.sent, groups), _column(asked.inner, groups)
    return table(heads, [[*a, *b] for a, b in zip(left, right, strict=True)])


def _column(counts: Counter[str], groups: int) -> list[list[str]]:
    most = counts.most_common(_SHOWN)
    rest = counts.total() - sum(count for _, count in most)
    most += [("", 0)] * (_SHOWN - len(most))
    rows = [[n, f"{count / groups:.4f}" if n else ""] for n, count in most]
    return [*rows, ["the rest", f"{rest / groups:.4f}"]]


if __name__ == "__main__":
    command.run(measure)
