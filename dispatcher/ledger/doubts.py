"""Writes of unknown outcome, listed until the provider's search tells of them.

So are those that the provider took without telling an id. A doubt is one serial of
one group. What is found out is recorded with `calls.settle`; nothing here changes a
group. All times are milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from dispatcher.ledger.scripts import Call

#: Another child looks for them this long after the one that did went silent. Longer
#: than the slowest round of searches, or two would search at once.
RECONCILER_LEASE_MS: Final = 30_000


@dataclass(frozen=True, slots=True)
class Doubt:
    """One write of which nobody heard whether the provider took it.

    Attributes:
        name: What it is listed as.
        id: The campaign's.
        load: The campaign's load nonce.
        sender: The campaign's sender.
        group: The group's number.
        serial: The write's.
        gated_at: When it was let through the gate.
        newest: The group's last serial.
        dropped: Bit mask of members left out of this write.
        unknown_at: When the group became unknown; None if it is not so now.
    """

    name: str
    id: str
    load: str
    sender: str = field(repr=False)
    group: int
    serial: int
    gated_at: float
    newest: int
    dropped: int
    unknown_at: float | None

    @property
    def is_open(self) -> bool:
        """Whether the group waits for what becomes of this very write."""
        return self.unknown_at is not None and self.serial == self.newest


@dataclass(frozen=True, slots=True)
class Doubts:
    """The doubts that are due.

    Attributes:
        now: The ledger's clock.
        more: There is more to do at once.
        wait: Until the next one is due; None when none is listed.
        due: Those to look for now.
    """

    now: float
    more: bool
    wait: float | None
    due: list[Doubt]


def due_doubts(child: str, limit: int) -> Call[Doubts | None]:
    """Those to look for now; None when another child does it.

    Args:
        child: Who asks; has the list for `RECONCILER_LEASE_MS` if nobody has it.
        limit: Doubts at most.
    """
    return Call("doubt", [child, RECONCILER_LEASE_MS, limit], _read)


def _read(reply: list[Any]) -> Doubts | None:
    if not reply:
        return None
    now, more, wait, *rest = reply
    due = [_doubt(*rest[at : at + 10]) for at in range(0, len(rest), 10)]
    return Doubts(now, bool(more), None if wait < 0 else wait, due)


def _doubt(  # noqa: PLR0917 - as the script returns them
    name: bytes,
    id: bytes,  # noqa: A002 - the public word for it
    load: bytes,
    sender: bytes,
    group: int,
    serial: int,
    gated_at: int,
    newest: int,
    dropped: int,
    unknown_at: int,
) -> Doubt:
    return Doubt(
        *(name.decode(), id.decode(), load.decode(), sender.decode()),
        *(group, serial, gated_at, newest, dropped),
        None if unknown_at < 0 else unknown_at,
    )
