"""What the pages say, as data: from what was read of a campaign to words. No I/O.

Nothing that comes out of here holds a whole phone number, or a word of a message.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, TypeVar

from dispatcher import words
from dispatcher.explain import Explanation
from dispatcher.ledger.history import Slot
from dispatcher.ledger.mishaps import Mishap
from dispatcher.ledger.rows import CampaignRow
from dispatcher.logs import scrub_text
from dispatcher.numbers import mask
from dispatcher.pauses import in_words, what_to_do
from dispatcher.results import Progress, time_left
from dispatcher.web.plot import Plot, draw, recent
from dispatcher.words import count, duration

Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class Sight:
    """A campaign as it was read.

    Attributes:
        now_ms: The ledger's clock, ms since the epoch.
        history: When its units were let through.
        errors: Failed groups by error code.
        mishaps: The latest errors, newest first.
        explanation: Why it does not send, or what limits it; None where nobody asked.
    """

    row: CampaignRow
    now: Progress
    now_ms: float
    history: Sequence[Slot] = ()
    errors: Mapping[str, int] = field(default_factory=dict)
    mishaps: Sequence[Mishap] = ()
    explanation: Explanation | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a table: how many, of what, and what that means."""

    number: int
    name: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Event:
    """One of the latest errors."""

    at: datetime
    group: int
    outcome: str
    code: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Something that stands in a campaign's way."""

    kind: str
    text: str
    left: str
    advice: str


@dataclass(frozen=True, slots=True)
class Item:
    """A campaign in the list, and the head of its page.

    Attributes:
        state: The campaign's state, a word.
        why: Why it is paused or cancelled; empty otherwise.
        advice: What to do about that.
        percent: Groups that are settled, of a hundred.
        status: All of it in one sentence, for those who do not see the bar.
        rate: How fast it goes, in words; empty if it does not.
        left: For how long yet, in words.
    """

    id: str
    state: str
    why: str
    advice: str
    percent: int
    settled: int
    groups: int
    held: int
    failed: int
    status: str
    rate: str
    left: str


@dataclass(frozen=True, slots=True)
class View:
    """All that a campaign's page shows; tables that would be empty are left out.

    Attributes:
        facts: Names and values.
        plot: Rate over time; None while there is nothing to see.
        begins: When the plot begins.
        ends: When it ends.
        orders: What may be ordered now.
    """

    item: Item
    facts: tuple[tuple[str, str], ...]
    plot: Plot | None
    begins: datetime | None
    ends: datetime | None
    obstacles: tuple[Obstacle, ...]
    states: tuple[Line, ...]
    deliveries: tuple[Line, ...]
    failures: tuple[Line, ...]
    undelivered: tuple[Line, ...]
    left_out: tuple[Line, ...]
    actions: tuple[str, ...]
    events: tuple[Event, ...]
    orders: tuple[str, ...]


#: What may be ordered in which state of a campaign.
ORDERS: Final[Mapping[str, tuple[str, ...]]] = {
    "scheduled": ("pause", "cancel"),
    "running": ("pause", "cancel"),
    "paused": ("resume", "cancel"),
}
#: In other states the head of the page tells why it does not send.
_GOING: Final = ("scheduled", "running")
#: Errors shown.
_EVENTS: Final = 10
#: What followed from an error at first.
_OUTCOMES: Final = {
    "failed": "failed",
    "retry": "to be tried again",
    "unknown": "unknown",
}


# -- the list ------------------------------------------------------------------


def item(sight: Sight) -> Item:
    """A campaign in the list."""
    now = sight.now
    percent = 100 * now.settled // now.groups if now.groups else 0
    paused = now.state == "paused"
    return Item(
        id=now.id,
        state=now.state,
        why=scrub_text(_why(now)),
        advice=(what_to_do(now.reason) or "resume it") if paused else "",
        percent=percent,
        settled=now.settled,
        groups=now.groups,
        held=now.counts["held"],
        failed=now.counts["failed"],
        # Read aloud each time it changes: only now and then.
        status=f"{now.state}, {percent // 10 * 10} % of {count(now.groups, 'group')}",
        rate=_rate(sight),
        left=_left(sight),
    )


def _why(now: Progress) -> str:
    """Why it is paused or cancelled, or does not run yet."""
    if now.state == "loading":
        return words.BEING_READ
    if now.state != "cancelled":
        return in_words(now.reason)
    if now.reason == "by hand":
        return "somebody cancelled it"
    return words.explain_code(now.reason) or now.reason


def _age(sight: Sight) -> float:
    """Seconds since the first send, or from it to the end."""
    row = sight.row
    return ((row.ended_at or sight.now_ms) - row.started_at) / 1000


def _rate(sight: Sight) -> str:
    """How fast it goes of late."""
    found = recent(sight.history, _age(sight))
    if sight.now.state != "running" or found is None:
        return ""
    rate, seconds = found
    permitted = sight.history[-1].permitted
    limit = "no limit is set" if permitted is None else f"permitted {permitted:,g}"
    return f"{rate:,.1f} units/s in the last {duration(seconds)}, {limit}"


