"""What users read: progress, one result a group, one a recipient.

Everything is computed from the ledger at the moment of asking and streamed;
nothing here changes anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final

from dispatcher.codes import code_of
from dispatcher.errors import InvalidInput
from dispatcher.ledger.codec import Record
from dispatcher.ledger.day import used_up_until
from dispatcher.ledger.ledger import Ledger
from dispatcher.ledger.rows import CampaignRow, GroupRow
from dispatcher.ledger.states import CampaignState, DeliveryState, GroupState
from dispatcher.numbers import e164

#: Groups whose error sentences are fetched together.
_BATCH: Final = 500


@dataclass(frozen=True, slots=True)
class GroupError:
    """Why a group was not accepted.

    Attributes:
        code: HTTP status and the provider's word for it, or a word of ours.
        description: The provider's sentence; may quote a phone number.
    """

    code: str
    description: str = field(default="", repr=False)

    def __str__(self) -> str:
        return f"{self.code}: {self.description}" if self.description else self.code


@dataclass(frozen=True, slots=True)
class GroupResult:
    """What happened to one group.

    Attributes:
        campaign: The campaign's id.
        number: The group's number, counted from 0.
        to: Its members, E.164.
        state: pending, claimed, sending, retry, accepted, failed, unknown, held
            or cancelled.
        message_id: The provider's id, when it was accepted.
        attempts: Sends that the provider judged: took, refused, or answered with an
            error of its own. Pauses, outages and lost answers cost none.
        error: Why it is not accepted, when something is known.
        sent_at: Time of the last send, None if there was none.
        dropped: Members left out of the last send.
    """

    campaign: str
    number: int
    to: tuple[str, ...] = field(repr=False)
    state: str
    message_id: str | None
    attempts: int
    error: GroupError | None
    sent_at: datetime | None
    dropped: tuple[str, ...] = field(default=(), repr=False)

    def as_row(self) -> dict[str, Any]:
        """The result as JSON lines and CSV show it."""
        row: dict[str, Any] = {
            "campaign": self.campaign,
            "group": self.number,
            "to": list(self.to),
            "state": self.state,
            "message_id": self.message_id,
            "attempts": self.attempts,
            "error": None,
            "sent_at": self.sent_at.isoformat() if self.sent_at else None,
        }
        if self.error:
            error = self.error
            row["error"] = {"code": error.code, "description": error.description}
        if self.dropped:
            row["dropped"] = list(self.dropped)
        return row


@dataclass(frozen=True, slots=True)
class RecipientResult:
    """What happened to one recipient.

    Attributes:
        campaign: The campaign's id.
        group: The number of the group they are in.
        number: Their number, E.164.
        state: The group's state; `cancelled` for one who was left out of its last
            send, having opted out after the list was loaded.
        message_id: The message id of the group, if they were in it.
        delivery: How far it got once the group is accepted: awaiting, sending, sent,
            delivered, failed or unconfirmed; else None, and for one left out.
        error_code: Why it failed, in the provider's codes; None if it did not, or
            nobody said.
    """

    campaign: str
    group: int
    number: str = field(repr=False)
    state: str
    message_id: str | None
    delivery: str | None
    error_code: int | None

    def as_row(self) -> dict[str, Any]:
        """The result as JSON lines and CSV show it."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class CodeAction:
    """Something that was done by itself because of a delivery code.

    Attributes:
        action: suppress (recipients taken off all later sends), pause, or slow.
        code: The provider's code.
        times: How often, or for how many recipients.
    """

    action: str
    code: int
    times: int

    def as_row(self) -> dict[str, Any]:
        """The form of `status --json`, with the code in plain words."""
        row = {"action": self.action, "code": self.code, "times": self.times}
        return row | {"reason": code_of(self.code).sentence}


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a campaign stands.

    Attributes:
        state: loading, scheduled, running, paused, done or cancelled.
        reason: Why it is paused or cancelled.
        recipients: Rows read from the list.
        groups: Groups made of them.
        units: Units these cost.
        counts: Groups by state; they add up to `groups`.
        rejected: Rows with a bad number, by reason.
        dropped: Good numbers left out, by reason.
        doubled: Further messages that the provider took for a group.
        delivery: Recipients of accepted groups by delivery state.
        codes: Recipients it could not be delivered to, by the provider's code.
        actions: What was done because of codes.
        slow_pace: Units a second that it is held to for a while; None if it is not.
        slow_until: How long.
        capped_until: When it goes on, if the account's units of this day are used up.
        rate: Units a second since the first send; None before.
        eta: Seconds to the end at that rate; None when nothing is known.
    """

    id: str
    state: str
    reason: str
    recipients: int
    groups: int
    units: int
    counts: Mapping[str, int]
    rejected: Mapping[str, int]
    dropped: Mapping[str, int]
    doubled: int
    rate: float | None
    eta: float | None
    created_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    delivery: Mapping[str, int] = field(default_factory=dict)
    codes: Mapping[int, int] = field(default_factory=dict)
    actions: tuple[CodeAction, ...] = ()
    slow_pace: float | None = None
    slow_until: datetime | None = None
    capped_until: datetime | None = None

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self.state in ("done", "cancelled")

    @property
    def settled(self) -> int:
        """Groups that reached a final state."""
        return sum(self.counts[s] for s in ("accepted", "failed", "cancelled", "held"))

    def as_row(self) -> dict[str, Any]:
        """The form of `status --json`."""
        return {
            "id": self.id,
            "state": self.state,
            "reason": self.reason or None,
            "recipients": self.recipients,
            "groups": self.groups,
            "units": self.units,
            **self.counts,
            "rejected": dict(self.rejected),
            "dropped": dict(self.dropped),
            "doubled": self.doubled,
            "delivery": dict(self.delivery),
            "codes": {str(code): number for code, number in self.codes.items()},
            "actions": [action.as_row() for action in self.actions],
            "slow_pace": self.slow_pace,
            "slow_until": _iso(self.slow_until),
            "capped_until": _iso(self.capped_until),
            "rate": self.rate,
            "eta_seconds": self.eta,
            "created_at": _iso(self.created_at),
            "started_at": _iso(self.started_at),
            "ended_at": _iso(self.ended_at),
        }


def progress(row: CampaignRow, now_ms: float, capped_until: float = 0) -> Progress:
    """The progress of a stored campaign; times in ms since the epoch, 0 for none."""
    rate = _rate(row, now_ms)
    slow = row.slow_until > now_ms and not row.finished
    return Progress(
        id=row.id,
        state=row.state.value,
        reason=row.reason,
        recipients=row.recipients,
        groups=row.groups,
        units=row.units,
        counts={state.word: n for state, n in row.counts.items()},
        rejected=row.rejected,
        dropped=row.dropped,
        doubled=row.doubled,
        delivery={state.word: row.delivery.get(state, 0) for state in DeliveryState},
        codes=row.codes,
        actions=tuple(CodeAction(a.value, c, n) for (a, c), n in row.actions.items()),
        slow_pace=row.slow_pace if slow else None,
        slow_until=_moment(row.slow_until) if slow else None,
        capped_until=_moment(capped_until),
        rate=rate,
        eta=time_left(row, rate),
        created_at=_moment(row.created_at),
        started_at=_moment(row.started_at),
        ended_at=_moment(row.ended_at),
    )


def overview(ledger: Ledger) -> Iterator[Progress]:
    """The progress of every campaign, oldest first."""
    now = ledger.now_ms()
    capped_until = used_up_until(ledger, now)
    for row in ledger.campaigns():
        waits = row.state == CampaignState.RUNNING
        yield progress(row, now, capped_until if waits else 0)


def _rate(row: CampaignRow, now_ms: float) -> float | None:
    seconds = ((row.ended_at or now_ms) - row.started_at) / 1000
    if not row.started_at or seconds <= 0:
        return None
    return row.gated_units / seconds


#: Groups in these states have their units still before them.
_UNSENT: Final = (GroupState.PENDING, GroupState.CLAIMED, GroupState.RETRY)


def time_left(row: CampaignRow, rate: float | None) -> float | None:
    """Seconds to the end at a rate; None when nothing can be said."""
    left = sum(row.counts[state] for state in _UNSENT)
    if row.finished or not rate or not row.groups:
        return None
    return left * (row.units / row.groups) / rate


def _moment(ms: float) -> datetime | None:
    return datetime.fromtimestamp(ms / 1000, UTC) if ms else None


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def check_state(state: str | None) -> GroupState | None:
    """A state's name as a state.

    Raises:
        InvalidInput: There is no such state.
    """
    if state is None:
        return None
    try:
        return GroupState[state.upper()]
    except KeyError:
        names = ", ".join(s.word for s in GroupState)
        raise InvalidInput(
            f"{state!r} is no state of a group; choose {names}"
        ) from None


def by_group(
    ledger: Ledger, row: CampaignRow, state: GroupState | None = None
) -> Iterator[GroupResult]:
    """One result a group, in order, streamed."""
    groups = (g for g in ledger.groups(row) if state in (None, g.record.state))
    while batch := list(islice(groups, _BATCH)):
        failed = [g.group for g in batch if g.record.state == GroupState.FAILED]
        told = dict(zip(failed, ledger.sentences(row, failed), strict=True))
        for group in batch:
            yield _result(row.id, group, told.get(group.group, ""))


def by_recipient(
    ledger: Ledger, row: CampaignRow, state: GroupState | None = None
) -> Iterator[RecipientResult]:
    """One result a recipient, in order, streamed.

    A state asked for is the recipient's: their group's, unless they were left out.
    """
    for group in ledger.groups(row):
        if state is None or _may_hold(group, state):
            for recipient in _recipients(row.id, group):
                if state is None or recipient.state == state.word:
                    yield recipient


def _may_hold(group: GroupRow, state: GroupState) -> bool:
    """Whether somebody in the group may be in the state."""
    left_out = state == GroupState.CANCELLED and bool(group.record.dropped)
    return group.record.state == state or left_out


def _recipients(id_: str, group: GroupRow) -> Iterator[RecipientResult]:
    told = dict(group.expected())
    dropped = set(group.dropped)
    state, message_id = group.record.state, _message_id(group.record)
    for member in group.members:
        delivery = told.get(member)
        left_out = member in dropped and not delivery
        yield RecipientResult(
            *(id_, group.group, e164(member)),
            state=(GroupState.CANCELLED if left_out else state).word,
            message_id=None if left_out else message_id,
            delivery=delivery.state.word if delivery else None,
            error_code=(delivery.code or None) if delivery else None,
        )


def _message_id(record: Record) -> str | None:
    return (record.tail or None) if record.state == GroupState.ACCEPTED else None


def _result(id_: str, group: GroupRow, sentence: str) -> GroupResult:
    record = group.record
    return GroupResult(
        campaign=id_,
        number=group.group,
        to=tuple(map(e164, group.members)),
        state=record.state.word,
        message_id=_message_id(record),
        attempts=record.attempts,
        error=_error(group, sentence),
        sent_at=_moment(record.gated_at),
        dropped=tuple(map(e164, group.dropped)),
    )


#: In these states a record's tail is an error code.
_TELLING: Final = frozenset(
    {
        GroupState.RETRY,
        GroupState.FAILED,
        GroupState.UNKNOWN,
        GroupState.HELD,
        GroupState.CANCELLED,
    }
)


def _error(group: GroupRow, sentence: str) -> GroupError | None:
    if group.record.state not in _TELLING or not group.record.tail:
        return None
    return GroupError(group.record.tail, sentence)
