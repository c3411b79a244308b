"""Opted-out numbers in the ledger: who gets nothing any more, and from whom.

A list belongs to a scope: `ALL` senders, or one sender in E.164. `add`, `remove` and
`opt_in` are calls like those of `calls.py`, one atomic script each; whatever reads a
whole list reads it in pages, for it may hold millions. Numbers are the ints of
`numbers.py`; times are milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from pyroaring import BitMap64

from dispatcher.errors import LedgerCorrupt
from dispatcher.ledger.codec import pack_number, unpack_number
from dispatcher.ledger.keys import key
from dispatcher.ledger.ledger import Ledger
from dispatcher.ledger.scripts import Argument, Call

#: The scope of those who get nothing from any sender.
ALL: Final = "all"
#: Numbers in one call, so that Redis is never busy for long.
BATCH: Final = 1000


class Source(StrEnum):
    """How a number came onto a list; stored, so the words never change."""

    STOP = "stop"  # the person wrote so
    CODE = "code"  # the provider refused a message because the person had opted out
    HAND = "hand"  # somebody of ours entered it
    IMPORT = "import"  # it came with a list of ours


@dataclass(frozen=True, slots=True)
class Entry:
    """One opted-out number.

    Attributes:
        since: When the person opted out; None: now, by the ledger's clock.
    """

    number: int = field(repr=False)
    source: Source
    since: float | None = None


def add(entries: Iterable[Entry], scope: str = ALL) -> Call[int]:
    """Store at most `BATCH` opt-outs; how many numbers were not in the scope before.

    What is there stays; but an entry of ours (hand, import) replaces a person's own
    (stop, code). A person's opt-out older than their last `opt_in` is void.
    """
    arguments: list[Argument] = [scope]
    for entry in entries:
        arguments += (pack_number(entry.number), entry.source, _ms(entry.since))
    return Call("suppress", arguments, int)


def remove(numbers: Iterable[int], scope: str = ALL) -> Call[int]:
    """Take at most `BATCH` numbers off a list, whoever put them there; how many."""
    return Call("unsuppress", [scope, *map(pack_number, numbers)], int)


def opt_in(
    numbers: Iterable[int], *, sender: str | None = None, at: float | None = None
) -> Call[int]:
    """Take back people's own opt-outs (stop, code); how many entries that were.

    Entries of ours (hand, import) stay.

    Args:
        numbers: Who wrote START; at most `BATCH`.
        sender: The number they wrote it to: its list, too, besides that of all.
        at: When they wrote it; None: now, by the ledger's clock.
    """
    arguments: list[Argument] = [_ms(at), sender or ""]
    return Call("opt_in", [*arguments, *map(pack_number, numbers)], int)


def _ms(moment: float | None) -> Argument:
    return "" if moment is None else int(moment)


# -- reading -------------------------------------------------------------------


def scopes(ledger: Ledger) -> list[str]:
    """The scopes that have a list, that of all senders first."""
    return sorted(ledger.members_of(key("scopes")), key=lambda scope: scope != ALL)


def scopes_of(sender: str | None) -> tuple[str, ...]:
    """The scopes that bind a sender."""
    return (ALL,) if sender is None else (ALL, sender)


def entries(ledger: Ledger, scope: str = ALL) -> Iterator[Entry]:
    """Every entry of a scope, streamed, in no order.

    What is added or removed meanwhile may be missed; nothing else is, or comes twice.
    """
    seen = BitMap64()
    for field_, value in ledger.pages_of(key("suppressed", scope)):
        number = unpack_number(field_)
        if number not in seen:
            seen.add(number)
            yield _entry(number, value)


def _entry(number: int, value: bytes) -> Entry:
    source, _, since = value.decode("ascii", "replace").partition("|")
    try:
        return Entry(number, Source(source), float(since))
    except ValueError:
        raise LedgerCorrupt("an opted-out number's entry is damaged") from None


def count(ledger: Ledger, scope: str = ALL) -> int:
    """How many numbers a scope holds."""
    return ledger.size_of(key("suppressed", scope))


def snapshot(ledger: Ledger, sender: str) -> BitMap64:
    """Everybody whom this sender may not write to, in a few bytes each."""
    numbers = BitMap64()
    for scope in scopes_of(sender):
        for field_, _ in ledger.pages_of(key("suppressed", scope)):
            numbers.add(unpack_number(field_))
    return numbers
