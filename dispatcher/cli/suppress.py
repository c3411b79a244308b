"""`dispatcher suppress`: people who get nothing any more."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import IO, Annotated, Final, TypeAlias

import typer

from dispatcher.cli.examples import add_examples
from dispatcher.cli.options import AsJson, option
from dispatcher.cli.report import left_out_rows
from dispatcher.cli.screen import busy, say, show, table, tell_json
from dispatcher.client import Dispatcher
from dispatcher.errors import ListRejected
from dispatcher.exports import whole_file
from dispatcher.ledger.suppressions import ALL
from dispatcher.listfile import STDIN
from dispatcher.numbers import DEFAULT_REGION, mask
from dispatcher.optoutlist import COLUMNS, OptOutList
from dispatcher.suppression import Suppression
from dispatcher.words import count

#: Entries listed unless more are asked for.
_LISTED: Final = 100

Numbers: TypeAlias = Annotated[
    list[str],
    typer.Argument(
        metavar="NUMBER",
        show_default=False,
        help="Phone numbers, written in any usual way.",
    ),
]
Sender: TypeAlias = Annotated[
    str | None, option("--sender NUMBER", "For this sender only.  [default: all]")
]
Region: TypeAlias = Annotated[
    str, option("--region CC", "Country of numbers without its code.")
]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    family = typer.Typer(
        rich_markup_mode=None,
        no_args_is_help=True,
        help=(
            "Keep the list of people who get nothing any more.\n\n"
            "They are left out of what is submitted, and out of what runs already."
        ),
    )
    for command in (add, remove, list_, import_, export):
        family.command(command.__name__.rstrip("_"))(command)
    add_examples(family.registered_commands, "suppress")
    app.add_typer(family, name="suppress")


def add(
    numbers: Numbers,
    *,
    sender: Sender = None,
    region: Region = DEFAULT_REGION,
    json: AsJson = False,
) -> None:
    """Send these people nothing any more."""
    with Dispatcher() as dispatcher:
        added = dispatcher.suppress(numbers, sender, region=region)
    _tell("added", added, as_json=json)


def remove(
    numbers: Numbers,
    *,
    sender: Sender = None,
    region: Region = DEFAULT_REGION,
    json: AsJson = False,
) -> None:
    """Take people off the list who want messages again."""
    with Dispatcher() as dispatcher:
        removed = dispatcher.unsuppress(numbers, sender, region=region)
    _tell("removed", removed, as_json=json)


def _tell(done: str, number: int, *, as_json: bool) -> None:
    if as_json:
        tell_json({done: number})
    else:
        say(f"{count(number, 'number')} {done}")


# -- list ----------------------------------------------------------------------


def list_(
    *,
    sender: Annotated[
        str | None,
        option("--sender NUMBER", "Whom this sender may not write to.  [default: all]"),
    ] = None,
    limit: Annotated[
        int, option("--limit N", "Show at most so many.", min=0)
    ] = _LISTED,
    json: AsJson = False,
) -> None:
    """Show who is on it, with numbers masked; `export` has them in full."""
    with Dispatcher() as dispatcher:
        total = dispatcher.suppressed_count(sender)
        shown = [_masked(one) for one in islice(dispatcher.suppressed(sender), limit)]
    if json:
        tell_json({"total": total, "entries": shown})
    elif total:
        _show(total, shown)
    else:
        say("nobody is on the list")


def _masked(one: Suppression) -> dict[str, str]:
    row = one.as_row()
    scope = row["scope"] if row["scope"] == ALL else mask(int(row["scope"]))
    return row | {"number": mask(int(row["number"])), "scope": scope}


#: Where entries come from, in plain words.
_SOURCES: Final = {
    "stop": "they wrote STOP",
    "code": "the provider refused a message: they had opted out",
    "hand": "entered by hand",
    "import": "imported",
}


def _show(total: int, rows: list[dict[str, str]]) -> None:
    made = table("number", "for", "since", "why")
    for row in rows:
        whom = "all senders" if row["scope"] == ALL else row["scope"]
        made.add_row(row["number"], whom, row["since"][:10], _SOURCES[row["source"]])
    show(made)
    if total > len(rows):
        more = total - len(rows)
        say(f"and {more:,} more; all of them: dispatcher suppress export")


# -- files ---------------------------------------------------------------------


def import_(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            show_default=False,
            help="Any list that `submit` reads, or an export; - for stdin.",
        ),
    ],
    *,
    column: Annotated[
        str | None,
        option("--column COLUMN", "The number's column, by name or counted from 1."),
    ] = None,
    region: Region = DEFAULT_REGION,
    sender: Sender = None,
    json: AsJson = False,
) -> None:
    """Add everybody in a file; bad rows are counted, the rest goes on."""
    read = OptOutList(file, column=column, region=region, sender=sender)
    with Dispatcher() as dispatcher, busy("reading"):
        added = dispatcher.store_suppressions(read)
    if not read.accepted:
        raise ListRejected(f"none of {count(read.rows, 'row')} holds a phone number")
    if json:
        tell_json(
            {
                "rows": read.rows,
                "added": added,
                "rejected": dict(read.rejected),
                "dropped": dict(read.dropped),
            }
        )
    else:
        _tell_import(read, added)


def _tell_import(read: OptOutList, added: int) -> None:
    known = read.accepted - added
    told = f"{count(read.rows, 'row')} read, {count(added, 'number')} added"
    say(f"{told}, {known:,} known already" if known else told, style="bold")
    if read.rejected or read.dropped:
        show(left_out_rows(read.rejected, read.dropped))


def export(
    *,
    sender: Annotated[
        str | None,
        option("--sender NUMBER", "Whom this sender may not write to.  [default: all]"),
    ] = None,
    output: Annotated[
        Path | None, option("--output FILE", "Where to, instead of stdout.")
    ] = None,
) -> None:
    """Write everybody as CSV, numbers in full; `import` reads it back."""
    with Dispatcher() as dispatcher:
        entries = dispatcher.suppressed(sender)
        if output is None or str(output) == STDIN:
            _write(entries, sys.stdout)
            return
        with whole_file(output, option="--output") as file:
            number = _write(entries, file)
        say(f"{count(number, 'number')} written to {output}")


def _write(entries: Iterable[Suppression], file: IO[str]) -> int:
    writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
    writer.writeheader()
    number = 0
    for number, entry in enumerate(entries, 1):  # noqa: B007 - counted to the end
        writer.writerow(entry.as_row())
    return number
