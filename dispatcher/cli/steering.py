"""`pause`, `resume`, `cancel`, `retry`, `resolve`: what a person orders."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from dispatcher.cli.options import AsJson, CampaignId, campaign, option
from dispatcher.cli.screen import busy, remark, say, tell_json
from dispatcher.errors import DispatchError, InvalidInput
from dispatcher.order import check_message_id
from dispatcher.run import Run
from dispatcher.sendcodes import may_be_retried
from dispatcher.words import count, explain_code, state_and_reason


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (pause, resume, cancel, retry, resolve):
        app.command()(command)


def pause(id_: CampaignId, *, json: AsJson = False) -> None:
    """Send nothing more until `resume`; waits for what is on its way."""
    with campaign(id_) as run:
        with busy("waiting for what is on its way"):
            sending = run.pause()
        if json:
            tell_json(_state(run) | {"sending": sending})
            return
        say(f"campaign {id_} is paused; go on with: dispatcher resume {id_}")
        if sending:
            say(f"still without an answer: groups {', '.join(map(str, sending))}")


def resume(id_: CampaignId, *, json: AsJson = False) -> None:
    """Go on after a pause."""
    with campaign(id_) as run:
        run.resume()
        _tell(run, as_json=json)


def cancel(id_: CampaignId, *, json: AsJson = False) -> None:
    """Send nothing more of a campaign, for good."""
    with campaign(id_) as run:
        run.cancel()
        _tell(run, as_json=json)


def _tell(run: Run, *, as_json: bool) -> None:
    state = _state(run)
    if as_json:
        tell_json(state)
    else:
        say(f"campaign {run.id} is {state['state']}")


def _state(run: Run) -> dict[str, object]:
    return {"id": run.id, "state": run.progress().state}


# -- retry ---------------------------------------------------------------------


def retry(
    id_: CampaignId,
    *,
    failed: Annotated[
        bool, option("--failed", "Groups that failed; so it is if nothing is named.")
    ] = False,
    held: Annotated[
        bool, option("--held", "Groups that may have been taken; asks first.")
    ] = False,
    refused: Annotated[
        bool,
        option("--refused", "Also what the provider refused; mend why first."),
    ] = False,
    yes: Annotated[bool, option("--yes", "Do not ask.")] = False,
    json: AsJson = False,
) -> None:
    """Send groups again that failed or are held.

    A group that failed is sent again if its code says that it may be taken now; what
    the provider refused it would refuse again, until you have mended the cause.
    """
    with campaign(id_) as run:
        failed = failed or refused or not held
        again, left = _by_code(run, refused=refused) if failed else ({}, {})
        _announce(again, left)
        if not (_wanted(again, yes=yes) and (not held or _agreed(run, yes=yes))):
            raise DispatchError("nothing was sent again")
        asked = run.retry(failed=bool(again), held=held, codes=again)
        if json:
            tell_json(_state(run) | {"retried": asked, "left": left})
        else:
            _tell_retried(run, asked)


def _by_code(run: Run, *, refused: bool) -> tuple[dict[str, int], dict[str, int]]:
    """Failed groups by code: those to send again, and the rest."""
    errors = run.errors()
    again = {c: n for c, n in errors.items() if refused or may_be_retried(c)}
    return again, {code: n for code, n in errors.items() if code not in again}


def _announce(again: dict[str, int], left: dict[str, int]) -> None:
    """What will happen, and why."""
    for code, number in again.items():
        remark(f"{count(number, 'group')} ({code}): to be sent again")
    for code, number in left.items():
        why = explain_code(code)
        remark(f"{count(number, 'group')} ({code}): not sent again: {why}")
    if left:
        remark("they would be refused again; once the cause is mended, pass --refused")


def _wanted(again: dict[str, int], *, yes: bool) -> bool:
    """Whether a person who looks on agrees; it is harmless, so a program may do it."""
    if yes or not again or not sys.stdin.isatty():
        return True
    return typer.confirm(f"Send {count(sum(again.values()), 'group')} again?", err=True)


def _tell_retried(run: Run, asked: int) -> None:
    say(f"{count(asked, 'group')} of campaign {run.id} will be sent again")
    now = run.progress()
    if asked and now.state == "paused":
        told = state_and_reason(now.state, now.reason)
        say(f"it is {told}; they wait for: dispatcher resume {run.id}")


def _agreed(run: Run, *, yes: bool) -> bool:
    """Whether held groups may be sent again, which can reach people twice.

    Raises:
        InvalidInput: There is nobody to ask.
    """
    held = run.progress().counts["held"]
    if not held:
        return True
    risk = f"{count(held, 'held group')} may have been taken by the provider already"
    if yes:
        remark(f"{risk}; whoever got the message gets it again")
        return True
    if not sys.stdin.isatty():
        raise InvalidInput(
            f"{risk}: look at them with dispatcher results {run.id} --state held, "
            "then pass --yes"
        )
    return typer.confirm(f"{risk}. Send them again?", err=True)


# -- resolve -------------------------------------------------------------------


def resolve(
    id_: CampaignId,
    group: Annotated[
        int,
        typer.Argument(
            metavar="GROUP",
            show_default=False,
            help="The group's number, as in the results.",
        ),
    ],
    *,
    sent: Annotated[
        str | None,
        option("--sent MESSAGE_ID", "It was sent: the provider's message id."),
    ] = None,
    not_sent: Annotated[
        bool, option("--not-sent", "It was not sent, and is to be.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Say what you found out about a held or unknown group."""
    message_id = _found(sent, not_sent=not_sent)
    with campaign(id_) as run:
        run.resolve(group, message_id=message_id)
        state = "retry" if message_id is None else "accepted"
        if json:
            tell_json({"id": id_, "group": group, "state": state})
        elif message_id is None:
            say(f"group {group} of campaign {id_} will be sent again")
        else:
            say(f"group {group} of campaign {id_} is accepted as {message_id}")


def _found(sent: str | None, *, not_sent: bool) -> str | None:
    if (sent is None) == (not not_sent):
        raise InvalidInput("pass either --sent MESSAGE_ID or --not-sent")
    if sent is None:
        return None
    try:
        return check_message_id(sent)
    except InvalidInput as error:
        raise InvalidInput(f"--sent: {error}") from None
