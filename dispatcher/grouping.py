"""Recipients into groups: who gets one message together.

Deterministic: the same numbers in the same order make the same groups. It never judges
or drops a number, and its memory does not grow with the list.
"""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
import tempfile
from array import array
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dispatcher.errors import DispatchError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: Rows handed to sqlite at once.
_BATCH: Final = 4096
#: The cache, 8 MiB, is all the memory that grouping takes; more is hardly faster.
_SETTINGS: Final = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA locking_mode = EXCLUSIVE;
PRAGMA cache_size = -8192;
BEGIN;
"""
#: `first` is the place in the list where a key appears first; it names the family. Who
#: has no key is a family alone, under a key that is a place: no text equals an integer.
_PEOPLE: Final = """
CREATE TABLE family (first INTEGER PRIMARY KEY, key UNIQUE, size INTEGER);
CREATE TABLE person (
    first INTEGER, place INTEGER, number INTEGER, PRIMARY KEY (first, place)
) WITHOUT ROWID;
"""
_JOIN_FAMILY: Final = """
INSERT INTO family VALUES (?1, ?2, 1)
ON CONFLICT (key) DO UPDATE SET size = size + 1
"""
_ADD_PERSON: Final = """
INSERT INTO person SELECT first, ?1, ?3 FROM family WHERE key = ?2
"""
_GROUPS: Final = """
CREATE TABLE sorted (
    bin INTEGER, place INTEGER, members BLOB, PRIMARY KEY (bin, place)
) WITHOUT ROWID;
"""
_IN_ORDER: Final = """
SELECT size, number FROM family JOIN person USING (first) ORDER BY first, place
"""


def in_order(numbers: Iterable[int], size: int) -> Iterator[tuple[int, ...]]:
    """Cut the list into groups of `size`, in its order; the last may be smaller.

    Args:
        numbers: Recipients.
        size: Recipients in one group, at least 1.
    """
    numbers = iter(numbers)
    while group := tuple(itertools.islice(numbers, size)):
        yield group


def by_key(
    people: Iterable[tuple[int, str | None]], size: int, directory: Path
) -> Iterator[tuple[int, ...]]:
    """Put people who share a key into the same group or groups, and nobody else.

    Groups come in the order in which their keys appear first, members in the order of
    the list. More people than `size` are split into as few groups as possible, as even
    as possible, the larger ones first: 11 become 6 and 5, so that nobody is left with
    a group of one. An empty key is shared with nobody.

    The whole list is read before the first group comes out. It waits in a file which
    has no name any more once it is open, so that no death of the process leaves it.

    Args:
        people: Number and key of each recipient.
        size: Recipients in one group, at least 1.
        directory: Where the temporary file is made; a disk, not memory.

    Raises:
        DispatchError: The temporary file cannot be made or grow.
    """
    with _nameless_database(directory, _PEOPLE) as database:
        _store(database, people)
        yield from _families(database, size)


def sorted_by(
    groups: Iterable[tuple[int, tuple[int, ...]]], directory: Path
) -> Iterator[tuple[int, Iterator[tuple[int, ...]]]]:
    """Bring groups of the same bin together; in a bin their order stays.

    All are read before the first comes out, as with `by_key`. A bin's groups must be
    taken before the next bin is.

    Args:
        groups: Bin and members of each.
        directory: Where the temporary file is made; a disk, not memory.

    Raises:
        DispatchError: The temporary file cannot be made or grow.
    """
    with _nameless_database(directory, _GROUPS) as database:
        rows = (
            (where, place, array("q", members).tobytes())
            for place, (where, members) in enumerate(groups)
        )
        while batch := list(itertools.islice(rows, _BATCH)):
            database.executemany("INSERT INTO sorted VALUES (?, ?, ?)", batch)
        found = database.execute("SELECT bin, members FROM sorted ORDER BY bin, place")
        for where, same in itertools.groupby(found, itemgetter(0)):
            yield where, (tuple(array("q", members)) for _, members in same)


@contextlib.contextmanager
def _nameless_database(directory: Path, schema: str) -> Iterator[sqlite3.Connection]:
    try:
        with contextlib.closing(_opened(directory)) as database:
            database.executescript(_SETTINGS + schema)
            yield database
    except sqlite3.Error as error:
        raise _failed(directory, str(error)) from None


def _opened(directory: Path) -> sqlite3.Connection:
    """Open the file and take its name away at once."""
    try:
        with tempfile.TemporaryDirectory(prefix="grouping-", dir=directory) as folder:
            return _connect(Path(folder) / "people")
    except OSError as error:
        raise _failed(directory, error.strerror) from None


def _failed(directory: Path, why: str | None) -> DispatchError:
    return DispatchError(f"grouping cannot keep a temporary file in {directory}: {why}")


def _connect(path: Path) -> sqlite3.Connection:
    # Whoever closes the generator may be another thread than the one that ran it.
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False)


def _store(
    database: sqlite3.Connection, people: Iterable[tuple[int, str | None]]
) -> None:
    rows = (
        (place, _written(key) or place, number)
        for place, (number, key) in enumerate(people)
    )
    while batch := list(itertools.islice(rows, _BATCH)):
        database.executemany(_JOIN_FAMILY, ((place, key) for place, key, _ in batch))
        database.executemany(_ADD_PERSON, batch)


def _written(key: str | None) -> bytes:
    """Bytes, because sqlite refuses text with half a character in it."""
    return key.encode("utf-8", "surrogatepass") if key else b""


def _families(database: sqlite3.Connection, size: int) -> Iterator[tuple[int, ...]]:
    people = database.execute(_IN_ORDER)
    for members, first in people:
        others = (number for _, number in people)
        family = itertools.chain([first], others)
        for part in _parts(members, size):
            yield tuple(itertools.islice(family, part))


def _parts(members: int, size: int) -> Iterator[int]:
    """Sizes of as few and as even parts as possible, the larger ones first."""
    count = -(-members // size)
    even, left = divmod(members, count)
    return itertools.chain(
        itertools.repeat(even + 1, left), itertools.repeat(even, count - left)
    )
