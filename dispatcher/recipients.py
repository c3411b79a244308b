"""Recipients: a list of people to write to, read row by row from wherever it is.

Reading is all that happens here. Which numbers are good is `intake`'s business; memory
never grows with the list.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from dispatcher.errors import InvalidInput, ListError
from dispatcher.listfile import STDIN, Source, name_of, open_lines
from dispatcher.listrows import Row, Wanted, rows_of
from dispatcher.numbers import DEFAULT_REGION, check_region

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Recipients", "Row", "as_rows", "read_recipients"]


class Recipients:
    """The rows of a list, in its order.

    A list in a file can be iterated again and is then read again; a stream (standard
    input, a pipe, a file object) only once.

    Attributes:
        region: The country of numbers written without a country code.
        grouped: Whether the rows carry keys to group by.
        zoned: Whether the rows carry time zones.
        rereadable: Whether it can be iterated again.
    """

    def __init__(self, source: Source, wanted: Wanted, region: str) -> None:
        self.region = region
        self.grouped = wanted.group_by is not None
        self.zoned = wanted.zone is not None
        self.rereadable = _is_rereadable(source)
        self._source = source
        self._wanted = wanted
        self._used = False

    def __iter__(self) -> Iterator[Row]:
        """Read the list.

        Raises:
            ListError: It cannot be read, or has no row.
        """
        if self._used and not self.rereadable:
            raise ListError(f"{name_of(self._source)} can be read only once")
        self._used = True
        with open_lines(self._source) as lines:
            rows = rows_of(lines, self._wanted)
            if (first := next(rows, None)) is None:
                raise ListError(f"{name_of(self._source)} is empty: it has no row")
            yield first
            yield from rows


def read_recipients(
    source: Source,
    *,
    column: str | int | None = None,
    group_by: str | None = None,
    zone_column: str | None = None,
    region: str = DEFAULT_REGION,
) -> Recipients:
    """Read a list: CSV, TSV, JSON lines or one number a line; gzip is unpacked.

    A wrong path or column is told at once when the list is a file, and when reading
    begins when it is a stream.

    Args:
        source: A path, `-` for standard input, or a file opened in binary mode.
        column: The column of the number, by name or counted from 1. Else it is the one
            called phone, phone_number, number, mobile, cell, msisdn or to, in any
            case, or the only one there is.
        group_by: The column whose equal values put people into one group.
        zone_column: The column of a person's time zone (`America/New_York`), for
            campaigns with sending hours. Else the number tells it.
        region: Two letters, the country of numbers without a country code.

    Raises:
        ListError: The list cannot be read, or a column is not there.
        InvalidInput: The region is unknown.
    """
    wanted = Wanted(column, group_by, zone_column)
    recipients = Recipients(source, wanted, check_region(region))
    if recipients.rereadable:
        next(iter(recipients))
    return recipients


def as_rows(items: Iterable[str | Row]) -> Iterator[Row]:
    """Make rows of anything that can be submitted.

    Args:
        items: Written numbers, or rows, which pass as they are.

    Raises:
        InvalidInput: It is one string, or an item is neither string nor row.
    """
    if isinstance(items, str | bytes):
        raise InvalidInput("the recipients are one string: pass a list of strings")
    if isinstance(items, Recipients):
        return iter(items)
    return _rows(items)


def _rows(items: Iterable[str | Row]) -> Iterator[Row]:
    for line, item in enumerate(items, 1):
        if isinstance(item, Row):
            yield item
        elif isinstance(item, str):
            yield Row(line, item)
        else:
            raise InvalidInput(
                f"recipient {line} is of type {type(item).__name__}: "
                "pass numbers as strings"
            )


def _is_rereadable(source: Source) -> bool:
    """Streams have paths too: a named pipe, /dev/stdin."""
    if not isinstance(source, str | os.PathLike) or source == STDIN:
        return False
    path = Path(source)
    return path.is_file() or path.is_dir() or not path.exists()
