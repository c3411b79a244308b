"""Every message taken, found again by id, sender, time and recipient.

In memory and append-only: a message never changes or leaves. Sized for millions, so
messages are compact and the index over recipients is made when first asked for.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from heapq import merge
from operator import attrgetter
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

#: Messages in one index block, a power of two. Larger blocks make a search touch
#: fewer, smaller ones waste less work on the newest, unfinished block.
BLOCK: Final = 1024


class Message(msgspec.Struct, frozen=True, gc=False):
    """One message taken.

    Attributes:
        seq: Place in the order in which messages were taken, from 0.
        id: As in the 202.
        account: That sent it.
        sender: E.164.
        to: Recipients in E.164, each followed by a comma: a tenth of the memory of
            a list of strings.
        time: Epoch seconds.
        length: Characters of text.
        attachments: Number of media.
        final_at: Epoch seconds from which on its end is known.
        codes: Its end for each recipient, see `fates`; empty if all get it.
    """

    seq: int
    id: str
    account: str
    sender: str
    to: str
    time: float
    length: int
    attachments: int
    final_at: float
    codes: tuple[int, ...]

    @property
    def recipients(self) -> list[str]:
        """The recipients, in the order given."""
        return self.to[:-1].split(",")

    @property
    def ends(self) -> Sequence[int]:
        """Its end for each recipient, in the order given."""
        return self.codes or (0,) * self.to.count(",")

    @property
    def kind(self) -> str:
        """`mms` for groups and media, else `sms`."""
        return "mms" if self.attachments or self.to.count(",") > 1 else "sms"


_TIME = attrgetter("time")
_SEQ = attrgetter("seq")


class Span(msgspec.Struct, frozen=True):
    """Which messages of a shelf are asked for, and in which order.

    Attributes:
        start: Earliest time, inclusive.
        end: Latest time, inclusive.
        newest_first: Order by time.
        numbers: Only messages to one of these; None for all.
        cursor: Where to begin: no message before this `seq` in the order.
    """

    start: float
    end: float
    newest_first: bool
    numbers: Collection[str] | None = None
    cursor: int | None = None


class Shelf:
    """Messages in the order in which they were taken."""

    def __init__(self) -> None:
        self._messages: list[Message] = []
        self._blocks: dict[int, array[int]] = {}

    def add(self, message: Message) -> None:
        """Append; its time is not before that of the last one."""
        self._messages.append(message)

    def select(self, span: Span) -> Iterator[Message]:
        """The messages of a span."""
        places: Sequence[int] = self._range(span)
        if span.numbers is not None:
            places = self._sent_to(span.numbers, self._range(span))
        ordered = reversed(places) if span.newest_first else iter(places)
        return map(self._messages.__getitem__, ordered)

    def _range(self, span: Span) -> range:
        low = bisect_left(self._messages, span.start, key=_TIME)
        high = bisect_right(self._messages, span.end, key=_TIME)
        if span.cursor is not None and span.newest_first:
            high = min(high, bisect_right(self._messages, span.cursor, key=_SEQ))
        elif span.cursor is not None:
            low = max(low, bisect_left(self._messages, span.cursor, key=_SEQ))
        return range(low, high)

    def _sent_to(self, numbers: Collection[str], places: range) -> list[int]:
        """Places of the range whose recipients may include one of the numbers.

        Hashes are compared, not numbers; the caller looks at the messages anyway.
        """
        found: set[int] = set()
        for block in range(places.start // BLOCK, -(-places.stop // BLOCK)):
            keys = self._keys(block)
            for number in numbers:
                found.update(block * BLOCK + offset for offset in _find(keys, number))
        return sorted(place for place in found if place in places)

    def _keys(self, block: int) -> array[int]:
        keys = self._blocks.get(block)
        if keys is None:
            messages = self._messages[block * BLOCK : (block + 1) * BLOCK]
            keys = _keys_of(messages)
            if len(messages) == BLOCK:
                self._blocks[block] = keys
        return keys


def _keys_of(messages: list[Message]) -> array[int]:
    """One sorted key for each recipient: its hash, the last bits saying where."""
    keys = (
        _key(number) | offset
        for offset, message in enumerate(messages)
        for number in message.recipients
    )
    return array("q", sorted(keys))


def _key(number: str) -> int:
    return hash(number) & -BLOCK


def _find(keys: array[int], number: str) -> Iterator[int]:
    key = _key(number)
    for place in range(bisect_left(keys, key), len(keys)):
        if keys[place] & -BLOCK != key:
            return
        yield keys[place] & (BLOCK - 1)


class Archive:
    """All messages of all accounts."""

    def __init__(self) -> None:
        self._by_id: dict[str, Message] = {}
        self._accounts: dict[str, dict[str, Shelf]] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Message]:
        return iter(self._by_id.values())

    def add(self, message: Message) -> None:
        """Keep a message for good."""
        self._by_id[message.id] = message
        shelves = self._accounts.setdefault(message.account, {})
        shelf = shelves.get(message.sender)
        if shelf is None:
            shelf = shelves[message.sender] = Shelf()
        shelf.add(message)

    def get(self, message_id: str) -> Message | None:
        """The message of that id, whatever its account."""
        return self._by_id.get(message_id)

    def senders(self, account: str) -> list[str]:
        """Every number that has sent for the account."""
        return list(self._accounts.get(account, ()))

    def select(
        self, account: str, senders: Iterable[str], span: Span
    ) -> Iterator[Message]:
        """Messages of these senders, in one order."""
        shelves = self._accounts.get(account, {})
        found = (shelves[name].select(span) for name in senders if name in shelves)
        return merge(*found, key=_SEQ, reverse=span.newest_first)
