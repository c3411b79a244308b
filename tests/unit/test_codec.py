"""Packing: what is stored takes the bytes it should and reads back; damage is told."""

from __future__ import annotations

import pytest

from dispatcher.errors import LedgerCorrupt
from dispatcher.ledger.codec import (
    CHUNK_GROUPS,
    Record,
    chunk_of,
    member_lock,
    pack_chunk,
    pack_number,
    unpack_chunk,
    unpack_number,
)
from dispatcher.ledger.states import GroupState

ANN, BOB = 19195551212, 19195551213
LONG = 999_999_999_999_999  # E.164's fifteen digits


def record(**changes: object) -> Record:
    values = {
        "state": GroupState.SENDING,
        "attempts": 2,
        "crashes": 1,
        "flags": 1,
        "dropped": 0b1000000001,
        "serial": 70_000,
        "gated_at": 1_800_000_000_123.0,
        "tail": "c0ffee",
    }
    return Record(**{**values, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("groups", "size"),
    [
        ([(ANN,)], 4 + 1 + 5),
        ([(ANN, BOB), (ANN,)], 4 + 2 + 15),
        ([((1 << 40) - 1,)], 4 + 1 + 5),
        ([(1 << 40,)], 4 + 1 + 7),
        ([(ANN, LONG)], 4 + 1 + 14),
        ([], 4),
    ],
)
def test_chunk(groups: list[tuple[int, ...]], size: int) -> None:
    """Five bytes a number, seven where one has more than twelve digits."""
    packed = pack_chunk(groups)
    assert len(packed) == size
    assert unpack_chunk(packed) == groups


def test_full_chunk() -> None:
    """A full chunk of full groups is some 6.5 KB: Redis memory is bounded."""
    groups = [tuple(range(ANN + i, ANN + i + 10)) for i in range(CHUNK_GROUPS)]
    packed = pack_chunk(groups)
    assert unpack_chunk(packed) == groups
    assert len(packed) == 4 + 128 + 6400


@pytest.mark.parametrize(
    "damage",
    [
        lambda packed: packed[:0],
        lambda packed: packed[:3],
        lambda packed: packed[:4],
        lambda packed: packed[:5],
        lambda packed: packed[:-1],
        lambda packed: packed + b"\0",
        lambda packed: b"\x02" + packed[1:],
        lambda packed: packed[:1] + b"\x07" + packed[2:],
        lambda packed: packed[:3] + b"\x03" + packed[4:],
        lambda packed: packed[:1] + b"\0" + packed[2:6],
    ],
    ids=[
        *("empty", "no header", "no sizes", "one size", "short", "long"),
        *("version", "width", "count", "no width"),
    ],
)
def test_damaged_chunk(damage: object) -> None:
    """A chunk that is not whole is an error, never other people's numbers."""
    packed = pack_chunk([(ANN, BOB), (ANN,)])
    with pytest.raises(LedgerCorrupt):
        unpack_chunk(damage(packed))  # type: ignore[operator]


def test_record() -> None:
    """Eighteen bytes and the tail, and every field comes back."""
    packed = record().pack()
    assert len(packed) == 18 + len("c0ffee")
    assert Record.unpack(packed) == record()


@pytest.mark.parametrize(
    "extreme",
    [
        record(attempts=255, crashes=255, flags=255),
        record(dropped=0xFFFF, serial=0xFFFF_FFFF),
        record(gated_at=4_102_444_800_999.0, tail=""),
        record(tail="500 ünknown-error"),
        *(record(state=state) for state in GroupState),
    ],
)
def test_extreme_records(extreme: Record) -> None:
    """The ends of every field's range, and every state."""
    assert Record.unpack(extreme.pack()) == extreme


def test_no_record_is_pending() -> None:
    """A group that nothing ever happened to has no record and reads as pending."""
    fresh = Record.unpack(None)
    assert fresh == Record(GroupState.PENDING, 0, 0, 0, 0, 0, 0.0, "")


@pytest.mark.parametrize(
    "damaged",
    [b"\x01", record().pack()[:17], b"\x09" + bytes(17), record().pack() + b"\xff"],
    ids=["one byte", "cut", "unknown state", "tail not text"],
)
def test_damaged_record(damaged: bytes) -> None:
    """A record that cannot be is an error."""
    with pytest.raises(LedgerCorrupt):
        Record.unpack(damaged)


def test_number() -> None:
    """Eight bytes for any number of E.164; anything else is an error."""
    assert pack_number(ANN) == ANN.to_bytes(8, "big")
    assert unpack_number(pack_number(999_999_999_999_999)) == 999_999_999_999_999
    for damaged in (b"", bytes(7), bytes(9)):
        with pytest.raises(LedgerCorrupt):
            unpack_number(damaged)


def test_lock() -> None:
    """It names sender and set: order is nothing, everything else is."""
    lock = member_lock("+19195550000", (ANN, BOB))
    assert lock == member_lock("+19195550000", (BOB, ANN))
    assert len(lock) == 16
    others = [
        member_lock("+19195550001", (ANN, BOB)),
        member_lock("+19195550000", (ANN,)),
        member_lock("+19195550000", (ANN, BOB + 1)),
        member_lock("+1919555000", (ANN, BOB)),
    ]
    assert lock not in others
    assert "1919" not in lock


def test_chunk_of() -> None:
    """The chunk and the place in it."""
    assert chunk_of(0) == (0, 0)
    assert chunk_of(127) == (0, 127)
    assert chunk_of(128) == (1, 0)
    assert chunk_of(9_999_999) == (78124, 127)
