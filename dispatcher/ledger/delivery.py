"""Delivery states packed: three bytes a member, so that a group takes at most thirty.

The rank of the state, then the code of a failure. Packed so, the hash of a chunk
stays a listpack. Merging takes the higher rank for each member: in any order, however
often. `deliver.lua` does the same. No I/O.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from dispatcher.errors import LedgerCorrupt
from dispatcher.ledger.states import DeliveryState

_SLOT: Final = struct.Struct(">BH")  # rank, code
#: Bytes a member takes.
SLOT_SIZE: Final = _SLOT.size


class Delivery(NamedTuple):
    """How far a message got to one member, and the code if it failed."""

    state: DeliveryState = DeliveryState.AWAITING
    code: int = 0


class Slots:
    """The members of one group, each as far as the events say that were put in."""

    def __init__(self, size: int) -> None:
        self._bytes = bytearray(size * SLOT_SIZE)

    def put(self, member: int, delivery: Delivery) -> None:
        """Note an event; the higher rank stays, and of two equal ones the first."""
        at = member * SLOT_SIZE
        if delivery.state > self._bytes[at]:
            _SLOT.pack_into(self._bytes, at, *delivery)

    def pack(self) -> bytes:
        """The stored form."""
        return bytes(self._bytes)


def unpack_deliveries(data: bytes | None, size: int) -> tuple[Delivery, ...]:
    """The members' deliveries; None (no event so far) reads as awaiting.

    Raises:
        LedgerCorrupt: The bytes are not those of a group of that size.
    """
    if data is None:
        return (Delivery(),) * size
    if len(data) != size * SLOT_SIZE:
        raise LedgerCorrupt("a group's deliveries are damaged")
    try:
        return tuple(
            Delivery(DeliveryState(rank), code)
            for rank, code in _SLOT.iter_unpack(data)
        )
    except ValueError:
        raise LedgerCorrupt("a group's deliveries are damaged") from None
