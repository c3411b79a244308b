"""How long the provider takes to answer a send, counted by outcome and bucket.

Each worker child counts in memory and adds to the ledger's counters every few
seconds: a send costs nothing there. A child that is killed loses what it had not
added yet. No group, no campaign and no number is known here.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

#: Upper bounds of the buckets, seconds. The longest HTTP deadline is 15.
BOUNDS_S: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0)

_ALL_S: Final = (*BOUNDS_S, math.inf)
#: In the place of a bound: microseconds that all took together.
_SUM: Final = "us"


class Latencies:
    """What one child has seen and not yet added to the ledger's counters."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, float]] = Counter()
        self._micros: Counter[str] = Counter()

    def observe(self, outcome: str, seconds: float) -> None:
        """Count one send.

        Args:
            outcome: One word of a small closed set.
            seconds: From the write to the whole answer, or until it was given up.
        """
        self._counts[outcome, _ALL_S[bisect_left(BOUNDS_S, seconds)]] += 1
        self._micros[outcome] += round(seconds * 1e6)

    def take(self) -> dict[str, int]:
        """What to add to which field of the ledger's hash; forgotten here."""
        amounts = {f"{word}|{bound}": n for (word, bound), n in self._counts.items()}
        amounts |= {f"{word}|{_SUM}": total for word, total in self._micros.items()}
        self._counts.clear()
        self._micros.clear()
        return amounts


@dataclass(frozen=True, slots=True)
class Histogram:
    """All sends that had one outcome.

    Attributes:
        counts: Sends that took so many seconds or less, for each bound; inf is all.
        seconds: What all took together.
    """

    counts: Mapping[float, int]
    seconds: float


def histograms(raw: Mapping[bytes, bytes]) -> dict[str, Histogram]:
    """Read the ledger's hash: by outcome."""
    sends: defaultdict[str, dict[float, int]] = defaultdict(dict)
    micros: dict[str, int] = {}
    for name, amount in raw.items():
        outcome, _, bucket = name.decode().partition("|")
        if bucket == _SUM:
            micros[outcome] = int(amount)
        else:
            sends[outcome][float(bucket)] = int(amount)
    return {
        outcome: Histogram(_cumulated(counted), micros.get(outcome, 0) / 1e6)
        for outcome, counted in sorted(sends.items())
    }


def _cumulated(counted: Mapping[float, int]) -> dict[float, int]:
    """Also right for what an older version counted under other bounds."""
    return {
        bound: sum(n for at, n in counted.items() if at <= bound) for bound in _ALL_S
    }
