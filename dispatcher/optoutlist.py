"""Reads a file of opted-out people: any list that `submit` reads, or an export.

An export of ours says more than numbers: for whom each entry holds, why and since when;
all of that is kept. It stores nothing.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import chain
from typing import Final

from dispatcher.errors import InvalidInput, ListError
from dispatcher.intake import MAX_VALUE, Intake, Reject
from dispatcher.ledger.suppressions import ALL, Entry, Source
from dispatcher.listfile import Source as File
from dispatcher.listfile import name_of, open_lines
from dispatcher.listrows import Wanted, rows_of
from dispatcher.numbers import DEFAULT_REGION, Reason, check_region, normalise
from dispatcher.suppression import scope_of

#: The columns of an export, which tell one from any other list.
COLUMNS: Final = ("number", "scope", "source", "since")


class OptOutList:
    """Iterates over (scope, entry) of everybody in the file; once.

    When it has ended, `rows == accepted + rejected.total() + dropped.total()`.

    Args:
        file: A path, `-` for standard input, or a file opened in binary mode.
        column: The column of the number, by name or counted from 1.
        region: Two letters, the country of numbers without a country code.
        sender: For which sender they hold; None: for all, or as an export says.
        reject: Told each row that is left out: line, reason, value.

    Attributes:
        rows: Rows read.
        accepted: Opted-out people found.
        rejected: Rows with a bad number, by reason.
        dropped: Rows with a number that was in an earlier one (not of an export).

    Raises:
        InvalidInput: The region or the sender cannot be one.
        ListError: While iterating: the file cannot be read, or has no row.
    """

    def __init__(
        self,
        file: File,
        *,
        column: str | int | None = None,
        region: str = DEFAULT_REGION,
        sender: str | None = None,
        reject: Reject | None = None,
    ) -> None:
        self.rows = 0
        self.accepted = 0
        self.rejected: Counter[Reason] = Counter()
        self.dropped: Counter[Reason] = Counter()
        self._file = file
        self._column = column
        self._region = check_region(region)
        self._scope = None if sender is None else scope_of(sender)
        self._reject = reject

    def __iter__(self) -> Iterator[tuple[str, Entry]]:
        with open_lines(self._file) as lines:
            first = next(lines, "")
            is_export = tuple(first.strip().split(",")) == COLUMNS
            read = self._read_export if is_export else self._read_numbers
            yield from read(chain([first], lines))
        if not self.rows:
            raise ListError(f"{name_of(self._file)} is empty: it has no row")

    def _read_numbers(self, lines: Iterable[str]) -> Iterator[tuple[str, Entry]]:
        rows = rows_of(lines, Wanted(self._column))
        intake = Intake(rows, region=self._region, reject=self._reject)
        self.rejected, self.dropped = intake.rejected, intake.dropped
        for number, _ in intake:
            yield self._scope or ALL, Entry(number, Source.IMPORT)
        self.rows, self.accepted = intake.rows, intake.accepted

    def _read_export(self, lines: Iterable[str]) -> Iterator[tuple[str, Entry]]:
        reader = csv.DictReader(lines)
        for row in self._whole(reader):
            self.rows += 1
            number = normalise(row["number"] or "", self._region)
            if isinstance(number, Reason):
                self._leave_out(reader.line_num, number, row["number"] or "")
                continue
            self.accepted += 1
            yield self._entry(reader.line_num, number, row)

    def _whole(self, rows: Iterable[dict[str, str]]) -> Iterator[dict[str, str]]:
        try:
            yield from rows
        except csv.Error:
            raise ListError(f"{name_of(self._file)} is no whole CSV file") from None

    def _leave_out(self, line: int, reason: Reason, value: str) -> None:
        self.rejected[reason] += 1
        if self._reject is not None:
            self._reject(line, reason, value[:MAX_VALUE])

    def _entry(self, line: int, number: int, row: dict[str, str]) -> tuple[str, Entry]:
        try:
            scope = row["scope"] if row["scope"] == ALL else scope_of(row["scope"])
            since = datetime.fromisoformat(row["since"]).timestamp() * 1000
            return self._scope or scope, Entry(number, Source(row["source"]), since)
        except (InvalidInput, TypeError, ValueError, OverflowError):
            raise ListError(
                f"line {line} of {name_of(self._file)} is damaged: an export of "
                f"opted-out numbers has {', '.join(COLUMNS)}"
            ) from None
