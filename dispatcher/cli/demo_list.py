"""The demo's sample list: fictional people, and what real lists are full of.

Every number is of the exchange 555, which belongs to nobody.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import count, cycle
from pathlib import Path
from typing import Final

_AREAS: Final = tuple(
    f"{first}{second}{third}"
    for first in range(2, 10)
    for second in range(9)
    for third in range(10)
    if (second, third) != (1, 1)
)
#: People whom the demo can invent.
MOST: Final = 10_000 * len(_AREAS)

#: Ways in which people write one number.
_SPELLINGS: Final = (
    "+1{}555{}",
    "({}) 555-{}",
    "{}-555-{}",
    "{}.555.{}",
    "1 {} 555 {}",
)
_BAD: Final = (
    "919-555-01",
    "call the office",
    "",
    "919-555-0199 ext. 4",
    "+999 555 0123",
    "919-555-0123 / 919-555-0124",
)
#: One row in so many is bad, one is somebody's second, and one has a number that our
#: rules allow and the provider refuses.
_BAD_EVERY, _TWICE_EVERY, _REFUSED_EVERY = 50, 60, 400
#: One row in so many, beginning with this one, is of somebody who has opted out.
_OPTED_OUT_EVERY, _FIRST_OPTED_OUT = 150, 70


def write_list(path: Path, rows: int) -> None:
    """Write a list of so many rows, the same for the same number."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("name", "phone"))
        writer.writerows(_rows(rows))


def opted_out(rows: int) -> list[str]:
    """The numbers in a list of so many rows whose people have opted out."""
    return [
        _opted_out(row) for row in range(_FIRST_OPTED_OUT, rows + 1, _OPTED_OUT_EVERY)
    ]


def _opted_out(row: int) -> str:
    # No area of the others' is like it.
    return f"(295) 555-{row // _OPTED_OUT_EVERY:04d}"


def _rows(rows: int) -> Iterator[tuple[str, str]]:
    bad = cycle(_BAD)
    numbers = (_number(place) for place in count())
    for row in range(1, rows + 1):
        yield f"Family {row}", _written(row, numbers, bad)


def _written(row: int, numbers: Iterator[str], bad: Iterator[str]) -> str:
    if not row % _BAD_EVERY:
        return next(bad)
    if not row % _TWICE_EVERY:
        return _number(row // _TWICE_EVERY, spelling=1)
    if not (row + 1) % _REFUSED_EVERY:
        return f"+49 30 {10 + row // _REFUSED_EVERY % 90}"
    if row % _OPTED_OUT_EVERY == _FIRST_OPTED_OUT:
        return _opted_out(row)
    return next(numbers)


def _number(person: int, spelling: int | None = None) -> str:
    line, area = divmod(person, len(_AREAS))
    spelling = person % len(_SPELLINGS) if spelling is None else spelling
    return _SPELLINGS[spelling].format(_AREAS[area], f"{line:04d}")
