"""Arithmetic of repeated measurements: middle, spread, ratios within a round.

A ratio is taken round by round and its median is told: what slows one round down,
slows both sides. It measures nothing.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import NamedTuple


class Spread(NamedTuple):
    """What repeated measurements came to."""

    middle: float
    low: float
    high: float

    def tell(self, form: str = ",.0f") -> str:
        """Middle and, if there was more than one, (lowest to highest)."""
        middle = format(self.middle, form)
        if self.low == self.high:
            return middle
        return f"{middle} ({self.low:{form}} to {self.high:{form}})"


def spread(values: Sequence[float]) -> Spread:
    """Median, lowest and highest.

    Raises:
        ValueError: There is nothing.
    """
    if not values:
        raise ValueError("nothing was measured")
    return Spread(statistics.median(values), min(values), max(values))


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """Ours over theirs, each in the same round.

    Raises:
        ValueError: There is nothing, or not the same number of rounds.
    """
    return spread([one / other for one, other in zip(ours, theirs, strict=True)])


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first column is text, the others stand right."""
    lines = [heads, ["---", *["--:"] * (len(heads) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
