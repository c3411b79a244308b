"""Packed deliveries: what is stored, and what cannot be."""

from __future__ import annotations

import pytest

from dispatcher.errors import LedgerCorrupt
from dispatcher.ledger.delivery import Delivery, Slots, unpack_deliveries
from dispatcher.ledger.states import DeliveryState

S = DeliveryState


def test_stored_form() -> None:
    """Three bytes a member: rank, then the code, the high byte first."""
    slots = Slots(3)
    slots.put(0, Delivery(S.DELIVERED))
    slots.put(2, Delivery(S.FAILED, 4432))
    assert slots.pack() == bytes([4, 0, 0, 0, 0, 0, 5, 0x11, 0x50])


def test_a_full_group_fits_a_listpack() -> None:
    """A value of more than 64 bytes would turn the whole hash into a table."""
    assert len(Slots(10).pack()) <= 64


def test_the_first_code_stays() -> None:
    """A second failure of the same message changes nothing."""
    slots = Slots(1)
    slots.put(0, Delivery(S.FAILED, 4432))
    slots.put(0, Delivery(S.FAILED, 4720))
    assert unpack_deliveries(slots.pack(), 1) == ((S.FAILED, 4432),)


def test_no_event_so_far() -> None:
    """Nothing stored means awaiting."""
    assert unpack_deliveries(None, 2) == ((S.AWAITING, 0), (S.AWAITING, 0))


@pytest.mark.parametrize("data", [b"", bytes(5), bytes(9), bytes([6, 0, 0, 0, 0, 0])])
def test_damaged(data: bytes) -> None:
    """Bytes of another size, or a rank that nobody wrote."""
    with pytest.raises(LedgerCorrupt):
        unpack_deliveries(data, 2)


def test_ranks() -> None:
    """Stored numbers never change meaning; failed outranks all."""
    assert [state.word for state in DeliveryState] == [
        *("awaiting", "sending", "sent", "unconfirmed", "delivered", "failed")
    ]
    assert [int(state) for state in DeliveryState] == list(range(6))
