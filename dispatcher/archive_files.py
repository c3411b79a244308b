"""The files of one archived campaign: written, counted, on the disk.

A row a group, a row a recipient, and a small JSON with everything else; that one comes
last, so that files without it are no archive yet. Nothing here changes the ledger.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from dispatcher import books, results
from dispatcher.errors import Refused
from dispatcher.exports import FORMATS, By, Row, remove_drafts, whole_file
from dispatcher.ledger.ledger import Ledger
from dispatcher.ledger.rows import CampaignRow
from dispatcher.results import GroupResult, RecipientResult


class Differs(Exception):
    """What was written is not what the ledger's counters say; no file was kept."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the files go.

    Attributes:
        format: A name of `exports.FORMATS`.
    """

    directory: Path
    id: str
    format: str

    @property
    def facts(self) -> Path:
        """What was counted, and the message."""
        return self.directory / f"{self.id}.json"

    @property
    def groups(self) -> Path:
        """A row a group."""
        return self.directory / f"{self.id}-groups.{self.format}"

    @property
    def recipients(self) -> Path:
        """A row a recipient."""
        return self.directory / f"{self.id}-recipients.{self.format}"

    def prepare(self, load: str) -> None:
        """Make the directory, and clear away what a crash left.

        Args:
            load: The nonce of the campaign's list, which no other campaign has.

        Raises:
            Refused: Another campaign of that id was archived there.
            OSError: It cannot be made.
        """
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self.facts.exists() and _load_of(self.facts) != load:
            raise Refused(
                f"{self.facts} is of another campaign of that id: choose another place"
            )
        for path in (self.facts, self.groups, self.recipients):
            remove_drafts(path)


def _load_of(facts: Path) -> object:
    try:
        return json.loads(facts.read_text("utf-8")).get("load")
    except (ValueError, AttributeError):
        return None


class Export:
    """One campaign on its way into files.

    Args:
        row: As it was read; what is written must agree with its counters.
    """

    def __init__(self, ledger: Ledger, row: CampaignRow, place: Place) -> None:
        self._ledger = ledger
        self._row = row
        self._place = place
        self._format = FORMATS[place.format]

    def write(self) -> dict[By, int]:
        """Write all files; how many rows of which kind.

        Raises:
            Differs: They are not what the counters say, or the books do not balance.
            Refused: Files of another campaign are there.
            OSError: They cannot be written.
        """
        ledger, row, place = self._ledger, self._row, self._place
        place.prepare(row.load)
        found = books.verify(ledger, row.id)
        _must(found.balanced)
        rows: dict[By, int] = {"group": row.groups, "recipient": found.members}
        states = {state.word: n for state, n in row.counts.items()}
        self._table("group", place.groups, results.by_group(ledger, row), states)
        ends = {state.word: n for state, n in row.delivery.items()}
        people = results.by_recipient(ledger, row)
        self._table("recipient", place.recipients, people, ends, found.members)
        with whole_file(place.facts) as file:
            json.dump(self._facts(rows), file, ensure_ascii=False, indent=1)
        return rows

    def _facts(self, rows: Mapping[By, int]) -> dict[str, Any]:
        """Everything that is known besides groups and recipients."""
        ledger, row, place = self._ledger, self._row, self._place
        names = {place.groups.name: rows["group"]}
        names[place.recipients.name] = rows["recipient"]
        return {
            **results.progress(row, ledger.now_ms()).as_row(),
            "campaign": json.loads(row.spec or "{}"),
            "errors": ledger.error_counts(row),
            "further_message_ids": ledger.extra_ids(row),
            "content": row.content,
            "load": row.load,
            "exported_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "rows": names,
        }

    def _table(
        self,
        by: By,
        path: Path,
        found: Iterable[GroupResult] | Iterable[RecipientResult],
        expected: Mapping[str, int],
        total: int | None = None,
    ) -> None:
        """Write one file; it takes its name when it has what the counters say."""
        told: Counter[str] = Counter()
        column = "state" if by == "group" else "delivery"
        total = sum(expected.values()) if total is None else total
        with whole_file(path, binary=self._format.binary) as file:
            rows = _told((result.as_row() for result in found), column, told)
            written = self._format.write(rows, file, by)
            _must(written == total and told == Counter(expected))
            self._read_again(file, written)

    def _read_again(self, file: IO[Any], written: int) -> None:
        file.flush()
        _must(self._format.count(Path(file.name)) == written)


def _told(rows: Iterable[Row], column: str, told: Counter[str]) -> Iterator[Row]:
    """The rows, counted by a column as they go by; nothing in it counts nowhere."""
    for row in rows:
        if row[column] is not None:
            told[row[column]] += 1
        yield row


def _must(agrees: bool) -> None:  # noqa: FBT001 - as an assertion
    if not agrees:
        raise Differs
