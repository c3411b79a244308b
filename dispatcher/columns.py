"""Which column of a list holds the number, and whether its first line is a header.

Looks at one row and decides once for the whole list. It never shows what may be
somebody's number or name: columns are listed only when they are those of a header.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from dispatcher.errors import ColumnError

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Names of a column of numbers, any case, in the order people are told them.
KNOWN: Final = ("phone", "phone_number", "number", "mobile", "cell", "msisdn", "to")

_DIGIT: Final = re.compile(r"\d")
_LETTER: Final = re.compile(r"[^\W\d_]")
#: Digits from which on a cell is taken for data even with letters beside them.
_MANY_DIGITS: Final = 5
_CHOOSE: Final = "choose one with --column"


class Columns(NamedTuple):
    """Where things are, counted from 0.

    Attributes:
        number: The column of the phone number.
        key: The column to group by, if any.
        zone: The column of the time zone, if any.
        header: Whether the first row names the columns.
    """

    number: int
    key: int | None
    zone: int | None
    header: bool


def find_columns(
    first: Sequence[str],
    column: str | int | None,
    group_by: str | None,
    zone: str | None = None,
    *,
    named: bool = False,
) -> Columns:
    """Decide from the first row.

    It is a header when it has a name that was asked for, a name of `KNOWN`, or no cell
    that looks like data.

    Args:
        first: The cells of the first row.
        column: The column of the number, by name or counted from 1.
        group_by: The column to group by, likewise.
        zone: The column of the time zone, likewise.
        named: The cells are names for sure (keys of a JSON object).

    Raises:
        ColumnError: A column is not there, or there are several to choose from.
    """
    names = [cell.strip() for cell in first]
    asked = {wanted for wanted in (column, group_by, zone) if isinstance(wanted, str)}
    header = named or _is_header(names, asked)
    if column is None:
        number = _only(names, header=header)
    else:
        number = _asked(names, column, header=header)
    key, place = (
        None if wanted is None else _asked(names, wanted, header=header)
        for wanted in (group_by, zone)
    )
    return Columns(number, key, place, header)


def _is_header(names: list[str], asked: set[str]) -> bool:
    known = {name.casefold() for name in (*KNOWN, *asked)}
    if any(name.casefold() in known for name in names):
        return True
    return not any(map(_looks_like_data, names))


def _looks_like_data(cell: str) -> bool:
    digits = len(_DIGIT.findall(cell))
    return digits >= _MANY_DIGITS or (digits > 0 and not _LETTER.search(cell))


def _only(names: list[str], *, header: bool) -> int:
    """Find the number's column when nobody named it."""
    known = [i for i, name in enumerate(names) if name.casefold() in KNOWN]
    filled = [i for i, name in enumerate(names) if name]
    found = known if header and known else filled
    if len(found) == 1:
        return found[0]
    if not header:
        raise ColumnError(
            f"the list has no header and {len(names)} columns; "
            "say which one holds the number, such as --column 1"
        )
    shown = ", ".join(names[i] for i in found)
    if known:
        raise ColumnError(f"several columns may hold the number ({shown}); {_CHOOSE}")
    raise ColumnError(
        f"no column is called {', '.join(KNOWN[:-1])} or {KNOWN[-1]}; "
        f"the columns are {shown}; {_CHOOSE}"
    )


def _asked(names: list[str], wanted: str | int, *, header: bool) -> int:
    """Find the column that somebody named, or counted from 1."""
    text = str(wanted).strip()
    if header and isinstance(wanted, str):
        same = [i for i, name in enumerate(names) if name == text]
        same = same or [
            i for i, name in enumerate(names) if name.casefold() == text.casefold()
        ]
        if len(same) == 1:
            return same[0]
        if same:
            raise ColumnError(
                f"{len(same)} columns are called {text}; give the column's number"
            )
    if text.isascii() and text.isdigit() and 1 <= int(text) <= len(names):
        return int(text) - 1
    raise ColumnError(_missing(names, text, header=header))


def _missing(names: list[str], wanted: str, *, header: bool) -> str:
    if header:
        return f"there is no column {wanted}; the columns are {', '.join(names)}"
    return (
        f"there is no column {wanted}: the list has no header; "
        f"give a number from 1 to {len(names)}"
    )