def _left(sight: Sight) -> str:
    found = recent(sight.history, _age(sight))
    if sight.now.state != "running" or found is None:
        return ""
    # A burst looks better than it can stay.
    rate = min(found[0], sight.history[-1].permitted or found[0])
    left = time_left(sight.row, rate)
    return "not known yet" if left is None else duration(left)


# -- one campaign --------------------------------------------------------------


def view(sight: Sight, *, callbacks: bool) -> View:
    """A campaign's page.

    Args:
        sight: What was read.
        callbacks: Whether the provider is asked to call back: then deliveries are
            shown though none is known yet.
    """
    now, row = sight.now, sight.row
    plot = draw(sight.history, _age(sight)) if row.started_at else None
    return View(
        item=item(sight),
        facts=tuple(_facts(sight)),
        plot=plot,
        begins=now.started_at,
        ends=moment(row.started_at + plot.seconds * 1000) if plot else None,
        obstacles=tuple(_obstacles(sight.explanation)) if now.state in _GOING else (),
        states=tuple(_states(now)),
        deliveries=tuple(_deliveries(now, callbacks=callbacks)),
        failures=tuple(_failures(sight.errors)),
        undelivered=tuple(_undelivered(now.codes)),
        left_out=tuple(_left_out(now)),
        actions=tuple(_actions(now)),
        events=tuple(map(_event, sight.mishaps[:_EVENTS])),
        orders=ORDERS.get(now.state, ()),
    )


def _facts(sight: Sight) -> Iterator[tuple[str, str]]:
    now, row = sight.now, sight.row
    if rate := _rate(sight):
        yield "Rate", rate
    if now.finished and now.rate:
        yield "Average rate", f"{now.rate:,.1f} units/s"
    if now.state == "scheduled" and row.starts_at:
        yield "Begins", f"{moment(row.starts_at):%Y-%m-%d %H:%M:%S} UTC"
    yield "Rows read", f"{now.recipients:,}"
    yield "Groups", f"{now.groups:,}"
    yield "Units", f"{now.units:,}, of which {row.gated_units:,} were let through"
    yield from _senders(row)
    for name, at in (
        *(("Submitted", now.created_at), ("First send", now.started_at)),
        ("Ended", now.ended_at),
    ):
        if at:
            yield name, f"{at:%Y-%m-%d %H:%M:%S} UTC"
    if now.slow_pace and now.slow_until:
        until = f"{now.slow_until:%H:%M:%S} UTC"
        yield "Slowed down", f"to {now.slow_pace:,.3g} units/s until {until}"
    if now.doubled:
        yield "Doubled", f"{count(now.doubled, 'message')} reached somebody twice"


def _senders(row: CampaignRow) -> Iterator[tuple[str, str]]:
    if row.sender.lstrip("+").isdigit():
        yield "Sender", mask(int(row.sender.lstrip("+")))
    if row.spec and (tag := json.loads(row.spec).get("tag")):
        yield "Tag", scrub_text(tag)


def _obstacles(explanation: Explanation | None) -> Iterator[Obstacle]:
    for reason in explanation.reasons if explanation else ():
        # Held groups are asked about in a place of their own.
        if reason.code != "held":
            left = duration(reason.seconds) if reason.seconds else ""
            kind = words.KINDS[reason.kind]
            yield Obstacle(kind, scrub_text(reason.text), left, reason.advice)


def _states(now: Progress) -> Iterator[Line]:
    for state, number in now.counts.items():
        if number:
            yield Line(number, state, words.STATES[state])


def _deliveries(now: Progress, *, callbacks: bool) -> Iterator[Line]:
    known = any(n for state, n in now.delivery.items() if state != "awaiting")
    if known or callbacks:
        for state in words.DELIVERIES:
            if number := now.delivery.get(state):
                yield Line(number, state, words.DELIVERY_STATES[state])


def _failures(errors: Mapping[str, int]) -> Iterator[Line]:
    for code, number in _most_first(errors):
        yield Line(number, scrub_text(code), words.explain_code(code))


def _undelivered(codes: Mapping[int, int]) -> Iterator[Line]:
    for code, number in _most_first(codes):
        shown = str(code) if code else "none"
        yield Line(number, shown, words.explain_delivery_code(code))


def _most_first(counts: Mapping[Key, int]) -> Iterable[tuple[Key, int]]:
    return sorted(counts.items(), key=lambda pair: -pair[1])


def _left_out(now: Progress) -> Iterator[Line]:
    for reason, number in {**now.rejected, **now.dropped}.items():
        yield Line(number, reason, words.explain_rejection(reason))


def _actions(now: Progress) -> Iterator[str]:
    for done in now.actions:
        why = words.done_for_code(done.action, done.code, done.times)
        yield f"{words.ACTIONS[done.action]}: {why}"


def _event(mishap: Mishap) -> Event:
    return Event(
        at=moment(mishap.at),
        group=mishap.group,
        outcome=_OUTCOMES[mishap.verdict],
        code=scrub_text(mishap.code),
        meaning=words.explain_code(mishap.code),
    )


def moment(ms: float) -> datetime:
    """Milliseconds since the epoch as a time in UTC."""
    return datetime.fromtimestamp(ms / 1000, UTC)
