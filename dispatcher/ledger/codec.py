"""Packing of groups and records: bytes in, values out; no I/O.

A chunk holds the member numbers of up to `CHUNK_GROUPS` groups and never
changes once written. A record holds what happened to one group; Redis keeps
the records of a chunk as one small hash (a listpack), a few bytes a recipient.
"""

from __future__ import annotations

import hashlib
import struct
from binascii import b2a_base64
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from dispatcher.errors import LedgerCorrupt
from dispatcher.ledger.states import GroupState

#: Groups in a chunk. A hash of at most 128 fields stays a listpack under the
#: defaults of every server supported (hash-max-listpack-entries 128 or more).
CHUNK_GROUPS: Final = 128

Members = tuple[int, ...]

_VERSION: Final = 1
_HEADER: Final = struct.Struct(">BBH")  # version, bytes a number, groups
#: Where in a chunk the sizes of its groups begin, a byte each.
SIZES_AT: Final = _HEADER.size
#: Twelve digits and less fit in 5 bytes; E.164's fifteen fit in 7.
_NARROW, _WIDE = 5, 7

_NUMBER: Final = struct.Struct(">Q")

#: state, attempts, crashes, flags, dropped members (mask), serial, gate time (ms)
RECORD_FORMAT: Final = ">BBBBHId"
_RECORD: Final = struct.Struct(RECORD_FORMAT)
_NO_RECORD: Final = _RECORD.pack(0, 0, 0, 0, 0, 0, 0.0)


def in_chunks(groups: Iterable[Members]) -> Iterator[list[Members]]:
    """Cut a stream of groups into chunks."""
    chunk: list[Members] = []
    for group in groups:
        chunk.append(group)
        if len(chunk) == CHUNK_GROUPS:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def pack_chunk(groups: Sequence[Members]) -> bytes:
    """Pack the groups of one chunk.

    Args:
        groups: At most `CHUNK_GROUPS` groups of at most 255 E.164 numbers.
    """
    numbers = [number for group in groups for number in group]
    width = _NARROW if max(numbers, default=0) < 1 << (8 * _NARROW) else _WIDE
    sizes = bytes(map(len, groups))
    body = b"".join([number.to_bytes(width, "big") for number in numbers])
    return _HEADER.pack(_VERSION, width, len(groups)) + sizes + body


def unpack_chunk(data: bytes) -> list[Members]:
    """Undo `pack_chunk`.

    Raises:
        LedgerCorrupt: The bytes are not a whole chunk of a known version.
    """
    try:
        version, width, count = _HEADER.unpack_from(data)
    except struct.error:
        raise LedgerCorrupt("a chunk of groups is cut short") from None
    sizes = data[_HEADER.size : _HEADER.size + count]
    body = data[_HEADER.size + count :]
    known = version == _VERSION and width in (_NARROW, _WIDE)
    if not known or len(sizes) != count or len(body) != sum(sizes) * width:
        raise LedgerCorrupt("a chunk of groups is damaged or of a newer version")
    return _split(_numbers(body, width), sizes)


def _numbers(body: bytes, width: int) -> list[int]:
    return [
        int.from_bytes(body[at : at + width], "big")
        for at in range(0, len(body), width)
    ]


def _split(numbers: list[int], sizes: bytes) -> list[Members]:
    groups, start = [], 0
    for size in sizes:
        groups.append(tuple(numbers[start : start + size]))
        start += size
    return groups


@dataclass(frozen=True, slots=True)
class Record:
    """What the ledger knows of one group.

    Attributes:
        state: Where the group stands.
        attempts: Sends that count as an attempt (answered 500 by the provider).
        crashes: Claims that lapsed before the gate.
        flags: Bit 0: a further message id is kept (`extra`).
        dropped: Bit mask of members left out of the last send.
        serial: Number of the last HTTP write, or of one that lapsed unwritten.
        gated_at: Time of the last gate, ms since the epoch; 0 means never.
        tail: Claim token, message id or error code, as the state has it.
    """

    state: GroupState
    attempts: int
    crashes: int
    flags: int
    dropped: int
    serial: int
    gated_at: float
    tail: str

    @classmethod
    def unpack(cls, data: bytes | None) -> Record:
        """Read a stored record; None (never touched) reads as pending."""
        data = data or _NO_RECORD
        try:
            state, a, c, f, dropped, serial, gated_at = _RECORD.unpack_from(data)
            tail = data[_RECORD.size :].decode()
            return cls(GroupState(state), a, c, f, dropped, serial, gated_at, tail)
        except (struct.error, ValueError):
            raise LedgerCorrupt("a group's record is damaged") from None

    def pack(self) -> bytes:
        """The stored form."""
        head = (self.attempts, self.crashes, self.flags, self.dropped, self.serial)
        return _RECORD.pack(self.state, *head, self.gated_at) + self.tail.encode()


def pack_number(number: int) -> bytes:
    """A number as the lists of opted-out ones and the gate know it: 8 bytes."""
    return _NUMBER.pack(number)


def unpack_number(data: bytes) -> int:
    """Undo `pack_number`.

    Raises:
        LedgerCorrupt: The bytes are no number.
    """
    try:
        (number,) = _NUMBER.unpack(data)
    except struct.error:
        raise LedgerCorrupt("an opted-out number is damaged") from None
    return int(number)


def listed(members: Members) -> str:
    """The numbers of a group as the gate wants them: a text that it rarely reads."""
    return " ".join(map(str, members))


def member_lock(sender: str, members: Members) -> str:
    """The name of the (sender, recipient set) lock: 16 letters, no number in it."""
    text = f"{sender},{','.join(map(str, sorted(members)))}"
    digest = hashlib.blake2b(text.encode(), digest_size=12).digest()
    return b2a_base64(digest, newline=False).decode()


def keep(members: Members, dropped: int) -> Members:
    """The members without those that a bit mask drops."""
    if not dropped:
        return members
    return tuple(m for i, m in enumerate(members) if not dropped >> i & 1)


def chunk_of(group: int) -> tuple[int, int]:
    """The chunk a group is in and its place there."""
    return divmod(group, CHUNK_GROUPS)
