"""Lanes: people with the same hours, and nobody else, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dispatcher.hours import Hours
from dispatcher.lanes import Lanes, Members
from dispatcher.numbers import Reason

NEW_YORK, DENVER, ANGELES, GUAM = 12125550000, 13035550000, 13105550000, 16715550000
Person = tuple[int, str | None]


def grouped(
    people: Sequence[Person], size: int, folder: Path, hours: str = "09:00-20:00"
) -> tuple[Lanes, list[Members]]:
    lanes = Lanes(Hours.parse(hours), datetime(2027, 3, 1, tzinfo=UTC))
    by_key = any(key is not None for _, key in people)
    placed = []
    for number, key in people:
        place = lanes.place(number, None)
        assert not isinstance(place, Reason)
        placed.append((place, key))
    return lanes, list(lanes.groups(placed, size, folder, by_key=by_key))


def area(number: int) -> int:
    return number // 10**7


def test_groups_of_one_zone_in_the_order_of_the_list(tmp_path: Path) -> None:
    """The first zone of the list first, and the lanes say where each ends."""
    people = [(base + i, None) for i in range(5) for base in (ANGELES, NEW_YORK)]
    lanes, groups = grouped(people, 2, tmp_path)
    assert [tuple(n % 100 for n in group) for group in groups] == [
        *((0, 1), (2, 3), (4,)),
        *((0, 1), (2, 3), (4,)),
    ]
    assert [area(group[0]) for group in groups] == [1310] * 3 + [1212] * 3
    assert [(lane.first, lane.end) for lane in lanes.lanes] == [(0, 3), (3, 6)]


def test_a_family_stays_together_where_hours_suit_all(tmp_path: Path) -> None:
    """Its lane has the hours of both coasts."""
    lanes, groups = grouped([(NEW_YORK, "oak"), (ANGELES, "oak")], 10, tmp_path)
    assert groups == [(NEW_YORK, ANGELES)]
    assert len(lanes.lanes[0].rule.timelines) == 2


def test_a_family_is_parted_where_no_hours_suit_all(tmp_path: Path) -> None:
    """Members without a common hour are never in one group."""
    people = [(NEW_YORK, "oak"), (GUAM, "oak"), (NEW_YORK + 1, "oak")]
    _, groups = grouped(people, 10, tmp_path, "09:00-17:00")
    assert sorted(groups) == [(NEW_YORK, NEW_YORK + 1), (GUAM,)]


def test_zones_with_the_same_clock_are_one(tmp_path: Path) -> None:
    """Toronto and New York change their clocks on the same days."""
    lanes, groups = grouped([(NEW_YORK, None), (14165550000, None)], 10, tmp_path)
    assert (len(groups), len(lanes.lanes)) == (1, 1)


@pytest.mark.parametrize(
    ("number", "written", "reason"),
    [
        (NEW_YORK, "Mars", Reason.UNKNOWN_ZONE),
        (18005551212, None, Reason.NO_COMMON_HOURS),
        (88212345678, None, Reason.UNKNOWN_ZONE),
    ],
)
def test_who_cannot_be_placed(number: int, written: str | None, reason: Reason) -> None:
    """Is told, with a reason that says what to do."""
    lanes = Lanes(Hours.parse("09:00-20:00"), datetime(2027, 3, 1, tzinfo=UTC))
    assert lanes.place(number, written) is reason


def test_a_written_zone_wins(tmp_path: Path) -> None:
    """People keep their numbers when they move."""
    lanes = Lanes(Hours.parse("09:00-20:00"), datetime(2027, 3, 1, tzinfo=UTC))
    moved, stayed = lanes.place(NEW_YORK, "Pacific"), lanes.place(ANGELES, "")
    assert isinstance(moved, int)
    assert isinstance(stayed, int)
    people = [(moved, None), (stayed, None)]
    assert list(lanes.groups(people, 10, tmp_path, by_key=False)) == [
        (NEW_YORK, ANGELES)
    ]
