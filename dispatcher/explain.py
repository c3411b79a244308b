"""Why a campaign sends nothing right now, or what limits its speed.

Pure: facts in, reasons out. It asks nobody and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from dispatcher.ledger.circumstances import Bucket, Circumstances
from dispatcher.ledger.states import CampaignState, GroupState
from dispatcher.pauses import what_to_do
from dispatcher.words import BEING_READ, count, rate

#: Groups that still have to be sent.
_TO_SEND: Final = (GroupState.PENDING, GroupState.RETRY)

#: Bucket -> whose limit it is, and who sets it.
_LIMITS: Final = {
    "account": ("the account's rate", "DISPATCHER_ACCOUNT_RATE"),
    "sender": ("the sender's rate", "DISPATCHER_SENDER_RATE"),
    "campaign": ("the campaign's own pace", "its pace, or a slow-down after a code"),
}


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that stands in a campaign's way.

    Attributes:
        code: A word for programs: done, cancelled, held, paused, scheduled, no-worker,
            ledger-restarted, unreachable, unreachable-child, throttled, day, hours,
            locked, retry, last, unknown, turn, rate-account, rate-sender or
            rate-campaign.
        kind: `stops` it until somebody does something, lets it `wait` for a while,
            or `limits` its speed.
        text: What it is, in words.
        advice: What to do about it; empty when there is nothing to do.
        seconds: Until it is over by itself; None where nobody can say.
    """

    code: str
    kind: Literal["stops", "waits", "limits"]
    text: str
    advice: str = ""
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why nothing is sent right now, or what limits the speed.

    Attributes:
        id: The campaign's id.
        state: The campaign's state.
        reasons: Everything that stands in its way; the weightiest first.
    """

    id: str
    state: str
    reasons: tuple[Reason, ...]

    @property
    def sending(self) -> bool:
        """Whether nothing but its speed is limited."""
        return all(reason.kind == "limits" for reason in self.reasons)

    def as_row(self) -> dict[str, Any]:
        """The explanation as JSON shows it."""
        reasons = [asdict(reason) for reason in self.reasons]
        return {"id": self.id, "state": self.state, "reasons": reasons}


def explain(id: str, facts: Circumstances) -> Explanation:  # noqa: A002 - the public word for it
    """What stands in a campaign's way, by what was found in the ledger."""
    checks = _STILL.get(facts.state, _CHECKS)
    reasons = tuple(reason for check in checks for reason in check(facts))
    return Explanation(id, facts.state.value, reasons)


# -- it is not there yet, it is over, or a person stopped it --------------------


def _loading(_: Circumstances) -> Iterator[Reason]:
    advice = "if whoever submits it was stopped, submit it again with the same id"
    yield Reason("loading", "waits", BEING_READ, advice)


def _ended(facts: Circumstances) -> Iterator[Reason]:
    if facts.state == CampaignState.CANCELLED:
        why = f" ({facts.reason})" if facts.reason else ""
        yield Reason("cancelled", "stops", f"it is cancelled{why}, for good")
    else:
        yield Reason("done", "stops", "it is done: every group is settled")


def _held(facts: Circumstances) -> Iterator[Reason]:
    if held := facts.count(GroupState.HELD):
        yield Reason(
            "held",
            "stops",
            f"{count(held, 'group')} may have been taken, and wait for a person",
            "look at them with dispatcher results --state held, then resolve or retry",
        )


def _paused(facts: Circumstances) -> Iterator[Reason]:
    if facts.state == CampaignState.PAUSED:
        advice = what_to_do(facts.reason) or "resume it"
        yield Reason("paused", "stops", f"it is paused: {facts.reason}", advice)


def _begins_later(facts: Circumstances) -> Iterator[Reason]:
    left = facts.starts_at - facts.now
    if facts.state == CampaignState.SCHEDULED and left > 0:
        at = datetime.fromtimestamp(facts.starts_at / 1000, UTC)
        text = f"it is scheduled: it begins at {at:%Y-%m-%d %H:%M:%S} UTC"
        yield Reason("scheduled", "waits", text, seconds=left / 1000)


# -- nobody could send it ------------------------------------------------------


def _no_worker(facts: Circumstances) -> Iterator[Reason]:
    if not facts.children:
        text = "no worker runs, or none reaches this ledger"
        yield Reason("no-worker", "stops", text, "start one: dispatcher worker")


def _unsure(facts: Circumstances) -> Iterator[Reason]:
    if facts.unsure:
        yield Reason(
            "ledger-restarted",
            "waits",
            "Redis restarted: the workers are asked whether it forgot something",
            seconds=facts.unsure / 1000,
        )


def _throttled(facts: Circumstances) -> Iterator[Reason]:
    if facts.throttled:
        yield Reason(
            "throttled",
            "waits",
            "the provider answered 429: the whole account pauses",
            "if it lasts, lower DISPATCHER_ACCOUNT_RATE to what the account may send",
            facts.throttled / 1000,
        )


