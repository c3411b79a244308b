"""`dispatcher demo`: the whole system on this machine, from list to results."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.table import Table

from dispatcher.campaign import Campaign
from dispatcher.cli import report
from dispatcher.cli.demo_list import opted_out, write_list
from dispatcher.cli.demo_parts import Interrupts, Stage
from dispatcher.cli.exports import export
from dispatcher.cli.options import option
from dispatcher.cli.reading import verdict
from dispatcher.cli.screen import grid, remark, say, show, table, watched
from dispatcher.cli.waiting import Bar, Show, looks, speed
from dispatcher.client import Dispatcher
from dispatcher.errors import DispatchError
from dispatcher.exports import write_csv
from dispatcher.recipients import read_recipients
from dispatcher.results import Progress
from dispatcher.run import Run
from dispatcher.settings import Settings
from dispatcher.words import count, duration

ID: Final = "demo"
TEXT: Final = "The school fair opens its doors at 6 pm. See you there!"
#: Seconds that sending may take; it is planned to take a quarter of that.
DEADLINE_S: Final = 55.0
_PLANNED_S: Final = 12.0
#: Units a second at least: slow enough to watch a thousand recipients go by.
_SLOWEST: Final = 250.0
#: Seconds between two lines of progress in a pipe.
_LINE_S: Final = 1.0


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(demo)


def demo(
    *,
    recipients: Annotated[
        int, option("--recipients N", "Rows of the sample list.", min=1, max=100_000)
    ] = 1000,
) -> None:
    """Show the whole system at work; nothing real is sent.

    It needs no server and no account: it brings its own server and a simulated
    provider, sends a sample list, and ends whatever it started.
    """
    began = time.monotonic()
    data = Settings.load().data_path / "demo"
    rate = max(_SLOWEST, recipients / _PLANNED_S)
    with Interrupts() as interrupts:
        say("starting a server, a simulated provider and a worker ...")
        with Stage(data, rate) as stage, interrupts.allowed(), _telling(stage):
            play(stage, data, recipients)
    say(f"everything has ended, after {duration(time.monotonic() - began)}")


def play(stage: Stage, data: Path, recipients: int) -> None:
    """From list to results.

    Raises:
        DispatchError: It did not come out as it must.
    """
    write_list(data / "list.csv", recipients)
    with Dispatcher(stage.settings) as dispatcher:
        dispatcher.suppress(opted_out(recipients))
        run = _submit(dispatcher, data)
        _watch(run, stage)
        _conclude(run, stage, data)


@contextmanager
def _telling(stage: Stage) -> Iterator[None]:
    """Show the worker's last words when something fails."""
    try:
        yield
    except DispatchError:
        remark("the worker's last words:")
        for line in stage.worker.tail():
            remark(f"  {line}")
        raise


def _submit(dispatcher: Dispatcher, data: Path) -> Run:
    settings = dispatcher.settings
    assert settings.number is not None
    campaign = Campaign(sender=settings.number, text=TEXT, tag="demo")
    run = dispatcher.submit(campaign, read_recipients(data / "list.csv"), id=ID)
    assert run.submission is not None
    done = run.submission
    rows, groups = count(done.recipients, "row"), count(done.groups, "group")
    say(
        f"sending: {rows}, {report.left_out(done):,} left out, makes {groups}; "
        f"at most {settings.account_rate:,.0f} units/s"
    )
    return run


# -- while it runs -------------------------------------------------------------


class Lines:
    """Progress in a pipe: a line a second."""

    def __init__(self) -> None:
        self._began = self._due = time.monotonic()

    def show(self, progress: Progress) -> None:
        """Show the latest, if it is time."""
        now = time.monotonic()
        if now < self._due and not progress.finished:
            return
        self._due = now + _LINE_S
        share = f"{progress.settled:,} of {count(progress.groups, 'group')}"
        say(f"{now - self._began:4.0f} s  {share}  {speed(progress)}".rstrip())


def _watch(run: Run, stage: Stage) -> None:
    """Show progress until the campaign is done.

    Raises:
        DispatchError: It takes too long, pauses, or the worker died.
    """
    end = time.monotonic() + DEADLINE_S
    with Bar() as bar:
        display: Show = bar if watched() else Lines()
        for progress in looks(run):
            display.show(progress)
            stage.worker.check()
            if time.monotonic() > end:
                raise DispatchError(f"the campaign did not end in {DEADLINE_S:.0f} s")
    if progress.state != "done":
        raise DispatchError(report.shortfall(progress))


# -- afterwards ----------------------------------------------------------------


def _conclude(run: Run, stage: Stage, data: Path) -> None:
    """Show what happened, and check it.

    Raises:
        DispatchError: The books and the provider's record do not agree.
    """
    export(run, data / "results.csv", write=write_csv)
    end, found = run.progress(), run.verify()
    _tables(run, end)
    say()
    show(_answers(stage))
    say()
    verdict(found, end)
    say()
    _files(run, data)
    if not found.balanced:
        raise DispatchError("the books do not balance: " + "; ".join(found.differences))
    _compare(end, stage)


def _tables(run: Run, end: Progress) -> None:
    assert run.submission is not None
    if run.submission.rejections_file:
        say()
        done = run.submission
        show(report.left_out_rows(done.rejected, done.dropped))
    say()
    show(report.states(end.counts))
    if errors := run.errors():
        say()
        show(report.failures(errors))


#: What the simulated provider's answers mean here.
_ANSWERS: Final = {
    "202": "taken",
    "400": "refused",
    "429": "its queue was full: sent again",
    "500": "a fault of its own: sent again",
}


def _answers(stage: Stage) -> Table:
    """What the provider saw and said; the witness that is not the ledger."""
    made = table("#requests", "answer", "what it means")
    for status, number in sorted(stage.simulator.stats().answers.items()):
        made.add_row(f"{number:,}", status, _ANSWERS.get(status, ""))
    return made


def _files(run: Run, data: Path) -> None:
    assert run.submission is not None
    files = [("list", data / "list.csv"), ("results", data / "results.csv")]
    if run.submission.rejections_file:
        files.append(("left out", run.submission.rejections_file))
    show(grid((name, str(path)) for name, path in files))


def _compare(end: Progress, stage: Stage) -> None:
    """The provider's own record against the ledger."""
    taken = Counter(entry.to for entry in stage.simulator.record() if entry.taken)
    if twice := sum(number > 1 for number in taken.values()):
        raise DispatchError(f"{count(twice, 'group')} got the message twice")
    if len(taken) != end.counts["accepted"]:
        raise DispatchError(
            f"the provider took {count(len(taken), 'group')}, "
            f"the ledger says {end.counts['accepted']:,}"
        )
