"""Turns the lines of a list into rows, in whichever of four ways it is written.

CSV (comma, semicolon or tab), JSON lines, or one number a line; the first line that is
not blank decides. It judges no number, drops no row, and holds one row at a time.
"""

from __future__ import annotations

import csv
import itertools
import re
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from dispatcher.columns import find_columns
from dispatcher.errors import ListError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Row(NamedTuple):
    """One recipient as it was written.

    Attributes:
        line: The line of the list that the row starts on, from 1.
        value: The number as written.
        key: What the recipient is grouped by; empty means that nobody shares it,
            `None` that nothing is grouped.
        zone: The person's time zone as written; else the number tells it.
    """

    line: int
    value: str
    key: str | None = None
    zone: str | None = None

    def __repr__(self) -> str:
        """Where it stands, not what: the value is a phone number."""
        return f"Row(line={self.line})"


class Wanted(NamedTuple):
    """The columns that were asked for; see `find_columns`."""

    column: str | int | None = None
    group_by: str | None = None
    zone: str | None = None


_JSON: Final = msgspec.json.Decoder()
_TO_JSON: Final = msgspec.json.Encoder()
_DELIMITERS: Final = "\t;,"
_QUOTED: Final = re.compile(r'"[^"]*(?:"|$)')


def rows_of(lines: Iterable[str], wanted: Wanted) -> Iterator[Row]:
    """Read rows; blank lines are none.

    Args:
        lines: Lines with their line breaks.
        wanted: The columns asked for.

    Raises:
        ListError: The way it is written, or its columns, cannot be made out.
    """
    lines = iter(lines)
    for line, first in enumerate(lines, 1):
        if first.strip():
            return _reader(first, itertools.chain([first], lines), line, wanted)
    return iter(())


def _reader(
    first: str, lines: Iterator[str], line: int, wanted: Wanted
) -> Iterator[Row]:
    """Choose by the first line; `line` is its place in the list."""
    start = first.lstrip()
    if start.startswith("{"):
        return _json_rows(lines, line, wanted)
    if start.startswith("["):
        raise ListError(
            "the list is one JSON array; write one object a line (JSON lines)"
        )
    delimiter = _delimiter(first)
    if delimiter or start.startswith('"'):
        return _csv_rows(lines, line, wanted, delimiter or ",")
    return _plain_rows(lines, line, wanted)


def _delimiter(first: str) -> str | None:
    """Return the separator that occurs most outside quotes, if any does."""
    bare = _QUOTED.sub("", first)
    best = max(_DELIMITERS, key=bare.count)
    return best if best in bare else None


def _plain_rows(lines: Iterator[str], line: int, wanted: Wanted) -> Iterator[Row]:
    first = next(lines).strip()
    columns = find_columns([first], *wanted)
    grouped = columns.key is not None
    if not columns.header:
        yield Row(line, first, first if grouped else None)
    for at, text in enumerate(lines, line + 1):
        value = text.strip()
        if value:
            yield Row(at, value, value if grouped else None)


def _csv_rows(
    lines: Iterator[str], line: int, wanted: Wanted, delimiter: str
) -> Iterator[Row]:
    # Strict, because a quote that is never closed would swallow rows without a word.
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    at = line
    try:
        number, key, zone, header = find_columns(first := next(reader), *wanted)
        if not header:
            yield Row(at, first[number], _cell(first, key), _cell(first, zone))
        at = line + reader.line_num
        for cells in reader:
            value = cells[number] if number < len(cells) else ""
            if value.strip() or "".join(cells).strip():
                yield Row(at, value, _cell(cells, key), _cell(cells, zone))
            at = line + reader.line_num
    except csv.Error:
        raise ListError(
            f"the quotes of the row on line {at} do not match; mend that row"
        ) from None


def _cell(cells: list[str], column: int | None) -> str | None:
    if column is None:
        return None
    return cells[column].strip() if column < len(cells) else ""


def _json_rows(lines: Iterator[str], line: int, wanted: Wanted) -> Iterator[Row]:
    number, key, zone = None, None, None
    for at, text in enumerate(lines, line):
        if not text.strip():
            continue
        item = _decoded(text)
        if not isinstance(item, dict):
            yield Row(at, _written(item), None if wanted.group_by is None else "")
            continue
        if number is None:
            number, key, zone = _keys(item, wanted)
        value = _written(item.get(number))
        yield Row(at, value, _value(item, key), _value(item, zone))


def _value(item: dict[str, object], name: str | None) -> str | None:
    return None if name is None else _written(item.get(name)).strip()


def _decoded(text: str) -> object:
    """Read one line; one that is not JSON is told as the bad row that it is."""
    try:
        return _JSON.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text.strip()


def _keys(
    item: dict[str, object], wanted: Wanted
) -> tuple[str, str | None, str | None]:
    """Find the names of number, group and time zone in the first object."""
    names = list(item)
    number, key, zone, _ = find_columns(names, *wanted, named=True)
    return (
        names[number],
        None if key is None else names[key],
        None if zone is None else names[zone],
    )


def _written(value: object) -> str:
    """Write a JSON value as a person would have typed it into a list."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return _TO_JSON.encode(value).decode()
