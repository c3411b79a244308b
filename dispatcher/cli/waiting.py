"""Waiting for a campaign, and what a person sees meanwhile.

Nothing is shown in a pipe. A wait survives Redis being away for a minute.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Final, Protocol, Self

from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Display

from dispatcher.cli.screen import console, watched
from dispatcher.errors import LedgerUnreachable
from dispatcher.recipients import Recipients, Row
from dispatcher.results import Progress
from dispatcher.run import Run
from dispatcher.words import count, duration

#: Seconds between two looks at the ledger: lively, and no load.
LOOK_S: Final = 0.25
#: Seconds a command bears without Redis.
PATIENCE_S: Final = 60.0
#: While a group is in one of these, a campaign moves.
_MOVING: Final = ("pending", "claimed", "sending")
#: Rows between two signs of life while a list is read; a shorter list shows none.
_STEP: Final = 10_000


class Looked(Protocol):
    """Something that can be looked at again and again."""

    def progress(self) -> Progress:
        """Where it stands now."""


class Show(Protocol):
    """Something that a campaign's progress is shown on."""

    def show(self, progress: Progress) -> None:
        """Show the latest."""


def looks(
    run: Looked,
    *,
    sleep: Callable[[float], None] = time.sleep,
    now: Callable[[], float] = time.monotonic,
) -> Iterator[Progress]:
    """Look at a campaign until it ends or pauses; what it yields last is that.

    Raises:
        LedgerUnreachable: Redis was away for `PATIENCE_S`.
    """
    seen = now()
    while True:
        try:
            progress = run.progress()
        except LedgerUnreachable:
            if now() - seen >= PATIENCE_S:
                raise
        else:
            seen = now()
            yield progress
            if progress.finished or progress.state == "paused":
                return
        sleep(LOOK_S)


def wait(run: Run) -> Progress:
    """Wait until a campaign ends or pauses, with a bar if a person looks on."""
    with Bar() as bar:
        for progress in looks(run):
            bar.show(progress)
    return progress


class Bar:
    """A bar of settled groups on stderr; nothing where nobody looks on."""

    def __init__(self) -> None:
        self._display = Display(
            TextColumn("{task.description:<9}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("groups  {task.fields[more]}"),
            **_quietly(),
        )
        self._task = self._display.add_task("starting", total=None, more="")

    def __enter__(self) -> Self:
        self._display.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._display.stop()

    def show(self, progress: Progress) -> None:
        """Show the latest."""
        self._display.update(
            self._task,
            description=progress.state,
            total=progress.groups,
            completed=progress.settled,
            more=speed(progress),
        )


def speed(progress: Progress) -> str:
    """Units a second and the time left, as far as they are known."""
    counts = progress.counts
    if counts["retry"] and not any(counts[state] for state in _MOVING):
        # The average would sink, and the time left would be wrong.
        return f"{count(counts['retry'], 'group')} to be tried again later"
    if progress.rate is None:
        return ""
    left = f", {duration(progress.eta)} left" if progress.eta else ""
    return f"{progress.rate:,.0f} units/s{left}"


class Watched(Recipients):
    """A list that shows on a terminal how far it has been read, if it is long."""

    def __init__(self, recipients: Recipients) -> None:
        # The same list under another name: it is read the same way.
        vars(self).update(vars(recipients))

    def __iter__(self) -> Iterator[Row]:
        """Read the list; raises as `Recipients` does."""
        display = Display(
            TextColumn("reading  "),
            BarColumn(bar_width=24),
            TextColumn("{task.completed:,.0f} rows"),
            **_quietly(),
        )
        task = display.add_task("", total=None)
        try:
            for place, row in enumerate(super().__iter__(), 1):
                if not place % _STEP:
                    display.start()
                    display.update(task, completed=place)
                yield row
        finally:
            display.stop()


def _quietly() -> dict[str, Any]:
    """How every display behaves: on stderr, gone when done, nothing in a pipe."""
    return {
        "console": console(sys.stderr),
        "transient": True,
        "redirect_stdout": False,
        "disable": not watched(),
    }
