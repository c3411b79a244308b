"""`dispatcher results`: one row a group or a recipient, streamed.

Numbers stand in full here. A file is never seen half-written under its name, and only
its owner may read it.
"""

from __future__ import annotations

import csv
import json
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated, Any, Final, Literal, TypeAlias

import typer
from rich.progress import track

from dispatcher.cli.options import CampaignId, campaign, option
from dispatcher.cli.screen import console, say, watched
from dispatcher.errors import InvalidInput
from dispatcher.rejections import harmless
from dispatcher.run import Run
from dispatcher.words import count

Row: TypeAlias = Mapping[str, Any]
By: TypeAlias = Literal["group", "recipient"]
Format: TypeAlias = Literal["csv", "jsonl"]

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


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(results)


def results(
    id_: CampaignId,
    *,
    state: Annotated[
        str | None, option("--state STATE", "Only groups in this state.")
    ] = None,
    by: Annotated[By, option("--by", "A row a group, or a recipient.")] = "group",
    format_: Annotated[Format, option("--format", "How to write it.")] = "csv",
    output: Annotated[
        Path | None, option("--output FILE", "Where to, instead of stdout.")
    ] = None,
    as_json: Annotated[bool, option("--json", "The same as --format jsonl.")] = False,
) -> None:
    """Write what happened to every group or recipient.

    Numbers stand in full here: whoever reads the file sees who got the message.
    """
    with campaign(id_) as run:
        write = write_jsonl if as_json or format_ == "jsonl" else write_csv
        if output is None:
            write(_rows(run, state, by), sys.stdout, by)
        else:
            number = export(run, output, write=write, state=state, by=by)
            say(f"{count(number, by)} written to {output}")


Writer: TypeAlias = Callable[[Iterable[Row], IO[str], str], int]


def _rows(run: Run, state: str | None, by: By) -> Iterator[Row]:
    if by == "group":
        return (result.as_row() for result in run.results(state=state))
    return (result.as_row() for result in run.results(state=state, by="recipient"))


def export(
    run: Run,
    output: Path,
    *,
    write: Writer,
    state: str | None = None,
    by: By = "group",
) -> int:
    """Write results to a file; the number of rows.

    Raises:
        InvalidInput: The file cannot be created, or there is no such state.
        OSError: It cannot be written to its end.
    """
    rows = _rows(run, state, by)
    if watched():
        total = run.progress().groups if (by, state) == ("group", None) else None
        rows = _tracked(rows, total)
    with whole_file(output) as file:
        return write(rows, file, by)


def _tracked(rows: Iterator[Row], total: int | None) -> Iterator[Row]:
    return iter(
        track(
            rows,
            "writing",
            total=total,
            console=console(sys.stderr),
            transient=True,
        )
    )


# -- formats -------------------------------------------------------------------


def write_jsonl(rows: Iterable[Row], file: IO[str], _by: str) -> int:
    """Write one JSON object a line; the number of rows."""
    number = 0
    for number, row in enumerate(rows, 1):  # noqa: B007 - counted to the end
        file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return number


def write_csv(rows: Iterable[Row], file: IO[str], by: str) -> int:
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


# -- files ---------------------------------------------------------------------


@contextmanager
def whole_file(path: Path) -> Iterator[IO[str]]:
    """A file that takes its name when the block has ended well, else vanishes."""
    if path.exists() and not path.is_file():
        # A device or a pipe cannot be replaced; it has no half-written state either.
        with _opened(path) as file:
            yield file
        return
    # A link goes on pointing to the file that it points to.
    path = path.resolve()
    file = _draft(path)
    try:
        with file:
            yield file
        Path(file.name).replace(path)
    finally:
        Path(file.name).unlink(missing_ok=True)


def _opened(path: Path) -> IO[str]:
    try:
        return path.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise _unwritable(path, error) from None


def _draft(path: Path) -> IO[str]:
    try:
        return tempfile.NamedTemporaryFile(
            "w",
            dir=path.parent,
            prefix=f".{path.name}-",
            delete=False,
            encoding="utf-8",
            newline="",
        )
    except OSError as error:
        raise _unwritable(path, error) from None


def _unwritable(path: Path, error: OSError) -> InvalidInput:
    return InvalidInput(f"--output: {path} cannot be written: {error.strerror}")
