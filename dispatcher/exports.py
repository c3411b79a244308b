"""Rows in files: columns and formats of exports, and files that are whole or absent.

Numbers stand in full here, so only its owner may read a file. It is never seen
half-written under its name, and is on the disk when it has it. Where rows come from is
the caller's business.
"""

from __future__ import annotations

import csv
import glob
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, Literal, TypeAlias, cast

from dispatcher import parquet
from dispatcher.errors import InvalidInput
from dispatcher.rejections import harmless

Row: TypeAlias = Mapping[str, Any]
By: TypeAlias = Literal["group", "recipient"]

#: The columns of a CSV file. JSON lines name theirs themselves.
COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "group": (
        *("campaign", "group", "to", "state", "message_id", "attempts"),
        *("error_code", "error_description", "sent_at", "dropped"),
    ),
    "recipient": (
        *("campaign", "group", "number", "state", "message_id"),
        *("delivery", "error_code"),
    ),
}


# -- formats -------------------------------------------------------------------


def write_jsonl(rows: Iterable[Row], file: IO[str], _by: By) -> int:
    """Write one JSON object a line; the number of rows."""
    number = 0
    for number, row in enumerate(rows, 1):  # noqa: B007 - counted to the end
        file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return number


def write_csv(rows: Iterable[Row], file: IO[str], by: By) -> int:
    """Write CSV with a header; the number of rows."""
    writer = csv.DictWriter(file, COLUMNS[by], lineterminator="\n")
    writer.writeheader()
    number = 0
    for number, row in enumerate(rows, 1):  # noqa: B007 - counted to the end
        writer.writerow(_flat(row) if by == "group" else row)
    return number


def _flat(row: Row) -> dict[str, Any]:
    """A group's row without nesting: members by spaces, an error in two columns."""
    flat = {name: row.get(name) for name in COLUMNS["group"]}
    error = row["error"] or {"code": None, "description": ""}
    return flat | {
        "to": " ".join(row["to"]),
        "dropped": " ".join(row.get("dropped", ())),
        "error_code": error["code"],
        "error_description": harmless(error["description"]),
    }


def count_csv(path: Path) -> int:
    """Rows of a file that `write_csv` wrote."""
    with path.open(encoding="utf-8", newline="") as file:
        return sum(1 for _ in csv.reader(file)) - 1


def count_jsonl(path: Path) -> int:
    """Rows of a file that `write_jsonl` wrote."""
    with path.open("rb") as file:
        return sum(1 for _ in file)


@dataclass(frozen=True, slots=True)
class Format:
    """A way to write rows.

    Attributes:
        write: Writes rows of a kind to a file; how many.
        count: Reads a file and tells how many rows it has.
        binary: The file takes bytes.
    """

    write: Callable[[Iterable[Row], IO[Any], By], int]
    count: Callable[[Path], int]
    binary: bool = False


FORMATS: Final[Mapping[str, Format]] = {
    "csv": Format(write_csv, count_csv),
    "jsonl": Format(write_jsonl, count_jsonl),
    "parquet": Format(parquet.write, parquet.count, binary=True),
}


# -- files ---------------------------------------------------------------------


@contextmanager
def whole_file(
    path: Path, *, binary: bool = False, option: str = ""
) -> Iterator[IO[Any]]:
    """A file that takes its name when the block has ended well, else vanishes.

    Args:
        path: Its name.
        binary: It takes bytes.
        option: Where a person named it, for the error.

    Raises:
        InvalidInput: It cannot be created.
        OSError: It cannot be written to its end, or to the disk.
    """
    how = _How(binary, f"{option}: " if option else "")
    if path.exists() and not path.is_file():
        # A device or a pipe cannot be replaced; it has no half-written state either.
        with how.opened(path) as file:
            yield file
        return
    # A link goes on pointing to the file that it points to.
    path = path.resolve()
    file = how.draft(path)
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(file.name).replace(path)
        _sync_folder(path.parent)
    finally:
        Path(file.name).unlink(missing_ok=True)


def remove_drafts(path: Path) -> None:
    """Remove what a process that was killed left of this file."""
    for draft in path.parent.glob(f".{glob.escape(path.name)}-*"):
        draft.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """So that the name is on the disk, too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@dataclass(frozen=True, slots=True)
class _How:
    """How a file is opened, and how it is said that it cannot be."""

    binary: bool
    prefix: str

    def opened(self, path: Path) -> IO[Any]:
        try:
            return cast("IO[Any]", path.open(**self._mode))
        except OSError as error:
            raise self._unwritable(path, error) from None

    def draft(self, path: Path) -> IO[Any]:
        try:
            return cast(
                "IO[Any]",
                tempfile.NamedTemporaryFile(
                    dir=path.parent,
                    prefix=f".{path.name}-",
                    delete=False,
                    **self._mode,
                ),
            )
        except OSError as error:
            raise self._unwritable(path, error) from None

    @property
    def _mode(self) -> dict[str, Any]:
        if self.binary:
            return {"mode": "wb"}
        return {"mode": "w", "encoding": "utf-8", "newline": ""}

    def _unwritable(self, path: Path, error: OSError) -> InvalidInput:
        return InvalidInput(f"{self.prefix}{path} cannot be written: {error.strerror}")
