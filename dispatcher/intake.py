"""Intake: rows in, good numbers out, and the books on everything that stayed behind.

It judges numbers, takes out opted-out people and duplicates, and computes the digest of
what came in. It never drops a row without counting and telling it, and never holds more
than one batch of rows and a bitmap of the numbers seen.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec
from pyroaring import BitMap64

from dispatcher.numbers import DEFAULT_REGION, Reason, is_plain_nanp, normalise

if TYPE_CHECKING:
    from dispatcher.listrows import Row

#: Is told each row that gets no message: its line, why, and the value as written, cut
#: at `MAX_VALUE` characters.
Reject: TypeAlias = Callable[[int, Reason, str], None]

MAX_VALUE: Final = 64
#: Puts a good number and the zone written beside it into one int, or says why it can
#: get no message.
Place: TypeAlias = Callable[[int, str | None], int | Reason]

#: Rows that are judged at once: more is hardly faster and keeps more in memory. See
#: `_record` before changing it.
_BATCH: Final = 4096
_ENCODER: Final = msgspec.json.Encoder()


class Intake:
    """Iterates over (number, key) of every recipient to write to, in list order.

    With `place`, what it makes of a number stands instead of the number.

    Can be iterated once. At any moment
    `rows == accepted + rejected.total() + dropped.total()`.

    Attributes:
        rows: Rows read so far; up to a batch ahead of what was handed out.
        accepted: Recipients found good so far, likewise.
        rejected: Rows with a bad number, by reason.
        dropped: Rows with a good number left out on purpose, by reason.
    """

    def __init__(
        self,
        rows: Iterable[Row],
        *,
        region: str = DEFAULT_REGION,
        suppressed: Container[int] | BitMap64 = (),
        place: Place | None = None,
        reject: Reject | None = None,
    ) -> None:
        self.rows = 0
        self.accepted = 0
        self.rejected: Counter[Reason] = Counter()
        self.dropped: Counter[Reason] = Counter()
        self._region = region
        self._suppressed = suppressed
        self._place = place
        self._reject = reject
        self._seen = BitMap64()
        self._sha = hashlib.sha256()
        self._accepted = itertools.chain.from_iterable(
            map(self._take, _batches(iter(rows)))
        )

    def __iter__(self) -> Iterator[tuple[int, str | None]]:
        return self._accepted

    def digest(self) -> str:
        """Return the digest, in hex, of the rows read so far.

        It covers every row in order, whatever became of it: the number when there is
        one, else the value as written, and the key. So the same list has the same
        digest in any spelling and whoever has opted out meanwhile.
        """
        return self._sha.hexdigest()

    def _take(self, batch: list[Row]) -> list[tuple[int, str | None]]:
        region = self._region
        numbers = [
            int(value) if is_plain_nanp(value) else normalise(value, region)
            for _, value, _, _ in batch
        ]
        self._sha.update(_record(batch, numbers))
        if self._place is None:
            accepted = self._sift(batch, numbers)
        else:
            accepted = self._sift_placed(batch, numbers, self._place)
        self.rows += len(batch)
        self.accepted += len(accepted)
        return accepted

    def _sift(
        self, batch: list[Row], numbers: list[int | Reason]
    ) -> list[tuple[int, str | None]]:
        """Take out what gets no message. The hot loop: locals only."""
        suppressed, seen, add = self._suppressed, self._seen, self._seen.add
        accepted = []
        for row, number in zip(batch, numbers, strict=True):
            if isinstance(number, Reason):
                self._leave_out(row, number)
            elif number in suppressed:
                self._leave_out(row, Reason.OPTED_OUT)
            elif number in seen:
                self._leave_out(row, Reason.DUPLICATE)
            else:
                add(number)
                accepted.append((number, row[2]))
        return accepted

    def _sift_placed(
        self, batch: list[Row], numbers: list[int | Reason], place: Place
    ) -> list[tuple[int, str | None]]:
        """The same, with each number placed by its first row of the batch."""
        places: dict[int, int] = {}
        for at, (row, number) in enumerate(zip(batch, numbers, strict=True)):
            if isinstance(number, Reason) or number in places:
                continue
            placed = place(number, row.zone)
            if isinstance(placed, Reason):
                numbers[at] = placed
            else:
                places[number] = placed
        return [(places[number], key) for number, key in self._sift(batch, numbers)]

    def _leave_out(self, row: Row, reason: Reason) -> None:
        books = self.dropped if reason.dropped else self.rejected
        books[reason] += 1
        if self._reject is not None:
            self._reject(row.line, reason, row.value[:MAX_VALUE])


def _batches(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while batch := list(itertools.islice(rows, _BATCH)):
        yield batch


def _record(batch: list[Row], numbers: list[int | Reason]) -> bytes:
    """Write a batch for the digest: JSON, in which no value can pass for another.

    The form and `_BATCH` are part of every stored campaign's identity: after a change
    a repeated submit would be taken for other content.
    """
    values = [
        value if isinstance(number, Reason) else number
        for (_, value, _, _), number in zip(batch, numbers, strict=True)
    ]
    columns = [values, [row.key for row in batch]]
    zones = [row.zone for row in batch]
    if any(zone is not None for zone in zones):
        columns.append(zones)
    try:
        return _ENCODER.encode(columns)
    except UnicodeEncodeError:  # half a character, which only ASCII JSON can write
        return json.dumps(columns).encode()
