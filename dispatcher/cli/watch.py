"""`dispatcher watch`: a campaign, or all that run, as they go."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Final, Protocol

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from dispatcher.cli import report
from dispatcher.cli.eyes import Eye, Eyes, rates_of
from dispatcher.cli.options import AsJson
from dispatcher.cli.screen import can_move, console, grid, say, table, tell_json
from dispatcher.cli.waiting import looks
from dispatcher.cli.watching import View
from dispatcher.client import Dispatcher
from dispatcher.results import Progress
from dispatcher.words import count, duration, state_and_reason

#: Seconds between two lines in a pipe.
_LINE_S: Final = 2.0
#: Seconds between two looks at all campaigns.
_ALL_S: Final = 1.0
_BAR: Final = 20


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(watch)


def watch(
    id_: Annotated[
        str | None,
        typer.Argument(metavar="[ID]", show_default=False, help="One campaign only."),
    ] = None,
    *,
    json: AsJson = False,
) -> None:
    """Watch a campaign, or all that run, until the end.

    A pause is an end, too: nothing more happens by itself. In a pipe it writes a line
    every two seconds. Ctrl-C leaves; the campaign goes on.
    """
    with Dispatcher() as dispatcher:
        if id_ is None:
            _watch_all(dispatcher, as_json=json)
        else:
            rates = rates_of(dispatcher.settings)
            id_ = dispatcher.campaign(id_).id
            _watch_one(Eye(dispatcher.ledger, id_, rates), as_json=json)


# -- one -----------------------------------------------------------------------


class Screen(Protocol):
    """Something that a campaign is shown on."""

    def show(self, view: View) -> None:
        """Show the latest."""


def _watch_one(eye: Eye, *, as_json: bool) -> None:
    with _screen(as_json=as_json) as screen:
        for _ in looks(eye):
            screen.show(eye.view())
    if not as_json:
        say(eye.view().verdict())


@contextmanager
def _screen(*, as_json: bool) -> Iterator[Screen]:
    if as_json or not can_move(sys.stdout):
        yield Lines(as_json=as_json)
        return
    with _live() as live:
        yield Picture(live)


def _live() -> Live:
    return Live(console=console(sys.stdout), auto_refresh=False)


class Picture:
    """A campaign on a terminal, always in the same place."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def show(self, view: View) -> None:
        """Show the latest."""
        self._live.update(picture(view), refresh=True)


class Lines:
    """A campaign in a pipe: a line now and then."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._due = time.monotonic()

    def show(self, view: View) -> None:
        """Show the latest, if it is time or the last time."""
        now = view.progress
        at_rest = now.finished or now.state == "paused"
        if time.monotonic() < self._due and not at_rest:
            return
        self._due = time.monotonic() + _LINE_S
        if self._as_json:
            tell_json(view.as_row())
        else:
            say(view.line())
            sys.stdout.flush()


def picture(view: View) -> RenderableType:
    """A campaign for a terminal."""
    now = view.progress
    parts: list[RenderableType] = [grid(_head(view)), "", _bar(now)]
    if any(now.counts.values()):
        parts += ["", report.states(now.counts)]
    if view.errors:
        parts += ["", report.failures(view.errors)]
    if now.codes:
        parts += ["", report.undelivered(now.codes)]
    return Group(*parts, "")


def _head(view: View) -> Iterator[tuple[str, str]]:
    now = view.progress
    yield "campaign", now.id
    yield "state", state_and_reason(now.state, now.reason)
    yield from view.facts()
    yield from report.deliveries(now)


def _bar(now: Progress) -> Table:
    row = Table.grid(padding=(0, 2))
    share = f"{now.settled:,} of {count(now.groups, 'group')}"
    row.add_row(_drawn(now.settled, now.groups or 1), share)
    return row


def _drawn(done: int, total: int) -> RenderableType:
    screen = console(sys.stdout)
    if screen.options.ascii_only or screen.no_color:
        # Without colours nobody could tell its end from its beginning.
        full = _BAR * done // total
        return f"[{'#' * full}{'.' * (_BAR - full)}]"
    return ProgressBar(total, done, width=_BAR)


# -- all -----------------------------------------------------------------------


def _watch_all(dispatcher: Dispatcher, *, as_json: bool) -> None:
    eyes = Eyes(dispatcher.ledger, rates_of(dispatcher.settings))
    views = eyes.views()
    if not views and not as_json:
        say("no campaign is running; all of them: dispatcher status")
    if as_json or not can_move(sys.stdout):
        while _tell_all(views, as_json=as_json):
            time.sleep(_LINE_S)
            views = eyes.views()
        return
    with _live() as live:
        while _running(views):
            live.update(overview(views), refresh=True)
            time.sleep(_ALL_S)
            views = eyes.views()
        live.update(overview(views) if views else "", refresh=True)


def _tell_all(views: list[View], *, as_json: bool) -> bool:
    """One line for each; whether any still runs."""
    if as_json:
        tell_json([view.as_row() for view in views])
    for view in () if as_json else views:
        say(f"{view.progress.id}  {view.line()}")
    sys.stdout.flush()
    return _running(views)


def _running(views: list[View]) -> bool:
    return any(v.progress.state not in _AT_REST for v in views)


_AT_REST: Final = ("done", "cancelled", "paused")


def overview(views: list[View]) -> Table:
    """All campaigns, a row each."""
    made = table("campaign", "state", "#groups", "#settled", "#units/s", "#left")
    for view in views:
        now = view.progress
        made.add_row(
            now.id,
            state_and_reason(now.state, now.reason),
            f"{now.groups:,}",
            f"{100 * now.settled // now.groups if now.groups else 0} %",
            "" if view.rate is None or not view.active else f"{view.rate:,.1f}",
            "" if view.left is None else duration(view.left),
        )
    return made
