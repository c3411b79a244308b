"""`dispatcher submit`: load a list and start sending it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

import typer

from dispatcher.campaign import Campaign
from dispatcher.cli import report
from dispatcher.cli.account import at_provider
from dispatcher.cli.options import AsJson, option, parse_time, taking
from dispatcher.cli.screen import remark, say, tell_json
from dispatcher.cli.waiting import Watched, wait
from dispatcher.client import Dispatcher
from dispatcher.errors import DispatchError, InvalidInput
from dispatcher.forecast import Forecast, by_hours, forecast
from dispatcher.hours import Hours
from dispatcher.order import Order, Submission, check_id
from dispatcher.recipients import Recipients, read_recipients
from dispatcher.run import Run
from dispatcher.settings import Settings

_LIST = typer.Argument(
    metavar="LIST",
    show_default=False,
    help="CSV, TSV, JSON lines or one number a line; .gz too; - for stdin.",
)


@dataclass(frozen=True, kw_only=True)
class Call:
    """The options of `submit`; those of the message are checked by `Campaign`."""

    list_: Annotated[str, _LIST]
    sender: Annotated[
        str | None, option("--sender NUMBER", "From whom.  [default: $BW_NUMBER]")
    ] = None
    text: Annotated[str | None, option("--text TEXT", "What the message says.")] = None
    media: Annotated[
        list[str] | None,
        option(
            "--media FILE|URL",
            "An attachment; may be repeated. A file is uploaded.",
        ),
    ] = None
    tag: Annotated[
        str | None, option("--tag TAG", "Your own mark, kept and echoed.")
    ] = None
    application: Annotated[
        str | None,
        option(
            "--application ID",
            "Messaging application.  [default: $BW_APPLICATION_ID]",
        ),
    ] = None
    id_: Annotated[
        str | None, option("--id ID", "Makes a repeated call harmless; else random.")
    ] = None
    column: Annotated[
        str | None,
        option("--column COLUMN", "The number's column, by name or counted from 1."),
    ] = None
    group_by: Annotated[
        str | None, option("--group-by COLUMN", "Equal values go into one group.")
    ] = None
    group_size: Annotated[int, option("--group-size N", "Recipients in a group.")] = 10
    region: Annotated[
        str, option("--region CC", "Country of numbers without its code.")
    ] = "US"
    pace: Annotated[
        float | None, option("--pace U", "Units (recipients) a second at most.")
    ] = None
    priority: Annotated[
        int, option("--priority P", "-100 to 100; higher goes first.")
    ] = 0
    at: Annotated[
        str | None,
        option("--at TIME", "Begin then; 2026-12-01T18:00 is local time."),
    ] = None
    expires_at: Annotated[
        str | None, option("--expires-at TIME", "Give up then what is not sent.")
    ] = None
    hours: Annotated[
        str | None,
        option("--hours 09:00-20:00", "Send only then, by each recipient's own clock."),
    ] = None
    zone_column: Annotated[
        str | None,
        option("--zone-column COLUMN", "Time zones for --hours; else by the number."),
    ] = None
    stop_after: Annotated[
        int | None, option("--stop-after N", "Pause after N groups (canary).", min=1)
    ] = None
    max_attempts: Annotated[
        int, option("--max-attempts N", "Times one group is tried.")
    ] = 5
    error_threshold: Annotated[
        float | None,
        option("--error-threshold SHARE", "Pause when this share failed, 0 to 1."),
    ] = None
    max_units: Annotated[
        int | None,
        option("--max-units N", "Refuse a list that costs more units."),
    ] = None
    dry_run: Annotated[bool, option("--dry-run", "Only count and forecast.")] = False
    strict: Annotated[
        bool, option("--strict", "Submit nothing if any row is left out.")
    ] = False
    wait: Annotated[
        bool, option("--wait", "Wait for the end; exit 1 unless all were accepted.")
    ] = False
    json: AsJson = False


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(submit)


@taking(Call)
def submit(call: Call) -> None:
    """Load a list and start sending it.

    The campaign's id is printed on stderr before the list is read: a call that was
    cut off can be repeated with --id and does no harm.
    """
    settings = at_provider()
    campaign = _campaign(call, settings)
    if call.id_ is not None:
        check_id(call.id_)
    recipients = read_recipients(
        call.list_,
        column=call.column,
        group_by=call.group_by,
        zone_column=call.zone_column,
        region=call.region,
    )
    with Dispatcher(settings) as dispatcher:
        order = _order(call, dispatcher, campaign, recipients)
        if call.dry_run:
            _rehearse(call, dispatcher, order)
        else:
            _place(call, dispatcher, order)


def _campaign(call: Call, settings: Settings) -> Campaign:
    sender = call.sender or settings.number
    if not sender:
        raise InvalidInput("no sender: pass --sender or set BW_NUMBER")
    return Campaign(
        sender=sender,
        text=call.text,
        media=call.media or (),
        tag=call.tag,
        application_id=call.application,
        group_size=call.group_size,
        pace=call.pace,
        priority=call.priority,
        starts_at=parse_time(call.at, "--at"),
        expires_at=parse_time(call.expires_at, "--expires-at"),
        quiet_hours=_quiet(call.hours),
        max_attempts=call.max_attempts,
        error_threshold=call.error_threshold,
        max_units=call.max_units,
    )


def _quiet(hours: str | None) -> str | None:
    """Sending hours as quiet ones.

    Raises:
        InvalidInput: They are no hours.
    """
    if hours is None:
        return None
    try:
        return str(Hours.parse(hours).others)
    except InvalidInput as error:
        raise InvalidInput(f"--hours: {error}") from None


def _order(
    call: Call, dispatcher: Dispatcher, campaign: Campaign, recipients: Recipients
) -> Order:
    return dispatcher.order(
        campaign,
        Watched(recipients),
        call.id_,
        region=recipients.region,
        strict=call.strict,
        stop_after=call.stop_after,
        dry_run=call.dry_run,
    )


# -- for show ------------------------------------------------------------------


def _rehearse(call: Call, dispatcher: Dispatcher, order: Order) -> None:
    submission = _submission(dispatcher.place(order))
    outlook = _forecast(order, submission, dispatcher.settings)
    if call.json:
        # An id that was made up for this rehearsal means nothing to anybody.
        row = _row(submission) | {"id": call.id_, "forecast": outlook.as_row()}
        tell_json(row)
    else:
        report.rehearsal(submission, outlook, order.region)


def _forecast(order: Order, submission: Submission, settings: Settings) -> Forecast:
    campaign = order.campaign
    return forecast(
        submission.units,
        (settings.account_rate, settings.sender_rate, campaign.pace),
        now=datetime.now(UTC).astimezone(),
        starts_at=campaign.starts_at,
        hours=by_hours(submission.lanes, submission.units, submission.groups),
        day=order.day,
    )


# -- in earnest ----------------------------------------------------------------


def _place(call: Call, dispatcher: Dispatcher, order: Order) -> None:
    remark(f"id: {order.id}")
    run = dispatcher.place(order)
    submission = _submission(run)
    if call.json:
        tell_json(_row(submission))
    else:
        report.submission(submission, order.region)
    if call.wait:
        _see_through(run, quiet=call.json)
    elif not call.json and not submission.archived_at:
        say(f"\nnext: dispatcher status {order.id}")


def _submission(run: Run) -> Submission:
    assert run.submission is not None  # what `place` returns has one
    return run.submission


def _row(submission: Submission) -> dict[str, object]:
    """The form of `submit --json`."""
    file = submission.rejections_file
    archived_at = submission.archived_at
    archived = {"archived_at": archived_at.isoformat()} if archived_at else {}
    return {
        "id": submission.id,
        "existing": submission.existing,
        "recipients": submission.recipients,
        "groups": submission.groups,
        "units": submission.units,
        "rejected": dict(submission.rejected),
        "dropped": dict(submission.dropped),
        "rejections_file": str(file) if file else None,
        **archived,
    }


def _see_through(run: Run, *, quiet: bool) -> None:
    """Wait for the end.

    Raises:
        DispatchError: It did not end with every group accepted (or opted out).
    """
    try:
        end = wait(run)
    except KeyboardInterrupt:
        remark(f"the campaign goes on; see: dispatcher status {run.id}")
        raise
    if not quiet:
        say()
        report.progress(end, run.errors())
    if fault := report.shortfall(end):
        raise DispatchError(fault)
