"""How soon does an urgent campaign get through, and how fairly do equal ones share?

    python -m benchmarks.steering [--quick] [--write]

A huge campaign runs at the limit of the account; times and shares are those of the
provider's own record.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from random import Random
from typing import Final

from benchmarks.harness import command, job
from benchmarks.harness.command import Size
from benchmarks.harness.figures import spread, table
from benchmarks.harness.report import Section
from dispatcher import Campaign
from dispatcher.simulator.record import Entry
from tests.stack import Stack

#: Units a second of the account.
RATE: Final = 400
#: Campaigns that share it.
EQUALS: Final = 3
#: Seconds of a window in which shares are told.
WINDOW_S: Final = 5.0
#: Seconds between two urgent ones: from this to half a second more.
_APART_S: Final = 1.0
#: Where the numbers of urgent campaigns begin.
_ELSEWHERE: Final = 500_000_000


def urgent(trials: int) -> tuple[list[float], list[float]]:
    """Seconds until the first group of each is at the provider.

    Returns:
        From the moment at which `submit` was called, and at which it returned.
    """
    jitter = Random(7)  # noqa: S311 - spreads the trials over the refills
    called, returned = [], []
    with tempfile.TemporaryDirectory() as directory, _stack(directory) as stack:
        huge = stack.submit(int(RATE * (trials * 2 + 30)), id="huge")
        stack.worker()
        time.sleep(5)
        for trial in range(trials):
            time.sleep(_APART_S + jitter.random() / 2)
            called.append(time.time())
            _submit(stack, trial)
            returned.append(time.time())
        time.sleep(2)
        record = stack.simulator.record()
        assert huge.progress().state == "running", "the huge one must not end first"
    arrived = [_first(record, trial) for trial in range(trials)]
    return _later(arrived, called), _later(arrived, returned)


def _stack(directory: str) -> Stack:
    return Stack(Path(directory), latency_ms=50, rate=str(RATE))


def _submit(stack: Stack, trial: int) -> None:
    campaign = Campaign(sender=job.SENDER, text=job.TEXT, priority=10)
    stack.dispatcher.submit(campaign, _people(trial), id=f"urgent-{trial}")


def _people(trial: int) -> list[str]:
    return list(job.numbers(job.SIZE, _ELSEWHERE + trial * job.SIZE))


def _first(record: Sequence[Entry], trial: int) -> float:
    people = set(_people(trial))
    return next(entry.time for entry in record if people & set(entry.to))


def _later(arrived: Sequence[float], began: Sequence[float]) -> list[float]:
    return [end - start for end, start in zip(arrived, began, strict=True)]


def shares(seconds: int) -> list[float]:
    """Each campaign's share of the units in each window, all in one list."""
    each = RATE * seconds // EQUALS // job.SIZE * job.SIZE
    with tempfile.TemporaryDirectory() as directory, _stack(directory) as stack:
        runs = [
            stack.dispatcher.submit(
                Campaign(sender=job.SENDER, text=job.TEXT),
                job.numbers(each, place * each),
                id=f"equal-{place}",
            )
            for place in range(EQUALS)
        ]
        stack.worker()
        for run in runs:
            run.wait(timeout=seconds * 2 + 60)
        record = stack.simulator.record()
    owner = {
        number: place
        for place in range(EQUALS)
        for number in islice(job.numbers(each, place * each), 0, None, job.SIZE)
    }
    return windows([(e.time, owner[e.to[0]], e.units) for e in record], EQUALS)


def windows(sends: Sequence[tuple[float, int, int]], owners: int) -> list[float]:
    """Each owner's share of the units in each whole window.

    Args:
        sends: Time, owner (from 0) and units of each send.
        owners: How many there are.
    """
    begin = min(time_ for time_, _, _ in sends)
    units: Counter[tuple[int, int]] = Counter()
    for time_, owner, count in sends:
        units[int((time_ - begin) / WINDOW_S), owner] += count
    last = max(window for window, _ in units)
    shares_ = []
    for window in range(last):
        total = sum(units[window, owner] for owner in range(owners))
        shares_ += [units[window, owner] / total for owner in range(owners)]
    return shares_


_TEXT: Final = """\
The account permits {rate} units a second and a huge campaign uses all of it; the
provider takes 50 ms; one worker of two children. {trials} times a campaign of one group
with a higher priority is submitted; seconds until the provider has its request, median
(lowest to highest):

{urgent}
{equals} equal campaigns, all submitted before a worker starts; each one's share of the
units in every window of {window:.0f} s, median (lowest to highest), all of them being
equal at {equal:.1%}: {shares}."""


def measure(size: Size) -> Section:
    """Both."""
    trials = size.pick(5, 20)
    called, returned = urgent(trials)
    found = spread(shares(size.pick(15, 40)))
    rows = [
        ["from calling submit", spread(called).tell(".3f")],
        ["from its return", spread(returned).tell(".3f")],
    ]
    text = _TEXT.format(
        rate=RATE,
        trials=trials,
        urgent=table(["", "seconds"], rows),
        equals=EQUALS,
        window=WINDOW_S,
        equal=1 / EQUALS,
        shares=found.tell(".1%"),
    )
    return Section("steering", "Urgent and equal campaigns", text)


if __name__ == "__main__":
    command.run(measure)
