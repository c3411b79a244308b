"""How much of the permitted rate is used, and is it ever exceeded?

    python -m benchmarks.rate 400:60 20:120

Each argument is RATE:SECONDS (units a second). Real server, two workers of two
children, simulator with 50 ms latency; the figures come from the provider's
own record of every send request.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.stack import Stack, worst_window


def measure(rate: int, seconds: int) -> str:
    """Send for so long at so many units a second; one line of the table."""
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
        worst = worst_window(stack, rate)
    return f"| {rate} | {span:.0f} | {used:.1%} | {worst:.1f} | {rate + 10} |"


def main() -> None:
    """Measure what the command line names."""
    print("| units/s | seconds | used | worst window: over rate x t by | allowed |")
    print("|---|---|---|---|---|")
    for argument in sys.argv[1:] or ["400:20", "20:20"]:
        rate, seconds = map(int, argument.split(":"))
        print(measure(rate, seconds), flush=True)


if __name__ == "__main__":
    main()
