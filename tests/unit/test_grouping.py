"""Grouping: who gets one message together, to the letter."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dispatcher.errors import DispatchError
from dispatcher.grouping import by_key, in_order

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.mark.parametrize(
    ("count", "size", "expected"),
    [
        (0, 10, []),
        (1, 10, [(0,)]),
        (10, 10, [tuple(range(10))]),
        (11, 10, [tuple(range(10)), (10,)]),
        (5, 2, [(0, 1), (2, 3), (4,)]),
        (3, 1, [(0,), (1,), (2,)]),
    ],
)
def test_in_order_cuts_the_list(
    count: int, size: int, expected: list[tuple[int, ...]]
) -> None:
    """Full groups in the order of the list, and what is left."""
    assert list(in_order(range(count), size)) == expected


def test_in_order_takes_no_more_than_it_gives() -> None:
    """The list may still be arriving."""
    numbers = iter(range(100))
    groups = in_order(numbers, 10)
    next(groups)
    assert next(numbers) == 10


FAMILIES = {
    "nobody": ("", 10, []),
    "one family": ("aaa", 10, [(0, 1, 2)]),
    "families apart": ("aabb", 10, [(0, 1), (2, 3)]),
    "families mixed": ("abab", 10, [(0, 2), (1, 3)]),
    "order of first appearance": ("bab", 10, [(0, 2), (1,)]),
    "alone": ("..", 10, [(0,), (1,)]),
    "alone among families": ("a.a.b", 10, [(0, 2), (1,), (3,), (4,)]),
    "just full": ("aaaa", 4, [(0, 1, 2, 3)]),
    "split evenly": ("aaaaa", 4, [(0, 1, 2), (3, 4)]),
    "split in three": ("aaaaaaa", 3, [(0, 1, 2), (3, 4), (5, 6)]),
    "split and mixed": ("abaab", 2, [(0, 2), (3,), (1, 4)]),
    "groups of one": ("aba", 1, [(0,), (2,), (1,)]),
}


@pytest.mark.parametrize(
    ("keys", "size", "expected"), FAMILIES.values(), ids=FAMILIES.keys()
)
def test_by_key_keeps_families_together(
    keys: str, size: int, expected: list[tuple[int, ...]], tmp_path: Path
) -> None:
    """Each letter is a person's key, a dot stands for none."""
    people = [(i, key.strip(".")) for i, key in enumerate(keys)]
    assert list(by_key(people, size, tmp_path)) == expected


@pytest.mark.parametrize("key", ["Oak 1", "é", "0", "\ud800", "'; DROP TABLE person"])
def test_any_text_is_a_key(key: str, tmp_path: Path) -> None:
    """A key is compared, never understood; it is not mistaken for a place."""
    people = [(1, ""), (2, key), (3, None), (4, key)]
    assert list(by_key(people, 10, tmp_path)) == [(1,), (2, 4), (3,)]


def test_the_longest_number_fits(tmp_path: Path) -> None:
    """15 digits come back as they went in."""
    number = 999_999_999_999_999
    assert list(by_key([(number, "a")], 10, tmp_path)) == [(number,)]


def open_files(folder: Path) -> list[str]:
    links = list(Path("/proc/self/fd").iterdir())
    names = [str(link.readlink()) for link in links if link.is_symlink()]
    return [name for name in names if name.startswith(str(folder))]


def test_the_temporary_file_has_no_name(tmp_path: Path) -> None:
    """Even kill -9 leaves no numbers behind, and closing gives the room back."""
    groups = by_key(((i, "a") for i in range(100)), 10, tmp_path)
    next(groups)
    assert list(tmp_path.iterdir()) == []
    assert open_files(tmp_path)
    groups.close()  # type: ignore[attr-defined]
    assert not open_files(tmp_path)


def test_a_list_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    """The error of the list comes through as it is."""

    def broken() -> Iterator[tuple[int, str | None]]:
        yield 1, "a"
        raise OSError("the list's own")

    with pytest.raises(OSError, match="the list's own"):
        list(by_key(broken(), 10, tmp_path))
    assert list(tmp_path.iterdir()) == []
    assert not open_files(tmp_path)


def test_no_room_is_told(tmp_path: Path) -> None:
    """A folder that is not there is one clear line."""
    with pytest.raises(DispatchError, match=r"temporary file in .*nowhere: No such"):
        list(by_key([], 10, tmp_path / "nowhere"))
