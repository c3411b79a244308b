"""Opted-out people, as users of the library see them: who gets nothing any more.

`Suppressor` is the part of `Dispatcher` that keeps them. The lists themselves are the
ledger's (`ledger/suppressions.py`), where the gate looks at them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final

from pyroaring import BitMap64

from dispatcher.errors import InvalidInput
from dispatcher.ledger import suppressions
from dispatcher.ledger.ledger import Ledger
from dispatcher.ledger.suppressions import ALL, BATCH, Entry, Source
from dispatcher.numbers import DEFAULT_REGION, Reason, check_region, e164, normalise
from dispatcher.recipients import as_rows

_SENDER: Final = re.compile(r"\+[1-9][0-9]{6,14}")


@dataclass(frozen=True, slots=True)
class Suppression:
    """One opted-out person.

    Attributes:
        number: Their number, E.164.
        scope: `all`, or the only sender (E.164) that may not write to them.
        source: `stop` (they wrote so), `code` (the provider refused a message because
            they had opted out), `hand` or `import` (you entered it).
        since: When.
    """

    number: str = field(repr=False)
    scope: str = field(repr=False)
    source: str
    since: datetime

    def as_row(self) -> dict[str, Any]:
        """The form of CSV exports."""
        return {
            "number": self.number,
            "scope": self.scope,
            "source": self.source,
            "since": self.since.isoformat(),
        }


class Suppressor:
    """Keeps the lists of people who get nothing any more."""

    ledger: Ledger

    def suppress(
        self,
        numbers: Iterable[str],
        sender: str | None = None,
        *,
        region: str = DEFAULT_REGION,
    ) -> int:
        """Send these people nothing any more, from the next group on.

        They are left out of campaigns submitted from now on. In those that run, no
        group that has not yet been let through to the provider goes to them.

        Args:
            numbers: Written in any usual way.
            sender: Only this sender (E.164) may not write to them; None: nobody may.
            region: Country of numbers without a country code.

        Returns:
            How many were not on that list before.

        Raises:
            InvalidInput: One is no phone number; nothing was stored.
            LedgerError: Redis cannot take them; some may be stored.
        """
        scope, known = scope_of(sender), _all_good(numbers, region)
        entries = ((scope, Entry(number, Source.HAND)) for number in known)
        return self.store_suppressions(entries)

    def unsuppress(
        self,
        numbers: Iterable[str],
        sender: str | None = None,
        *,
        region: str = DEFAULT_REGION,
    ) -> int:
        """Take people off a list, whoever put them there.

        Do it only for people who agreed to get messages again. Whom a campaign has
        left out already stays left out of that one.

        Args:
            numbers: Written in any usual way.
            sender: From the list of this sender; None: from that of all senders.
            region: Country of numbers without a country code.

        Returns:
            How many were on it.

        Raises:
            InvalidInput: One is no phone number; nothing was changed.
            LedgerError: Redis cannot serve; some may be removed.
        """
        scope, left = scope_of(sender), iter(_all_good(numbers, region))
        removed = 0
        while batch := list(islice(left, BATCH)):
            removed += self.ledger.run(suppressions.remove(batch, scope))
        return removed

    def suppressed(self, sender: str | None = None) -> Iterator[Suppression]:
        """People who get nothing any more; streamed, in no order.

        Args:
            sender: Only those whom this sender may not write to; None: all lists.
        """
        return (
            _suppression(scope, entry)
            for scope in self._scopes(sender)
            for entry in suppressions.entries(self.ledger, scope)
        )

    def suppressed_count(self, sender: str | None = None) -> int:
        """How many entries `suppressed` has."""
        scopes = self._scopes(sender)
        return sum(suppressions.count(self.ledger, scope) for scope in scopes)

    def _scopes(self, sender: str | None) -> Iterable[str]:
        if sender is None:
            return suppressions.scopes(self.ledger)
        return suppressions.scopes_of(scope_of(sender))

    def store_suppressions(self, entries: Iterable[tuple[str, Entry]]) -> int:
        """Store (scope, entry) pairs, such as an `OptOutList`; how many were new.

        Raises:
            LedgerError: Redis cannot take them; some may be stored.
        """
        waiting: dict[str, list[Entry]] = {}
        added = 0
        for scope, entry in entries:
            batch = waiting.setdefault(scope, [])
            batch.append(entry)
            if len(batch) == BATCH:
                added += self.ledger.run(suppressions.add(waiting.pop(scope), scope))
        for scope, batch in waiting.items():
            added += self.ledger.run(suppressions.add(batch, scope))
        return added


def scope_of(sender: str | None) -> str:
    """The scope of a sender's own list; that of all if there is none.

    Raises:
        InvalidInput: It is no sender.
    """
    if sender is None:
        return ALL
    if not _SENDER.fullmatch(sender):
        raise InvalidInput(
            "sender: write the number in E.164 form, a plus sign and then the "
            "country code, such as +19195551212"
        )
    return sender


def _all_good(numbers: Iterable[str], region: str) -> BitMap64:
    """All of them read, in a few bytes each, before anything is done with one."""
    region = check_region(region)
    good = BitMap64()
    for row in as_rows(numbers):
        number = normalise(row.value, region)
        if isinstance(number, Reason):
            raise InvalidInput(f"number {row.line}: {number.explanation}")
        good.add(number)
    return good


def _suppression(scope: str, entry: Entry) -> Suppression:
    since = datetime.fromtimestamp((entry.since or 0) / 1000, UTC)
    return Suppression(e164(entry.number), scope, entry.source.value, since)
