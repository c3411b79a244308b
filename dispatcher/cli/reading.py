"""`dispatcher status` and `dispatcher verify`: what is so, without changing it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from dispatcher.books import Verification
from dispatcher.cli import report
from dispatcher.cli.options import AsJson, CampaignId, campaign, option
from dispatcher.cli.screen import busy, count, say, show, table, tell_json
from dispatcher.cli.words import state_and_reason
from dispatcher.client import Dispatcher
from dispatcher.errors import DispatchError, InvalidInput, UnknownCampaign
from dispatcher.ledger.identity import VERIFIED
from dispatcher.results import Progress


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(status)
    app.command()(verify)


# -- status --------------------------------------------------------------------


def status(
    id_: Annotated[
        str | None,
        typer.Argument(metavar="[ID]", show_default=False, help="One campaign only."),
    ] = None,
    *,
    json: AsJson = False,
) -> None:
    """Show where a campaign stands, or list all."""
    if id_ is None:
        _list(as_json=json)
        return
    with campaign(id_) as run:
        now = run.progress()
        if json:
            tell_json(now.as_row())
        else:
            report.progress(now, run.errors())


def _list(*, as_json: bool) -> None:
    with Dispatcher() as dispatcher:
        rows = list(_all(dispatcher))
    if as_json:
        tell_json([row.as_row() for row in rows])
    elif rows:
        show(_overview(rows))
    else:
        say("no campaigns yet; submit one with: dispatcher submit --help")


def _all(dispatcher: Dispatcher) -> Iterator[Progress]:
    for run in dispatcher.campaigns():
        try:
            yield run.progress()
        except UnknownCampaign:
            # Its loading died long ago, and what was noted of it has expired.
            continue


def _overview(rows: list[Progress]) -> Table:
    made = table("campaign", "state", "#groups", "#accepted", "#failed", "#open")
    for row in rows:
        counts = (row.counts["accepted"], row.counts["failed"])
        still_open = row.groups - row.settled + row.counts["held"]
        made.add_row(
            row.id,
            state_and_reason(row.state, row.reason),
            *(f"{number:,}" for number in (row.groups, *counts, still_open)),
        )
    return made


# -- verify --------------------------------------------------------------------


def verify(
    id_: CampaignId,
    *,
    provider: Annotated[
        bool, option("--provider", "Ask the provider, too; not built yet.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Recount a campaign; exit 1 if its books do not balance."""
    if provider:
        raise InvalidInput("--provider: not built yet; leave it out")
    with campaign(id_) as run:
        with busy("recounting"):
            found = run.verify()
        if json:
            tell_json(asdict(found) | {"balanced": found.balanced})
        else:
            verdict(found, run.progress())
    if not found.balanced:
        raise DispatchError(
            f"the books of {id_} do not balance: " + "; ".join(found.differences)
        )


def verdict(found: Verification, now: Progress) -> None:
    """The recount as a table, and what it proves."""
    show(_recount(found, now))
    if found.balanced:
        say("the books balance: every row of the list is accounted for")
    if now.reason == VERIFIED:
        say(_risk(now))


def _risk(now: Progress) -> str:
    """What a person must know before a campaign of a set-back ledger goes on."""
    waiting = now.counts["pending"] + now.counts["retry"] + now.counts["unknown"]
    return (
        f"the ledger was set back: {count(waiting, 'group')} wait in it, and it cannot "
        "know which of them were sent since. These would be sent a second time by: "
        f"dispatcher resume {now.id}"
    )


def _recount(found: Verification, now: Progress) -> Table:
    made = table("#counted", "what")
    made.add_row(f"{now.recipients:,}", "rows of the list")
    made.add_row(f"{found.members:,}", "  recipients in groups")
    for reason, number in {**now.rejected, **now.dropped}.items():
        made.add_row(f"{number:,}", f"  left out: {reason}")
    made.add_row(f"{found.groups:,}", "groups")
    for state, number in found.counts.items():
        if number:
            made.add_row(f"{number:,}", f"  {state}")
    return made
