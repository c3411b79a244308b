"""The picture of a campaign's rate over time: what was let through, what was permitted.

Shapes are SVG paths in a field of `WIDTH` by `HEIGHT`, which the page stretches. Pure:
a history in, shapes and figures out.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from dispatcher.ledger.history import Slot, width_at

WIDTH: Final = 1000
HEIGHT: Final = 100
#: Units that a bar could hold at the permitted rate: they come in groups of up to ten,
#: and fewer would show how groups fall into bars, not how fast they went.
_BAR_UNITS: Final = 50
#: Seconds before there is anything to see.
_SHORTEST_S: Final = 5.0
#: The highest point stays below the upper edge by this share.
_HEADROOM: Final = 1.08


@dataclass(frozen=True, slots=True)
class Bar:
    """A stretch of time with one height.

    Attributes:
        start: Seconds from the campaign's first send.
        seconds: How long it is.
        units: Units let through in it.
        permitted: Units a second that might have been; None for no limit.
    """

    start: float
    seconds: float
    units: int
    permitted: float | None

    @property
    def rate(self) -> float:
        """Units a second."""
        return self.units / self.seconds


@dataclass(frozen=True, slots=True)
class Plot:
    """What to draw, and the figures to say beside it.

    Attributes:
        area: Path of what was let through.
        limit: Path of what was permitted; empty for no limit.
        top: Units a second at the upper edge.
        seconds: Time from the left edge to the right one.
        average: Units a second, over all of it.
        highest: The highest bar.
        permitted: What was permitted last; None for no limit.
    """

    area: str
    limit: str
    top: float
    seconds: float
    average: float
    highest: float
    permitted: float | None


def draw(slots: Sequence[Slot], age: float) -> Plot | None:
    """The picture of a history; None while there is nothing to see.

    Args:
        slots: Oldest first.
        age: Seconds from the first send until now, or to the end.
    """
    if not slots or age < _SHORTEST_S:
        return None
    # A clock that went backwards must not leave anything out.
    age = max(age, slots[-1].start + 1.0)
    bars = list(_bars(slots, age))
    limits = [bar.permitted for bar in bars if bar.permitted is not None]
    highest = max(bar.rate for bar in bars)
    top = max([highest, *limits]) * _HEADROOM
    return Plot(
        area=_area(bars, age, top),
        limit=_limit(bars, age, top) if limits else "",
        top=top,
        seconds=age,
        average=sum(slot.units for slot in slots) / age,
        highest=highest,
        permitted=slots[-1].permitted,
    )


def recent(slots: Sequence[Slot], age: float) -> tuple[float, float] | None:
    """Units a second of late, and over how many seconds; None: not known yet."""
    if not slots or age < _SHORTEST_S:
        return None
    width = width_at(age)
    back = math.ceil(_telling_s(slots) / width)
    begin = max(0.0, (age // width - max(1, back)) * width)
    units = sum(slot.units for slot in slots if slot.start >= begin)
    return units / (age - begin), age - begin


def _telling_s(slots: Sequence[Slot]) -> float:
    """Seconds in which enough units may go to say something; 0 for no limit."""
    permitted = slots[-1].permitted
    return _BAR_UNITS / permitted if permitted else 0.0


# -- bars ----------------------------------------------------------------------


def _bars(slots: Sequence[Slot], age: float) -> Iterator[Bar]:
    """Bars of one width, without a gap, until now.

    One that is less than half over would be too high or too low by chance: it is put
    together with the one before.
    """
    width = _width(slots, age)
    last = max(1, math.floor(age / width + 0.5)) - 1
    units: Counter[int] = Counter()
    told: dict[int, float | None] = {}
    for slot in slots:
        place = min(slot.start // width, last)
        units[place] += slot.units
        told.setdefault(place, slot.permitted)
    permitted = slots[0].permitted
    for place in range(last + 1):
        permitted = told.get(place, permitted)
        end = age if place == last else (place + 1) * width
        yield Bar(place * width, end - place * width, units[place], permitted)


def _width(slots: Sequence[Slot], age: float) -> int:
    """Seconds of a bar: no narrower than the longest slot, and not too many bars."""
    width = width_at(age)
    while width < min(age, _telling_s(slots)):
        width *= 2
    return width


# -- shapes --------------------------------------------------------------------


def _area(bars: Sequence[Bar], age: float, top: float) -> str:
    tops = _steps(bars, [bar.rate for bar in bars], age, top)
    return f"M0,{HEIGHT} L{' '.join(tops)} {WIDTH},{HEIGHT} Z"


def _limit(bars: Sequence[Bar], age: float, top: float) -> str:
    # Where there was no limit the line runs along the upper edge.
    heights = [top if bar.permitted is None else bar.permitted for bar in bars]
    return f"M{' '.join(_steps(bars, heights, age, top))}"


def _steps(
    bars: Sequence[Bar], heights: Sequence[float], age: float, top: float
) -> Iterator[str]:
    for bar, height in zip(bars, heights, strict=True):
        y = HEIGHT * (1 - height / top)
        for at in (bar.start, bar.start + bar.seconds):
            yield f"{WIDTH * at / age:.1f},{y:.1f}"
