"""`dispatcher results`: one row a group or a recipient, streamed.

Numbers stand in full here. A file is never seen half-written under its name, and only
its owner may read it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Annotated, Literal, TypeAlias

import typer
from rich.progress import track

from dispatcher.cli.options import CampaignId, campaign, option
from dispatcher.cli.screen import console, say, watched
from dispatcher.exports import By, Row, whole_file, write_csv, write_jsonl
from dispatcher.run import Run
from dispatcher.words import count

Format: TypeAlias = Literal["csv", "jsonl"]


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


Writer: TypeAlias = Callable[[Iterable[Row], IO[str], By], int]


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
    with whole_file(output, option="--output") as file:
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
