"""`status`, `explain` and `verify`: what is so, without changing it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated, Final

import typer
from rich.table import Table

from dispatcher import results
from dispatcher.audit import Comparison
from dispatcher.books import Verification
from dispatcher.cli import auditing, report
from dispatcher.cli.options import AsJson, CampaignId, campaign, option
from dispatcher.cli.screen import busy, say, show, table, tell_json
from dispatcher.client import Dispatcher
from dispatcher.errors import DispatchError
from dispatcher.explain import Explanation
from dispatcher.ledger.identity import VERIFIED
from dispatcher.results import Progress
from dispatcher.words import KINDS, count, duration, state_and_reason

#: Differences told on one line; JSON has all.
TOLD: Final = 20


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (status, explain, verify):
        app.command()(command)


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
        rows = list(results.overview(dispatcher.ledger))
    if as_json:
        tell_json([row.as_row() for row in rows])
    elif rows:
        show(_overview(rows))
    else:
        say("no campaigns yet; submit one with: dispatcher submit --help")


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


# -- explain -------------------------------------------------------------------


def explain(id_: CampaignId, *, json: AsJson = False) -> None:
    """Tell why nothing is sent now, or what limits the speed."""
    with campaign(id_) as run:
        found = run.explain()
        if json:
            tell_json(found.as_row())
            return
        say(f"campaign {id_} is {found.state}")
        for line in _reasons(found):
            say(line)


def _reasons(found: Explanation) -> Iterator[str]:
    if not found.reasons:
        yield "nothing stands in its way"
    for reason in found.reasons:
        left = f" (for {duration(reason.seconds)} more)" if reason.seconds else ""
        yield f"{KINDS[reason.kind]}: {reason.text}{left}"
        if reason.advice:
            yield f"  {reason.advice}"
    if any(reason.code.startswith("rate-") for reason in found.reasons):
        yield "rates are those of this environment; the workers go by theirs"


# -- verify --------------------------------------------------------------------


def verify(
    id_: CampaignId,
    *,
    provider: Annotated[
        bool, option("--provider", "Compare with what the provider has, too.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Recount a campaign; exit 1 if its books do not balance.

    With --provider the provider is asked what it has of the campaign (it keeps that for
    14 days), page by page, so that many groups take minutes.
    """
    with campaign(id_) as run:
        with busy("recounting"):
            found = run.verify()
        compared = auditing.compare(id_) if provider else None
        if json:
            tell_json(_as_row(found, compared))
        else:
            verdict(found, run.progress())
            if compared:
                say(_agreement(compared))
    if not found.balanced:
        raise DispatchError(
            f"the books of {id_} do not balance: " + "; ".join(found.differences)
        )
    if compared and compared.differences:
        raise DispatchError(_disagreement(id_, compared.differences))


def _as_row(found: Verification, compared: Comparison | None) -> dict[str, object]:
    row = asdict(found) | {"balanced": found.balanced}
    return row | ({"provider": asdict(compared)} if compared else {})


def _agreement(compared: Comparison) -> str:
    parts = [f"the provider has {count(compared.messages, 'message')} of this campaign"]
    if compared.not_found_yet:
        parts.append(f"{compared.not_found_yet:,} more are too new to be found yet")
    if compared.open:
        parts.append(f"{compared.open:,} of them are of groups still looked up")
    if compared.others:
        parts.append(f"{count(compared.others, 'other message')} of the same sender")
    if not compared.differences:
        parts.append("books and provider agree")
    return "; ".join(parts)


def _disagreement(id_: str, differences: list[str]) -> str:
    more = len(differences) - TOLD
    told = [*differences[:TOLD], *([f"and {more:,} more"] if more > 0 else [])]
    return f"the books of {id_} and the provider do not agree: " + "; ".join(told)


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
        "know which of them were sent since; the provider may: "
        f"dispatcher verify {now.id} --provider. Those that were sent "
        f"would be sent a second time by: dispatcher resume {now.id}"
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
