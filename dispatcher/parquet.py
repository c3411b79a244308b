"""Rows as Parquet files, with pyarrow, which is an extra: `group-dispatcher[parquet]`.

It is imported when it is used, and nowhere else.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import IO, Any, Final, Literal

from dispatcher.errors import InvalidInput

#: Rows held in memory at once; each such batch is a row group of the file.
BATCH: Final = 10_000

_Row = Mapping[str, Any]


def library(name: str = "pyarrow") -> Any:  # noqa: ANN401 - it has no types
    """A module of pyarrow's.

    Raises:
        InvalidInput: It is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError:
        raise InvalidInput(
            "parquet needs a library that is not here; install it with: "
            "pip install 'group-dispatcher[parquet]'"
        ) from None


def write(
    rows: Iterable[_Row], file: IO[bytes], by: Literal["group", "recipient"]
) -> int:
    """Write a Parquet file; the number of rows."""
    arrow, parquet = library(), library("pyarrow.parquet")
    schema = arrow.schema(_fields(arrow)[by])
    stream = iter(rows if by == "recipient" else map(_group, rows))
    number = 0
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        while batch := list(islice(stream, BATCH)):
            writer.write_table(arrow.Table.from_pylist(batch, schema=schema))
            number += len(batch)
    return number


def count(path: Path) -> int:
    """Rows of a file that `write` wrote."""
    return int(library("pyarrow.parquet").read_metadata(path).num_rows)


def _group(row: _Row) -> dict[str, Any]:
    """A group's row with its error in two columns and its time as one."""
    error = row["error"] or {"code": None, "description": None}
    sent_at = row["sent_at"] and datetime.fromisoformat(row["sent_at"])
    return {
        **row,
        "dropped": row.get("dropped", []),
        "error_code": error["code"],
        "error_description": error["description"],
        "sent_at": sent_at,
    }


def _fields(arrow: Any) -> dict[str, list[tuple[str, Any]]]:  # noqa: ANN401 - as above
    text, number = arrow.string(), arrow.int64()
    numbers = arrow.list_(text)
    return {
        "group": [
            *(("campaign", text), ("group", number), ("to", numbers)),
            *(("state", text), ("message_id", text), ("attempts", number)),
            *(("error_code", text), ("error_description", text)),
            *(("sent_at", arrow.timestamp("ms", tz="UTC")), ("dropped", numbers)),
        ],
        "recipient": [
            *(("campaign", text), ("group", number), ("number", text)),
            *(("state", text), ("message_id", text)),
            *(("delivery", text), ("error_code", number)),
        ],
    }
