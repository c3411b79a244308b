"""Packing: any groups and any record come back, and damage never goes unseen."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dispatcher.errors import LedgerCorrupt
from dispatcher.ledger.codec import (
    CHUNK_GROUPS,
    Members,
    Record,
    chunk_of,
    in_chunks,
    member_lock,
    pack_chunk,
    unpack_chunk,
)
from dispatcher.ledger.states import GroupState

NUMBERS = st.integers(1_000_000, 999_999_999_999_999)
GROUPS = st.lists(NUMBERS, min_size=1, max_size=10).map(tuple)
CHUNKS = st.lists(GROUPS, max_size=CHUNK_GROUPS)
BYTE = st.integers(0, 255)
RECORDS = st.builds(
    Record,
    state=st.sampled_from(GroupState),
    attempts=BYTE,
    crashes=BYTE,
    flags=BYTE,
    dropped=st.integers(0, 0xFFFF),
    serial=st.integers(0, 0xFFFF_FFFF),
    gated_at=st.integers(0, 1 << 48).map(float),
    tail=st.text(max_size=60),
)


@given(CHUNKS)
def test_chunks_come_back(groups: list[Members]) -> None:
    """Packing and unpacking is the identity."""
    assert unpack_chunk(pack_chunk(groups)) == groups


@given(CHUNKS, st.data())
def test_a_cut_chunk_is_told(groups: list[Members], data: st.DataObject) -> None:
    """Fewer bytes than were written are never read as groups."""
    packed = pack_chunk(groups)
    cut = data.draw(st.integers(0, len(packed) - 1))
    try:
        unpack_chunk(packed[:cut])
    except LedgerCorrupt:
        return
    raise AssertionError("a cut chunk was read")


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    """Whatever is stored, it reads as groups or as damage; nothing else happens."""
    try:
        groups = unpack_chunk(data)
    except LedgerCorrupt:
        return
    assert len(groups) == int.from_bytes(data[2:4], "big")


@given(RECORDS)
def test_records_come_back(record: Record) -> None:
    """Packing and unpacking is the identity."""
    assert Record.unpack(record.pack()) == record


@given(st.binary(min_size=1, max_size=60))
def test_any_record(data: bytes) -> None:
    """Whatever is stored, it reads as a record or as damage."""
    try:
        record = Record.unpack(data)
    except LedgerCorrupt:
        return
    assert record.state in GroupState


@given(st.lists(GROUPS, max_size=400))
def test_chunks_lose_nothing(groups: list[Members]) -> None:
    """Cut into chunks, every group is where `chunk_of` says, in full chunks."""
    chunks = list(in_chunks(groups))
    assert all(len(chunk) == CHUNK_GROUPS for chunk in chunks[:-1])
    for number, group in enumerate(groups):
        chunk, place = chunk_of(number)
        assert chunks[chunk][place] == group
    assert sum(map(len, chunks)) == len(groups)


@given(st.sets(NUMBERS, min_size=1, max_size=10), st.randoms())
def test_lock_ignores_order(members: set[int], random: object) -> None:
    """The lock is of a set of people."""
    shuffled = list(members)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    lock = member_lock("+19195551212", tuple(members))
    assert lock == member_lock("+19195551212", tuple(shuffled))
    fewer = tuple(shuffled[1:])
    assert lock != member_lock("+19195551212", fewer)
