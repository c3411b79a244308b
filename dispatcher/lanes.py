"""Lanes: the groups of a campaign with sending hours, sorted by when they may be sent.

A lane is a run of groups whose people are in the same zones. So the ledger looks at
one rule for thousands of groups, and the next group of a lane is the next number.
Nothing is sent or stored here but a temporary file.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from dispatcher import grouping
from dispatcher.hours import Hours, Rule, Timeline
from dispatcher.numbers import Reason
from dispatcher.zones import timeline, zone_named, zones_of

#: Bits that the zones of one person take beside the number (at most 50 bits).
_BITS: Final = 12
_MASK: Final = (1 << _BITS) - 1

Members = tuple[int, ...]
#: A number with the place of its zones in the last bits: one int, as the number is.
Placed = int


@dataclass(frozen=True, slots=True)
class Lane:
    """A run of groups.

    Attributes:
        first: Its first group.
        end: The group after its last.
        rule: When they may be sent.
    """

    first: int
    end: int
    rule: Rule


class Lanes:
    """Places people by their zones, and sorts their groups.

    Args:
        hours: By everybody's own clock.
        start: Clock changes before it are of no interest.

    Attributes:
        lanes: Filled while `groups` is iterated.
    """

    def __init__(self, hours: Hours, start: datetime) -> None:
        self.lanes: list[Lane] = []
        self._hours = hours
        self._start = start.replace(hour=0, minute=0, second=0, microsecond=0)
        self._rules: list[Rule] = []
        self._places: dict[frozenset[Timeline], int] = {}
        self._by_zones: dict[tuple[str, ...], int | Reason] = {}

    # -- people ------------------------------------------------------------

    def place(self, number: int, written: str | None) -> Placed | Reason:
        """A good number with its zones, or why it can get no message.

        Args:
            number: E.164.
            written: The zone that the list names; by the number if there is none.
        """
        if not written or not written.strip():
            zones = zones_of(number)
        elif name := zone_named(written):
            zones = (name,)
        else:
            return Reason.UNKNOWN_ZONE
        place = self._by_zones.get(zones)
        if place is None:
            place = self._by_zones[zones] = self._place(zones)
        return place if isinstance(place, Reason) else number << _BITS | place

    def _place(self, zones: tuple[str, ...]) -> int | Reason:
        if not zones:
            return Reason.UNKNOWN_ZONE
        clocks = frozenset(timeline(zone, self._start) for zone in zones)
        place = self._place_of(clocks)
        return Reason.NO_COMMON_HOURS if place is None else place

    def _place_of(self, clocks: frozenset[Timeline]) -> int | None:
        """The place of a rule; None when its zones have no hours in common."""
        place = self._places.get(clocks)
        if place is not None:
            return place
        rule = Rule(self._hours, clocks)
        if not rule.has_common_hours or len(self._rules) > _MASK:
            return None
        self._rules.append(rule)
        self._places[clocks] = len(self._rules) - 1
        return self._places[clocks]

    # -- groups ------------------------------------------------------------

    def groups(
        self,
        people: Iterable[tuple[Placed, str | None]],
        size: int,
        directory: Path,
        *,
        by_key: bool,
    ) -> Iterator[Members]:
        """Make groups of placed people; lane by lane, in the order of the list.

        Args:
            people: As `place` made them, with their keys.
            size: Recipients in one group at most.
            directory: For temporary files; a disk, not memory.
            by_key: Only people with the same key go together, unless no hours suit all.

        Raises:
            DispatchError: A temporary file cannot be made or grow.
        """
        found = (
            self._families(people, size, directory) if by_key else _runs(people, size)
        )
        done = 0
        for place, groups in grouping.sorted_by(found, directory):
            first = done
            for group in groups:
                done += 1
                yield group
            self.lanes.append(Lane(first, done, self._rules[place]))

    def _families(
        self,
        people: Iterable[tuple[Placed, str | None]],
        size: int,
        directory: Path,
    ) -> Iterator[tuple[int, Members]]:
        for family in grouping.by_key(people, size, directory):
            clocks = frozenset[Timeline]().union(
                *(self._rules[person & _MASK].timelines for person in family)
            )
            together = self._place_of(clocks)
            if together is not None:
                yield together, _numbers(family)
            else:
                yield from _runs(((person, None) for person in family), size)


def _runs(
    people: Iterable[tuple[Placed, str | None]], size: int
) -> Iterator[tuple[int, Members]]:
    """Groups of people in the same zones, each as soon as it is full."""
    begun: defaultdict[int, list[int]] = defaultdict(list)
    for person, _ in people:
        place = person & _MASK
        group = begun[place]
        group.append(person >> _BITS)
        if len(group) == size:
            yield place, tuple(group)
            begun[place] = []
    yield from ((place, tuple(group)) for place, group in begun.items() if group)


def _numbers(placed: Iterable[Placed]) -> Members:
    return tuple(person >> _BITS for person in placed)
