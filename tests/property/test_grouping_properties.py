"""Grouping: nobody lost, nobody doubled, families together, for any list."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from dispatcher.grouping import by_key, in_order

SIZES = st.integers(1, 10)
KEYS = st.none() | st.sampled_from(["", "a", "b", "c", "0", "1"]) | st.text(max_size=2)
PEOPLE = st.lists(KEYS, max_size=60).map(
    lambda keys: [(19195550000 + i, key) for i, key in enumerate(keys)]
)


def grouped(people: list[tuple[int, str | None]], size: int) -> list[tuple[int, ...]]:
    return list(by_key(people, size, Path(tempfile.gettempdir())))


@given(st.lists(st.integers(1, 10**15)), SIZES)
def test_in_order_is_the_list_in_pieces(numbers: list[int], size: int) -> None:
    """Joined again the groups are the list, and all but the last are full."""
    groups = list(in_order(numbers, size))
    assert [number for group in groups for number in group] == numbers
    assert all(len(group) == size for group in groups[:-1])
    assert all(groups)


@given(PEOPLE, SIZES)
def test_by_key_loses_and_doubles_nobody(
    people: list[tuple[int, str | None]], size: int
) -> None:
    """Everybody is in exactly one group, and no group is too large or empty."""
    groups = grouped(people, size)
    assert Counter(n for group in groups for n in group) == Counter(
        number for number, _ in people
    )
    assert all(1 <= len(group) <= size for group in groups)


@given(PEOPLE, SIZES)
def test_by_key_mixes_no_families(
    people: list[tuple[int, str | None]], size: int
) -> None:
    """One group has one key; a family has as few and as even groups as possible."""
    key_of = dict(people)
    sizes: dict[str, list[int]] = {}
    for group in grouped(people, size):
        keys = {key_of[number] for number in group}
        assert len(keys) == 1
        if key := keys.pop():
            sizes.setdefault(key, []).append(len(group))
        else:
            assert len(group) == 1
    for parts in sizes.values():
        assert len(parts) == -(-sum(parts) // size)
        assert max(parts) - min(parts) <= 1


@given(PEOPLE, SIZES)
def test_by_key_keeps_the_order_of_the_list(
    people: list[tuple[int, str | None]], size: int
) -> None:
    """Members stand in list order, families by their first member; twice is equal."""
    groups = grouped(people, size)
    assert all(list(group) == sorted(group) for group in groups)
    first_of: dict[str, int] = {}
    for number, key in people:
        first_of.setdefault(key or str((number,)), number)
    key_of = dict(people)
    firsts = [first_of[key_of[g[0]] or str((g[0],))] for g in groups]
    assert firsts == sorted(firsts)
    assert groups == grouped(people, size)
