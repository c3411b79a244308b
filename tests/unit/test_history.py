"""A campaign's history as the ledger keeps it: slots, and what was permitted."""

from __future__ import annotations

import pytest

from dispatcher.ledger.history import Slot, slots


@pytest.mark.parametrize(
    ("start", "seconds"),
    [(0, 10), (1190, 10), (1200, 20), (2380, 20), (2400, 40), (76_800, 1280)],
)
def test_how_long_a_slot_is(start: int, seconds: int) -> None:
    """Twice as long each time the age doubles, from twenty minutes on."""
    assert Slot(start, 1, None).seconds == seconds


def test_slots_are_in_order() -> None:
    """Whatever the order of the fields; an empty stretch is none."""
    raw = {b"100": b"7", b"20": b"30", b"0": b"10", b"permitted": b""}
    assert [(slot.start, slot.units) for slot in slots(raw)] == [
        (0, 10),
        (20, 30),
        (100, 7),
    ]


def test_what_was_permitted_holds_until_it_changes() -> None:
    """It is stored only where it is another than before."""
    raw = {
        b"0": b"1",
        b"10": b"1",
        b"20": b"1",
        b"30": b"1",
        b"0:permitted": b"2.5",
        b"20:permitted": b"",
        b"permitted": b"",
    }
    assert [slot.permitted for slot in slots(raw)] == [2.5, 2.5, None, None]


def test_nothing_was_sent() -> None:
    """No history, no slots."""
    assert list(slots({})) == []
