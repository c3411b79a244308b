"""`dispatcher archive`: campaigns that are over, exported and then removed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

from dispatcher.archive import Archive, check_format, finish, obstacle
from dispatcher.cli.options import AsJson, option, parse_age, taking
from dispatcher.cli.screen import busy, remark, say, tell_json
from dispatcher.client import Dispatcher
from dispatcher.errors import DispatchError, InvalidInput, Refused
from dispatcher.ledger.rows import CampaignRow
from dispatcher.order import check_id
from dispatcher.words import count

_IDS = typer.Argument(metavar="[ID]...", show_default=False, help="Campaigns.")


@dataclass(frozen=True, kw_only=True)
class Call:
    """The options of `archive`."""

    ids: Annotated[list[str] | None, _IDS] = None
    older_than: Annotated[
        str | None,
        option("--older-than AGE", "All that ended so long ago: 30d, 12h, 4w."),
    ] = None
    format_: Annotated[
        Literal["csv", "jsonl", "parquet"], option("--format", "How to write it.")
    ] = "csv"
    output: Annotated[
        Path | None,
        option("--output DIR", "Where to.  [default: archive in the data directory]"),
    ] = None
    keep: Annotated[bool, option("--keep", "Only export; remove nothing.")] = False
    dry_run: Annotated[
        bool, option("--dry-run", "Only say what would be archived.")
    ] = False
    anyway: Annotated[
        bool, option("--anyway", "Also with held groups or deliveries to come.")
    ] = False
    yes: Annotated[bool, option("--yes", "Do not ask.")] = False
    json: AsJson = False


@dataclass(frozen=True, slots=True)
class _Plan:
    """What to archive, what was begun before, and what is left out and why."""

    rows: Sequence[CampaignRow]
    begun: Sequence[str] = ()
    left: Sequence[str] = ()


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(archive)


@taking(Call)
def archive(call: Call) -> None:
    """Export campaigns that are over, then remove them from Redis.

    A campaign is removed when its files are on the disk and agree with its books. Its
    id stays taken. A call that was cut off is repeated, and does no harm.
    """
    check_format(call.format_)
    with Dispatcher() as dispatcher:
        plan = _plan(call, dispatcher)
        _announce(plan, _directory(call, dispatcher))
        if not call.dry_run and not call.keep and plan.rows:
            _agree(plan, yes=call.yes)
        done: list[Archive] = []
        try:
            if not call.dry_run:
                _carry_out(call, dispatcher, plan, done)
        finally:
            # What is gone is told, whatever became of the rest.
            _tell(plan, done, as_json=call.json)


def _plan(call: Call, dispatcher: Dispatcher) -> _Plan:
    """What to do.

    Raises:
        InvalidInput: Neither ids nor an age were given, or both.
        UnknownCampaign: No campaign has one of these ids, or it is archived already.
        Refused: One of them cannot be archived.
    """
    if bool(call.ids) == bool(call.older_than):
        raise InvalidInput("name campaigns, or pass --older-than AGE")
    begun = [grave.id for grave in dispatcher.ledger.graves()]
    if call.older_than:
        age = parse_age(call.older_than, "--older-than")
        return _old(call, dispatcher, datetime.now(UTC) - age, begun)
    ids = dict.fromkeys(map(check_id, call.ids or ()))
    rows = [dispatcher.ledger.campaign(id_) for id_ in ids if id_ not in begun]
    for row in rows:
        if reason := obstacle(dispatcher.ledger, row, anyway=call.anyway):
            raise Refused(reason)
    return _Plan(rows, begun)


def _old(
    call: Call, dispatcher: Dispatcher, before: datetime, begun: Sequence[str]
) -> _Plan:
    rows, left = [], []
    end = before.timestamp() * 1000
    for row in dispatcher.ledger.campaigns():
        if not row.finished or row.ended_at >= end:
            continue
        reason = obstacle(dispatcher.ledger, row, anyway=call.anyway)
        if reason:
            left.append(reason)
        else:
            rows.append(row)
    return _Plan(rows, begun, left)


def _announce(plan: _Plan, directory: Path) -> None:
    """What will happen, and what not."""
    for row in plan.rows:
        ended = datetime.fromtimestamp(row.ended_at / 1000, UTC)
        remark(
            f"{row.id}: {count(row.groups, 'group')}, {row.state} since "
            f"{ended:%Y-%m-%d %H:%M} UTC, to {directory}"
        )
    for id_ in plan.begun:
        remark(f"{id_}: exported before; the rest of it is to be removed")
    for reason in plan.left:
        remark(f"left: {reason}")


def _agree(plan: _Plan, *, yes: bool) -> None:
    """Ask, unless that was answered already.

    Raises:
        InvalidInput: There is nobody to ask.
        DispatchError: The answer is no.
    """
    what = f"{count(len(plan.rows), 'campaign')} will be exported, then removed"
    if yes:
        return
    if not sys.stdin.isatty():
        raise InvalidInput(f"{what}: pass --yes, or --keep to export only")
    if not typer.confirm(f"{what}. Go on?", err=True):
        raise DispatchError("nothing was archived")


def _carry_out(
    call: Call, dispatcher: Dispatcher, plan: _Plan, done: list[Archive]
) -> None:
    """Archive what was planned, one after the other.

    Raises:
        DispatchError: Some could not be archived, or none can.
    """
    if not call.keep:
        begun = sorted(finish(dispatcher.ledger))
        done += (Archive(id_, removed=True) for id_ in begun)
    left = 0
    for row in plan.rows:
        try:
            with busy(f"archiving {row.id}"):
                done.append(_archived(call, dispatcher, row))
        except Refused as error:
            # This one only: the others are none the worse for it.
            remark(f"left: {error}")
            left += 1
    if left:
        raise DispatchError(f"{count(left, 'campaign')} could not be archived")


def _archived(call: Call, dispatcher: Dispatcher, row: CampaignRow) -> Archive:
    return dispatcher.archive(
        row.id,
        _directory(call, dispatcher),
        format=call.format_,
        keep=call.keep,
        anyway=call.anyway,
    )


def _directory(call: Call, dispatcher: Dispatcher) -> Path:
    return call.output or dispatcher.settings.data_path / "archive"


def _tell(plan: _Plan, done: Sequence[Archive], *, as_json: bool) -> None:
    if as_json:
        tell_json([each.as_row() for each in done])
        return
    for each in done:
        say(_line(each))
    if not (plan.rows or plan.begun or plan.left):
        say("nothing to archive")


def _line(done: Archive) -> str:
    if not done.files:
        return f"campaign {done.id}: the rest of it is removed"
    what = "exported and removed" if done.removed else "exported"
    return f"campaign {done.id} is {what}: {done.files[-1]} and two more files"
