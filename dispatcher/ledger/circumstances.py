"""What decides whether a campaign sends now: what explain.lua is asked. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from dispatcher.ledger.calls import Rates
from dispatcher.ledger.scripts import Call
from dispatcher.ledger.states import CampaignState, GroupState

#: Waiting groups of which is looked whether a lock bars them.
SAMPLE: Final = 16


@dataclass(frozen=True, slots=True)
class Bucket:
    """One rate that binds a campaign.

    Attributes:
        name: account, sender or campaign.
        rate: Units a second.
        level: Units that may go now; below zero they are owed.
        wait_ms: Until the next group may pass.
    """

    name: str
    rate: float
    level: float
    wait_ms: int


@dataclass(frozen=True, slots=True)
class Circumstances:
    """All of one moment, but for the locks. Times are ms.

    Attributes:
        counts: Groups by state.
        starts_at: When it may begin, since the epoch; 0 is at once.
        fresh: Groups that were never reserved.
        fresh_wait: Until one of them may go by its people's clocks.
        next_due: Until the first group that waits for another try; -1: none waits.
        ahead: Campaigns that are served before it; -1: it is not in the line.
        throttled: For so long the account pauses because of a 429.
        unsure: For so long nothing is sent, because Redis restarted.
        day_wait: For so long nothing is sent: the day's units are used up.
        day_units: Units sent since midnight UTC; counted only where they are capped.
        children: Living worker children.
        down: Those that cannot reach the provider.
        buckets: The rates that bind it.
        waiting: The first groups in the queue of those handed back.
        locked: How many of these wait for another message to the same people.
    """

    state: CampaignState
    reason: str = ""
    counts: Mapping[GroupState, int] = field(default_factory=dict)
    now: int = 0
    starts_at: int = 0
    fresh: int = 0
    fresh_wait: int = 0
    next_due: int = -1
    ahead: int = -1
    throttled: int = 0
    unsure: int = 0
    day_wait: int = 0
    day_units: int = 0
    children: int = 0
    down: int = 0
    buckets: tuple[Bucket, ...] = ()
    waiting: tuple[int, ...] = ()
    locked: int = 0

    def count(self, *states: GroupState) -> int:
        """Groups in any of these states."""
        return sum(self.counts.get(state, 0) for state in states)


def look(id: str, rates: Rates) -> Call[Circumstances | None]:  # noqa: A002 - the public word for it
    """Look at a campaign under these rates; None for an unknown id."""
    arguments = [id, *rates.all_arguments(), SAMPLE]
    return Call("explain", arguments, _read)


def _read(reply: list[Any]) -> Circumstances | None:
    if not reply:
        return None
    state, reason, facts, *rest = reply
    numbers = _numbers(rest[: 2 * facts])
    buckets, *rest = rest[2 * facts :]
    return Circumstances(
        CampaignState(state.decode()),
        reason.decode(),
        counts={state: numbers.pop(state.word) for state in GroupState},
        buckets=tuple(_bucket(*rest[at : at + 4]) for at in range(0, 4 * buckets, 4)),
        waiting=tuple(rest[4 * buckets :]),
        **numbers,
    )


def _numbers(pairs: Sequence[bytes]) -> dict[str, int]:
    return {
        name.decode(): int(number)
        for name, number in zip(pairs[::2], pairs[1::2], strict=True)
    }


def _bucket(name: bytes, rate: bytes, level: bytes, wait_ms: int) -> Bucket:
    return Bucket(name.decode(), float(rate), float(level), wait_ms)
