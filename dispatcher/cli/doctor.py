"""`dispatcher doctor`: looks at everything, changes nothing, sends nothing."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import typer
from rich.table import Table
from rich.text import Text

from dispatcher import results
from dispatcher.cli import findings, findings_redis, up_note
from dispatcher.cli.account import Answer, ask, lacking
from dispatcher.cli.findings import Finding, Level
from dispatcher.cli.findings_redis import RedisFacts
from dispatcher.cli.options import AsJson
from dispatcher.cli.screen import busy, say, short, show, tell_json
from dispatcher.cli.vitals import inspect, plain_address, wake_ups
from dispatcher.client import Dispatcher
from dispatcher.embedded import ledger_address, redis_address
from dispatcher.errors import ConfigError, DispatchError
from dispatcher.ledger.vitals import vitals
from dispatcher.settings import Settings
from dispatcher.words import count

_STYLES: Final[dict[Level, str]] = {"ok": "green", "warning": "yellow", "fault": "red"}


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(doctor)


def doctor(*, json: AsJson = False) -> None:
    """Check settings, Redis, account and workers.

    It says what to do about everything that it finds, sends nothing, and shows no
    password and no number. The exit code is 1 if there is a fault.
    """
    with busy("looking"):
        found = list(examine())
    if json:
        tell_json([finding.as_row() for finding in found])
    else:
        show(_table(found))
        say()
        say(_summary(found))
    if any(finding.level == "fault" for finding in found):
        raise typer.Exit(1)


def _table(found: list[Finding]) -> Table:
    made = Table.grid(padding=(0, 2))
    made.add_column(no_wrap=True)
    made.add_column(overflow="fold", max_width=20)
    made.add_column(overflow="fold")
    for finding in found:
        text = finding.found + (f"\n-> {finding.advice}" if finding.advice else "")
        level = Text(finding.level, style=_STYLES[finding.level])
        made.add_row(level, finding.check, text)
    return made


def _summary(found: list[Finding]) -> str:
    faults = sum(finding.level == "fault" for finding in found)
    warnings = sum(finding.level == "warning" for finding in found)
    if not faults and not warnings:
        return "everything is well"
    return f"{count(faults, 'fault')}, {count(warnings, 'warning')}"


# -- what is looked at ---------------------------------------------------------


def examine() -> Iterator[Finding]:
    """Look at everything that can be looked at."""
    try:
        settings = Settings.load()
    except ConfigError as error:
        yield from findings.bad_settings(str(error))
        return
    yield Finding("ok", "settings", "all of them can be used")
    yield _data(settings)
    yield findings.rates(settings, running=up_note.running(settings))
    yield from _account(settings)
    yield from _redis(settings)


def _data(settings: Settings) -> Finding:
    path = settings.data_path
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=path) as file:
            file.write(b"x")
    except OSError as error:
        found = f"{short(path)} cannot be written: {error.strerror}"
        return Finding("fault", "data", found, "set DISPATCHER_DATA_DIR")
    return Finding("ok", "data", short(path))


def _account(settings: Settings) -> Iterator[Finding]:
    note = up_note.running(settings)
    if note and note.simulator:
        found = f"simulated by `dispatcher up`: {note.simulator}"
        yield Finding("ok", "provider", found)
        return
    if missing := lacking(settings):
        yield _no_account(settings, missing)
        return
    yield from findings.application(settings)
    answer: Answer = ask(settings)
    yield findings.provider(answer.status, answer.step)


def _no_account(settings: Settings, missing: str) -> Finding:
    begun = any((settings.account_id, settings.username, settings.client_id))
    advice = "set it where `dispatcher worker` runs"
    level: Level = "fault" if begun else "warning"
    return Finding(level, "provider", missing, advice)


def _redis(settings: Settings) -> Iterator[Finding]:
    try:
        broker, ledger = redis_address(settings), ledger_address(settings)
    except ConfigError as error:
        _, _, advice = str(error).partition(": ")
        yield Finding("fault", "Redis", "none is set, and none runs here", advice)
        return
    yield from _server("Redis", ledger, findings_redis.examine_redis)
    if broker != ledger:
        yield from _server("broker", broker, lambda _: ())
    yield from _tolerant(lambda: _life(settings))


def _server(
    name: str, url: str, judge: Callable[[RedisFacts], Any]
) -> Iterator[Finding]:
    try:
        facts = inspect(url, time.time)
    except DispatchError:
        found = f"{plain_address(url)} does not answer"
        advice = "start it, or correct address and password in DISPATCHER_REDIS_URL"
        yield Finding("fault", name, found, advice)
        return
    yield Finding("ok", name, plain_address(url))
    yield from judge(facts)


def _life(settings: Settings) -> Iterator[Finding]:
    with Dispatcher(settings) as dispatcher:
        seen = dispatcher.ledger.run(vitals())
        yield findings.workers(seen.children, seen.ready)
        yield findings.queue(wake_ups(settings))
        yield findings.callbacks(seen.inbox, receiving=seen.receiving)
        yield from findings.campaigns(results.overview(dispatcher.ledger))
        graves = dispatcher.ledger.graves()
        yield from findings.half_archived([grave.id for grave in graves])


def _tolerant(look: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """What a look finds until Redis fails it; that was told before."""
    try:
        yield from look()
    except DispatchError:
        yield Finding("warning", "workers", "nothing is known: see Redis above")
