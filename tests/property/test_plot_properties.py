"""The picture of a rate over time, for whatever a ledger may hold."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.ledger.history import Slot, width_at
from dispatcher.web.plot import HEIGHT, WIDTH, _bars, draw


@st.composite
def histories(draw_: st.DrawFn) -> tuple[list[Slot], float]:
    """What a ledger may hold of a campaign of some age."""
    ages = draw_(st.lists(st.floats(0, 3e6), min_size=1, max_size=60))
    permitted = st.none() | st.floats(0.01, 1000)
    starts = sorted({int(age // width_at(age)) * width_at(age) for age in ages})
    units = st.integers(1, 10_000)
    slots = [Slot(at, draw_(units), draw_(permitted)) for at in starts]
    return slots, max(5.0, *ages)


@given(histories())
def test_every_history_is_drawn_whole(history: tuple[list[Slot], float]) -> None:
    """No unit is lost, bars join, shapes stay inside, and there are not too many."""
    slots, age = history
    plot = draw(slots, age)
    assert plot
    bars = list(_bars(slots, plot.seconds))
    assert sum(bar.units for bar in bars) == sum(slot.units for slot in slots)
    for bar, after in pairwise(bars):
        assert bar.start + bar.seconds == after.start
    assert bars[-1].start + bars[-1].seconds == pytest.approx(plot.seconds)
    shapes = plot.area + plot.limit
    for x, y in re.findall(r"([-0-9.]+),([-0-9.]+)", shapes):
        assert -0.1 <= float(x) <= WIDTH + 0.1
        assert -0.1 <= float(y) <= HEIGHT + 0.1
    assert len(bars) <= 121
    assert plot.highest >= plot.average * 0.999
