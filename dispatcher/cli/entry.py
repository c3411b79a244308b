"""The program `dispatcher`: its commands, and how every one of them ends."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from importlib.metadata import version
from io import TextIOWrapper
from types import FrameType
from typing import Annotated, Final, NoReturn

import typer
from typer.main import get_command

from dispatcher import logs
from dispatcher.cli import (
    archiving,
    demo,
    doctor,
    exports,
    flower,
    media,
    reading,
    running,
    serve,
    steering,
    submit,
    suppress,
    up,
    watch,
)
from dispatcher.cli.examples import add_examples
from dispatcher.cli.failures import CODES, judge

PROGRAM: Final = "dispatcher"
_DISTRIBUTION: Final = "group-dispatcher"

#: Plain help: it reads the same on a terminal, in a pipe and in a bug report.
app: Final = typer.Typer(rich_markup_mode=None)

_FAMILIES: Final = (
    *(demo, up, submit, reading, watch, exports, suppress),
    *(steering, archiving, media, running, serve, flower, doctor),
)
for module in _FAMILIES:
    module.add_to(app)
add_examples(app.registered_commands)
add_examples(media.app.registered_commands, "media")


def _show_version(asked: bool) -> None:  # noqa: FBT001 - as typer calls it
    if asked:
        typer.echo(f"{PROGRAM} {version(_DISTRIBUTION)}")
        raise typer.Exit


@app.callback()
def _about(
    *,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Print it and end."
        ),
    ] = False,
) -> None:
    """Send one group message to every group of a very long list.

    Start with `dispatcher demo`: it needs no server and no account.
    """


def run(arguments: Sequence[str]) -> int:
    """Carry out one command line.

    Returns:
        The exit code. What foreseeably went wrong is told in one line on stderr.
    """
    try:
        command = get_command(app)
        code = command.main(
            # Who types the bare name wants to know what there is.
            args=list(arguments) or ["--help"],
            prog_name=PROGRAM,
            standalone_mode=False,
        )
        sys.stdout.flush()
    except BrokenPipeError:
        _let_go_of_stdout()
        return 1
    except tuple(CODES) as error:
        return _told(error)
    return int(code or 0)


def _told(error: BaseException) -> int:
    code, line = judge(error)
    if line:
        sys.stderr.write(f"{PROGRAM}: {line}\n")
    return code


def _let_go_of_stdout() -> None:
    """Nobody reads any more; Python must not complain of that when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main() -> NoReturn:
    """Run as a program."""
    logs.configure("console", "warning")
    if isinstance(sys.stdout, TextIOWrapper):
        # A terminal that cannot show a letter gets a question mark, not a traceback.
        sys.stdout.reconfigure(errors="replace")
    # What a command leaves half-done is cleared away, as after Ctrl-C.
    signal.signal(signal.SIGTERM, _leave)
    sys.exit(run(sys.argv[1:]))


def _leave(number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)
