"""The picture of a rate over time: bars that are true, shapes inside their field."""

from __future__ import annotations

import re

import pytest

from dispatcher.ledger.history import Slot
from dispatcher.web.plot import HEIGHT, Bar, _bars, draw, recent


def even(units: int, until: int, permitted: float | None = None) -> list[Slot]:
    """So many units in every ten seconds."""
    return [Slot(at, units, permitted) for at in range(0, until, 10)]


def points(path: str) -> list[tuple[float, float]]:
    """Where a path goes."""
    found = re.findall(r"([-0-9.]+),([-0-9.]+)", path)
    return [(float(x), float(y)) for x, y in found]


def test_nothing_to_see() -> None:
    """Before the first send, and in its first seconds."""
    assert draw([], 100.0) is None
    assert draw(even(10, 10), 4.0) is None
    assert recent([], 100.0) is None
    assert recent(even(10, 10), 4.0) is None


def test_an_even_rate() -> None:
    """Is a level line at its height, the limit above it."""
    plot = draw(even(100, 60, permitted=12.5), 60.0)
    assert plot
    assert (plot.average, plot.highest, plot.permitted) == (10, 10, 12.5)
    heights = {y for _, y in points(plot.area)[1:-1]}
    assert heights == {round(HEIGHT * (1 - 10 / plot.top), 1)}
    assert {y for _, y in points(plot.limit)} == {
        round(HEIGHT * (1 - 12.5 / plot.top), 1)
    }


def test_a_pause_is_seen() -> None:
    """Time in which nothing was let through is no gap but a zero."""
    plot = draw([Slot(0, 100, None), Slot(50, 100, None)], 60.0)
    assert plot
    assert plot.limit == ""
    assert [y for _, y in points(plot.area)[3:11]] == [HEIGHT] * 8
    assert plot.average == pytest.approx(200 / 60)


def test_what_has_just_begun_is_no_peak() -> None:
    """A group of ten in the first second of a bar is not ten a second."""
    bars = list(_bars([*even(100, 30), Slot(30, 10, None)], 31.0))
    assert [bar.seconds for bar in bars] == [10, 10, 11]
    assert bars[-1].rate == 10


def test_the_last_bar_once_half_of_it_is_over() -> None:
    """Then it counts by itself."""
    bars = list(_bars([*even(100, 30), Slot(30, 60, None)], 36.0))
    assert bars[-1] == Bar(30, 6, 60, None)


def test_slow_campaigns_have_wide_bars() -> None:
    """At one unit a second a group in ten seconds is as fast as it may go."""
    slots = [Slot(at, 10, 1.0) for at in range(0, 600, 10)]
    rates = {bar.rate for bar in _bars(slots, 600.0)}
    assert rates == {1.0}
    assert len(list(_bars(slots, 600.0))) < 10


def test_a_limit_that_changes() -> None:
    """Is a step; without a limit the line is at the edge."""
    slots = [Slot(0, 900, 100.0), Slot(10, 900, 50.0), Slot(20, 900, None)]
    plot = draw(slots, 30.0)
    assert plot
    heights = [y for _, y in points(plot.limit)]
    assert heights[0] == heights[1] < heights[2] == heights[3]
    assert heights[4] == heights[5] == 0
    assert plot.permitted is None


def test_of_late() -> None:
    """Over the last whole slot and the one that has begun."""
    slots = [Slot(0, 1000, None), Slot(10, 50, None), Slot(20, 30, None)]
    assert recent(slots, 26.0) == (5.0, 16.0)


def test_of_late_when_it_is_slow() -> None:
    """Over as long as it takes to say something."""
    slots = [Slot(at, 10, 1.0) for at in range(0, 200, 10)]
    assert recent(slots, 200.0) == (1.0, 50.0)


def test_a_clock_that_went_backwards() -> None:
    """Nothing is left out, and nothing is divided by zero."""
    plot = draw(even(10, 100), 30.0)
    assert plot
    assert plot.seconds == 91.0
