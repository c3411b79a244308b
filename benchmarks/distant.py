"""What is left of a bare loop when the provider takes its time, as a real one does?

    python -m benchmarks.distant [--quick] [--write]

Our worker with its usual slots beside a loop over the same HTTP stack that records
nothing, in turns, to a provider that takes 50 ms.
"""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Final, Self

from benchmarks import bare, race, sending
from benchmarks.contenders import OURS, SLOTS, dispatcher
from benchmarks.harness import command
from benchmarks.harness.command import Size
from benchmarks.harness.figures import ratio, spread, table
from benchmarks.harness.report import Section
from dispatcher.simulator.config import SimulatorConfig
from dispatcher.simulator.process import Simulator

_TAKES_MS: Final = 50
_CHILDREN: Final = 2


class Distant:
    """The simulator, which answers late, while it is entered."""

    def __enter__(self) -> Self:
        self._simulator = Simulator(SimulatorConfig(latency_ms=_TAKES_MS))
        self.url = self._simulator.__enter__().base_url
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._simulator.__exit__(kind, error, trace)

    def taken(self) -> int:
        """Messages taken so far."""
        return self._simulator.stats().taken


_TEXT: Final = """\
The same beside a provider that takes {takes} ms, as a real one does: two children of
{slots} slots, and a loop over our HTTP stack that records nothing, two processes of
{flying} messages in flight. Rounds in turns: {rounds}. Gate and outcome of every group
are on the disk of Redis. So many in flight can come to {whole:,.0f} a second.

{table}"""


def measure(size: Size) -> Section:
    """Take turns."""
    groups = size.pick(5000, 15_000)
    setting = dispatcher(_CHILDREN)
    ours, loops = [], []
    for number in range(size.pick(1, 3, 5)):
        ours.append(race.lap(OURS, setting, groups, provider=Distant).sent)
        rate, _ = sending.loop("own", _CHILDREN, groups // _CHILDREN, Distant)
        loops.append(rate)
        print(f"round {number + 1}: {ours[-1]:,.0f}/s, loop {rate:,.0f}/s",
              file=sys.stderr, flush=True)  # fmt: skip
    part = ratio(ours, loops)
    rows = [
        ["dispatcher", spread(ours).tell(), part.tell(".2f")],
        ["bare loop", spread(loops).tell(), ""],
    ]
    text = _TEXT.format(
        takes=_TAKES_MS,
        slots=SLOTS,
        flying=bare.IN_FLIGHT,
        rounds=len(ours),
        whole=_CHILDREN * bare.IN_FLIGHT * 1000 / _TAKES_MS,
        table=table(["", "messages/s", "of the loop"], rows),
    )
    figures = {"distant_vs_own_loop": part.middle}
    return Section(
        "distant", "Sending to a provider that takes its time", text, figures
    )


if __name__ == "__main__":
    command.run(measure)
