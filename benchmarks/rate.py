"""How much of the permitted rate is used, and is it ever exceeded?

    python -m benchmarks.rate [--quick | --full] [--write]

Two workers of two children, a provider that takes 50 ms; the figures come from the
provider's own record of every send request.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.harness import command
from benchmarks.harness.command import Size
from benchmarks.harness.figures import table
from benchmarks.harness.report import Section
from benchmarks.harness.targets import RATES
from tests.stack import Stack, worst_window


@dataclass(frozen=True)
class Used:
    """What the provider saw at one rate.

    Attributes:
        rate: Permitted units a second.
        seconds: From the first send to the last.
        used: Share of the permitted units, after the first group.
        over: Units by which the worst window exceeds rate x length.
    """

    rate: int
    seconds: float
    used: float
    over: float


def send(rate: int, seconds: int) -> Used:
    """Send for so long at so many units a second."""
    with (
        tempfile.TemporaryDirectory() as directory,
        Stack(Path(directory), latency_ms=50, rate=str(rate)) as stack,
    ):
        run = stack.submit(rate * seconds)
        stack.worker()
        stack.worker()
        run.wait(timeout=seconds * 2 + 60)
        sends = sorted((e.time, e.units) for e in stack.simulator.record())
        span = sends[-1][0] - sends[0][0]
        used = sum(units for _, units in sends[1:]) / (rate * span)
        return Used(rate, span, used, worst_window(stack, rate))


_TEXT: Final = """\
Two workers of two children each, a provider that takes 50 ms, judged by the provider's
record of every send request. "used" is the units after the first group over rate x
time from the first send to the last; it is above 100 % by the quarter of a second's
worth that a rested bucket holds. In any window of t seconds at most rate x t and
one second's worth and one group may be sent.

{table}"""


def measure(size: Size) -> Section:
    """One rate after the other."""
    found = []
    for rate in RATES:
        # A slow rate needs long, until many refills have passed.
        seconds = size.pick(10, 60 if rate < min(RATES[1:]) else 20)
        print(f"rate: {rate} units/s", file=sys.stderr, flush=True)
        found.append(send(rate, seconds))
    heads = ["units/s", "seconds", "used", "worst window: over rate x t by", "allowed"]
    rows = [
        [f"{one.rate:,}", f"{one.seconds:.0f}", f"{one.used:.2%}",
         f"{one.over:,.1f}", f"{one.rate + 10:,}"] for one in found
    ]  # fmt: skip
    figures = {f"rate_used_{one.rate}": one.used for one in found}
    figures |= {f"rate_over_{one.rate}": one.over for one in found}
    text = _TEXT.format(table=table(heads, rows))
    return Section("rate", "The permitted rate", text, figures)


if __name__ == "__main__":
    command.run(measure)
