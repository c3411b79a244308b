"""What people read about a submission and about a campaign's progress."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import Final

from rich.table import Table

from dispatcher import words
from dispatcher.cli.screen import grid, say, show, table
from dispatcher.cli.waiting import speed
from dispatcher.forecast import Forecast
from dispatcher.numbers import Reason, mask, mask_text, normalise
from dispatcher.order import Submission
from dispatcher.pauses import what_to_do
from dispatcher.results import Progress
from dispatcher.words import count, duration

#: Rejections shown on the terminal; the file has all.
FIRST: Final = 5


# -- a submission --------------------------------------------------------------


def submission(done: Submission, region: str) -> None:
    """What a submission did."""
    if done.archived_at:
        when = f"{done.archived_at:%Y-%m-%d %H:%M} UTC"
        say(f"campaign {done.id} with the same content was archived on {when}")
        return
    if done.existing:
        say(f"campaign {done.id} exists with the same content: nothing was changed")
    else:
        say(f"campaign {done.id} is submitted", style="bold")
    _counts(done, region)


def rehearsal(done: Submission, outlook: Forecast, region: str) -> None:
    """What a submission would do."""
    say("dry run: nothing is submitted", style="bold")
    _counts(done, region)
    say()
    show(grid(_outlook(outlook)))


def _outlook(outlook: Forecast) -> Iterator[tuple[str, str]]:
    yield "would start", f"{outlook.starts_at:%Y-%m-%d %H:%M:%S}"
    if outlook.seconds:
        end = f"{outlook.ends_at:%Y-%m-%d %H:%M:%S}"
        yield "would end", f"{end}, after {duration(outlook.seconds)} at best"
    else:
        yield "would end", "at once: no rate limits it"


def _counts(done: Submission, region: str) -> None:
    missing = left_out(done)
    counts = {
        "rows read": done.recipients,
        "recipients": done.recipients - missing,
        "groups": done.groups,
        "units": done.units,
        "left out": missing,
    }
    show(grid((name, f"{number:,}") for name, number in counts.items()))
    if missing:
        say()
        show(left_out_rows(done.rejected, done.dropped))
    if done.rejections_file:
        say()
        show(_first(done.rejections_file, region))
        say(f"all of them: {done.rejections_file}")


def left_out(done: Submission) -> int:
    """Rows of the list that get no message."""
    return sum(done.rejected.values()) + sum(done.dropped.values())


def left_out_rows(*books: Mapping[str, int] | Mapping[Reason, int]) -> Table:
    """Rows left out, by reason."""
    made = table("#rows", "left out", "why, and what to do")
    for reason, number in chain.from_iterable(book.items() for book in books):
        made.add_row(f"{number:,}", reason, words.explain_rejection(reason))
    return made


def _first(file: Path, region: str) -> Table:
    first = table("#line", "value", "reason")
    with file.open(encoding="utf-8", newline="") as lines:
        for row in islice(csv.DictReader(lines), FIRST):
            first.add_row(row["line"], masked(row["value"], region), row["reason"])
    return first


def masked(value: str, region: str) -> str:
    """A rejected value for the terminal: most of it hidden, nothing unprintable."""
    number = normalise(value, region)
    text = mask_text(value) if isinstance(number, Reason) else mask(number)
    return "".join(char if char.isprintable() else "?" for char in text)


# -- progress ------------------------------------------------------------------


def progress(now: Progress, errors: Mapping[str, int]) -> None:
    """Where one campaign stands."""
    show(grid(_facts(now)))
    if any(now.counts.values()):
        say()
        show(states(now.counts))
    if errors:
        say()
        show(failures(errors))
    if now.codes:
        say()
        show(undelivered(now.codes))


def _facts(now: Progress) -> Iterator[tuple[str, str]]:
    yield "campaign", now.id
    yield "state", words.state_and_reason(now.state, now.reason)
    if now.state == "paused":
        yield "what to do", what_to_do(now.reason) or "resume it"
    if now.capped_until:
        yield "waits", words.used_up(now.capped_until)
    yield "rows", f"{now.recipients:,} in {count(now.groups, 'group')}"
    yield "units", f"{now.units:,}"
    yield "left out", _left_out_of(now)
    if now.doubled:
        yield "doubled", f"{count(now.doubled, 'message')} reached somebody twice"
    yield from deliveries(now)
    if now.state != "paused" and (text := speed(now)):
        yield ("average" if now.finished else "speed"), text


def deliveries(now: Progress) -> Iterator[tuple[str, str]]:
    """How far messages got, and what was done because of codes."""
    if told := words.deliveries(now.delivery):
        yield "recipients", told
    for action in now.actions:
        why = words.done_for_code(action.action, action.code, action.times)
        yield words.ACTIONS[action.action], why
    if now.slow_pace and now.slow_until:
        until = now.slow_until.astimezone()
        yield "held to", f"{now.slow_pace:,.3g} units/s until {until:%H:%M:%S}"


def _left_out_of(now: Progress) -> str:
    reasons = {**now.rejected, **now.dropped}
    told = ", ".join(f"{number:,} {reason}" for reason, number in reasons.items())
    return told or "nobody"


def states(counts: Mapping[str, int]) -> Table:
    """Groups by state; states without a group are left out."""
    made = table("#groups", "state", "what it means")
    for state, number in counts.items():
        if number:
            made.add_row(f"{number:,}", state, words.STATES[state])
    return made


def failures(errors: Mapping[str, int]) -> Table:
    """Failed groups by error code."""
    made = table("#failed", "error", "what it means")
    for code, number in sorted(errors.items(), key=lambda item: -item[1]):
        made.add_row(f"{number:,}", code, words.explain_code(code))
    return made


def undelivered(codes: Mapping[int, int]) -> Table:
    """Recipients it could not be delivered to, by code."""
    made = table("#recipients", "code", "what it means")
    for code, number in sorted(codes.items(), key=lambda item: -item[1]):
        shown = str(code) if code else "none"
        made.add_row(f"{number:,}", shown, words.explain_delivery_code(code))
    return made


def shortfall(end: Progress) -> str:
    """Why a campaign that came to rest is no success; empty when it is one."""
    rest = [state for state in ("failed", "unknown", "held") if end.counts[state]]
    if end.state == "done" and not rest:
        return ""
    state = words.state_and_reason(end.state, end.reason)
    told = [f"{count(end.counts[state], 'group')} {state}" for state in rest]
    return f"campaign {end.id} is {', '.join([state, *told])}"
