"""Archived campaigns: how one becomes a tombstone, and how its memory is given back.

The first is one atomic step (bury.lua), after which nothing finds the campaign's groups
any more. The second is many small ones, each short for Redis; it may stop anywhere and
be done again. Nothing here looks whether there is an export.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, Literal, TypeVar, cast

import redis

from dispatcher.ledger import connection
from dispatcher.ledger.keys import PATTERNS, PREFIX, key
from dispatcher.ledger.rows import CampaignRow
from dispatcher.ledger.scripts import Argument, Call

T = TypeVar("T")

#: Names in one command: Redis unlinks as many in less than a millisecond, and frees
#: what is large in a thread of its own.
BATCH: Final = 200
#: Entries of an index looked at in one step.
PAGE: Final = 1000
#: Indexes whose entries begin with the campaign's id.
_INDEXES: Final = ("awaiting", "unknown", "doubts")

_BY_LOAD: Final = [n for n, p in PATTERNS.items() if p.startswith(PREFIX + "%s:")]

Burial = Literal["buried", "gone", "open", "changed"]


@dataclass(frozen=True, slots=True)
class Grave:
    """What is left of an archived campaign besides its tombstone.

    Attributes:
        load: The nonce of its list.
        id: The campaign's id.
        chunks: How many chunks its list has.
    """

    load: str
    id: str
    chunks: int

    def names(self) -> Iterator[str]:
        """Every key that only this campaign's list has."""
        for name in _BY_LOAD:
            if "%d" not in PATTERNS[name]:
                yield key(name, self.load)
        for chunk in range(self.chunks):
            for name in _BY_LOAD:
                if "%d" in PATTERNS[name]:
                    yield key(name, self.load, chunk)


def bury(row: CampaignRow, where: str) -> Call[Burial]:
    """Make a tombstone of a campaign, if it is over and still as in this row."""
    arguments: list[Argument] = [row.id, row.load, where]
    for field, value in _numbers(row):
        arguments += (field, value)
    return Call("bury", arguments, _read)


def _read(reply: bytes) -> Burial:
    return cast("Burial", reply.decode())


def _numbers(row: CampaignRow) -> Iterator[tuple[str, int]]:
    """What changes with anything that happens to a group or a recipient."""
    yield from ((state.word, n) for state, n in row.counts.items())
    yield from ((state.counter, n) for state, n in row.delivery.items())
    yield from (("gated_units", row.gated_units), ("doubled", row.doubled))


class Graves:
    """The part of `Ledger` that gives back what archived campaigns took up."""

    _redis: redis.Redis

    def graves(self) -> list[Grave]:
        """Archived campaigns of which something is left besides the tombstone."""
        with connection.faults():
            raw: Any = self._redis.hgetall(key("graves"))
        return [_grave(load, told) for load, told in raw.items()]

    def clear(self, grave: Grave) -> None:
        """Remove what is left of an archived campaign, but for its tombstone."""
        with connection.faults():
            for names in _batches(grave.names()):
                self._redis.unlink(*names)
            for index in _INDEXES:
                self._strike(key(index), f"{grave.id}|*")
            self._redis.hdel(key("graves"), grave.load)

    def _strike(self, index: str, pattern: str) -> None:
        entries = self._redis.zscan_iter(index, match=pattern, count=PAGE)
        for names in _batches(name for name, _ in entries):
            self._redis.zrem(index, *names)

    def entries(self, index: str, id: str) -> int:  # noqa: A002 - the public word for it
        """How many entries of an index are a campaign's."""
        with connection.faults():
            found = self._redis.zscan_iter(key(index), match=f"{id}|*", count=PAGE)
            return len({name for name, _ in found})


def _grave(load: bytes, told: bytes) -> Grave:
    id_, chunks = told.decode().split(" ")
    return Grave(load.decode(), id_, int(chunks))


def _batches(names: Iterable[T]) -> Iterator[list[T]]:
    stream = iter(names)
    while batch := list(islice(stream, BATCH)):
        yield batch
