"""How commands speak: text and tables for people, JSON for programs.

Answers go to stdout, everything about the way there to stderr. Nothing here knows what
a campaign is.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TextIO

from rich.console import Console, RenderableType
from rich.table import Table

#: In a pipe nothing is folded: lines stay lines for whatever reads them.
_PIPE_WIDTH: Final = 1000


def console(stream: TextIO) -> Console:
    """A console that prints what it is given: no markup, no guessed colours."""
    width = None if stream.isatty() else _PIPE_WIDTH
    return Console(file=stream, width=width, markup=False, emoji=False, highlight=False)


def say(text: str = "", *, style: str | None = None) -> None:
    """A line of the answer, never folded."""
    console(sys.stdout).print(text, style=style, soft_wrap=True)


def show(table: RenderableType) -> None:
    """A table of the answer."""
    screen = console(sys.stdout)
    if sys.stdout.isatty():
        screen.print(table)
        return
    with screen.capture() as lines:
        screen.print(table)
    # Cells are padded to their column's width, the last one for nothing.
    sys.stdout.writelines(f"{line.rstrip()}\n" for line in lines.get().splitlines())


def remark(text: str) -> None:
    """A line beside the answer."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def tell_json(value: object) -> None:
    """The answer for a program: one line of JSON, out before what follows."""
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def watched() -> bool:
    """Whether a person looks on: only then is anything shown that moves."""
    return can_move(sys.stderr)


def can_move(stream: TextIO) -> bool:
    """Whether a picture on it can be replaced by the next."""
    return stream.isatty() and not console(stream).is_dumb_terminal


@contextmanager
def busy(what: str) -> Iterator[None]:
    """Show on a terminal that something takes its time."""
    if not watched():
        yield
        return
    screen = console(sys.stderr)
    with screen.status(what, spinner="line" if screen.options.ascii_only else "dots"):
        yield


def grid(rows: Iterable[tuple[str, str]]) -> Table:
    """Names and values in two columns."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(name, value)
    return table


def table(*heads: str) -> Table:
    """A table without a frame; heads that begin with `#` are of numbers."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for head in heads:
        number = head.startswith("#")
        made.add_column(
            head.removeprefix("#"),
            justify="right" if number else "left",
            no_wrap=number,
            overflow="fold",
        )
    return made


def short(path: Path) -> str:
    """The path as people write it."""
    path = path.resolve()
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)