def _day_is_full(facts: Circumstances) -> Iterator[Reason]:
    if facts.day_wait and facts.count(*_TO_SEND, GroupState.CLAIMED):
        yield Reason(
            "day",
            "waits",
            f"the account's units of this day are used up ({facts.day_units:,}, "
            "DISPATCHER_DAILY_UNITS): it goes on at midnight UTC",
            "if more may be sent today, raise it and start the workers again",
            facts.day_wait / 1000,
        )


def _unreachable(facts: Circumstances) -> Iterator[Reason]:
    if not facts.down:
        return
    of_all = f"{facts.down} of {facts.children} worker children"
    advice = "look at the network, and at the provider's status page"
    if facts.down >= min(2, facts.children):
        text = f"the provider cannot be reached ({of_all}): one group at a time tries"
        yield Reason("unreachable", "waits", text, advice)
    else:
        text = f"{of_all} cannot reach the provider; the others send"
        yield Reason("unreachable-child", "limits", text, advice)


# -- there is nothing to send now ----------------------------------------------


def _out_of_hours(facts: Circumstances) -> Iterator[Reason]:
    if facts.fresh and facts.fresh_wait:
        text = (
            f"{count(facts.fresh, 'group')} wait for the sending hours of their people"
        )
        yield Reason("hours", "waits", text, seconds=facts.fresh_wait / 1000)


def _locked(facts: Circumstances) -> Iterator[Reason]:
    if facts.locked:
        seen = f"of the next {count(len(facts.waiting), 'group')} to be tried again"
        text = f"{facts.locked} {seen} wait for an earlier message to the same people"
        others = len(facts.waiting) > facts.locked or _fresh_may_go(facts)
        kind: Final = "limits" if others else "waits"
        yield Reason("locked", kind, text, "it resolves itself within 30 minutes")


def _tried_later(facts: Circumstances) -> Iterator[Reason]:
    waiting = facts.count(*_TO_SEND) - facts.fresh
    if waiting > 0 and facts.next_due > 0 and not _may_go_now(facts):
        text = (
            f"{count(waiting, 'group')} were handed back, and wait for their next try"
        )
        yield Reason("retry", "waits", text, seconds=facts.next_due / 1000)


def _on_their_way(facts: Circumstances) -> Iterator[Reason]:
    under_way = facts.count(GroupState.CLAIMED, GroupState.SENDING)
    if under_way and not facts.count(*_TO_SEND):
        text = f"the last {count(under_way, 'group')} are on their way"
        yield Reason("last", "waits", text)


def _unknown(facts: Circumstances) -> Iterator[Reason]:
    unknown = facts.count(GroupState.UNKNOWN)
    if unknown:
        kind: Final = "limits" if facts.count(*_TO_SEND) else "waits"
        text = f"of {count(unknown, 'group')} nobody knows yet whether they were taken"
        advice = "the provider is asked; or tell what you know: dispatcher resolve"
        yield Reason("unknown", kind, text, advice)


# -- how fast ------------------------------------------------------------------


def _line(facts: Circumstances) -> Iterator[Reason]:
    if facts.ahead > 0 and _may_go_now(facts):
        others = "campaign is" if facts.ahead == 1 else "campaigns are"
        text = f"{facts.ahead} other {others} before it in the line"
        yield Reason(
            "turn", "limits", text, "give it a higher priority when you submit"
        )


def _rate(facts: Circumstances) -> Iterator[Reason]:
    """The bucket that it waits for, else the lowest rate."""
    if facts.count(*_TO_SEND) and facts.buckets:
        yield _of_bucket(max(facts.buckets, key=lambda b: (b.wait_ms, -b.rate)))


def _of_bucket(bucket: Bucket) -> Reason:
    limit, source = _LIMITS[bucket.name]
    text = f"{limit} is {rate(bucket.rate)} ({source})"
    seconds = bucket.wait_ms / 1000
    if bucket.wait_ms:
        text += f"; {-bucket.level:,.1f} units are owed first"
    return Reason(f"rate-{bucket.name}", "limits", text, seconds=seconds)


def _may_go_now(facts: Circumstances) -> bool:
    return facts.next_due == 0 or _fresh_may_go(facts)


def _fresh_may_go(facts: Circumstances) -> bool:
    return bool(facts.fresh and not facts.fresh_wait)


_Check = Callable[[Circumstances], Iterator[Reason]]

#: Those of which nothing is sent, whatever else is found.
_STILL: Final[Mapping[CampaignState, tuple[_Check, ...]]] = {
    CampaignState.LOADING: (_loading,),
    CampaignState.DONE: (_ended, _held, _unknown),
    CampaignState.CANCELLED: (_ended, _held, _unknown),
}
#: In the order of their weight.
_CHECKS: Final[tuple[_Check, ...]] = (
    *(_paused, _begins_later),
    *(_no_worker, _unsure, _unreachable, _throttled, _day_is_full),
    *(_out_of_hours, _locked, _tried_later, _on_their_way, _unknown),
    *(_line, _rate, _held),
)
