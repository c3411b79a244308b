"""What a search proves about one write, and what follows: a pure decision.

Nothing here asks, sends or records. All times are seconds since 1970 by the ledger's
clock; `skew` turns them into the provider's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

from dispatcher.settings import Settings
from workers.search import (
    MAX_NUMBERS,
    Candidate,
    Found,
    Query,
    Searched,
    Throttled,
    Unavailable,
)

#: Seconds that the provider may have received a message before the gate or after the
#: deadline by its clock. Half of what a lock lasts after an acceptance (10 s), so that
#: an earlier message to the same people is never inside the window.
SLACK_S: Final = 5.0
#: Seconds by which the search goes further while the skew is not known. What is found
#: only there proves nothing, but nothing is sent again on account of it.
UNKNOWN_SKEW_S: Final = 60.0
#: Seconds after which a write is looked for again; few at first, for most are found
#: soon. The first look is the ledger's matter (FIRST_LOOK_MS).
LOOKS_S: Final = (5.0, 15.0, 45.0, 135.0, 405.0, 1215.0)
#: Seconds from the gate to the last look: as long as the lock on the members holds.
CLOSE_S: Final = 1800.0


@dataclass(frozen=True, slots=True)
class Rules:
    """What the settings say about unknown groups.

    Attributes:
        grace: Seconds from when a group became unknown to the decision.
        policy: What follows when nothing was found until then.
        deadline: Seconds that one send may take.
        slack: See `SLACK_S`.
    """

    grace: float
    policy: Literal["hold", "resend"]
    deadline: float
    slack: float = SLACK_S

    @classmethod
    def from_settings(cls, settings: Settings) -> Rules:
        """As the environment has them."""
        return cls(
            settings.unknown_grace, settings.unknown_policy, settings.http_deadline
        )


@dataclass(frozen=True, slots=True)
class Case:
    """One write of unknown outcome.

    Attributes:
        members: Whom it was to.
        gated_at: When it was let through the gate.
        unknown_at: When its group became unknown.
    """

    members: frozenset[int] = field(repr=False)
    gated_at: float
    unknown_at: float

    def query(self, sender: str, rules: Rules, skew: float | None) -> Query:
        """What to ask the provider."""
        return Query(sender, self.members, *self.widest_window(rules, skew))

    def window(self, rules: Rules, skew: float | None) -> tuple[float, float]:
        """Between which times of the provider's clock it must have been received."""
        gated_at = self.gated_at + (skew or 0.0)
        return gated_at - rules.slack, gated_at + rules.deadline + rules.slack

    def widest_window(self, rules: Rules, skew: float | None) -> tuple[float, float]:
        """The same as far as it may be displaced."""
        start, end = self.window(rules, skew)
        return (start, end) if skew is not None else _wider(start, end)

    def grace_end(self, rules: Rules) -> float:
        """When it is held, if nothing was found."""
        return self.unknown_at + rules.grace

    def resend_at(self, rules: Rules) -> float:
        """When it may be sent again, if nothing was found.

        Not before its window has closed, by as much again as the slack: the windows of
        both writes would overlap, and one message could be proof of either.
        """
        closed = self.gated_at + rules.deadline + 2 * rules.slack
        return max(self.grace_end(rules), closed)

    def next_look(self, now: float, rules: Rules) -> float | None:
        """When to look again after a look at `now`; None when never."""
        return min((at for at in self._looks(rules) if at > now), default=None)

    def _looks(self, rules: Rules) -> Iterator[float]:
        decision = self.grace_end(rules)
        if rules.policy == "resend":
            decision = self.resend_at(rules)
        close = max(self.gated_at + CLOSE_S, decision)
        yield from (decision, close)
        for seconds in LOOKS_S:
            if self.unknown_at + seconds < close:
                yield self.unknown_at + seconds


def _wider(start: float, end: float) -> tuple[float, float]:
    return start - UNKNOWN_SKEW_S, end + UNKNOWN_SKEW_S


# -- the decisions -------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Proof:
    """The provider took it."""

    message_id: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Look again then; None: there is nothing to look for any more."""

    until: float | None


@dataclass(frozen=True, slots=True)
class Hold:
    """A person decides."""


@dataclass(frozen=True, slots=True)
class Resend:
    """Nothing was received, as far as anybody can tell, and the policy is `resend`."""


Decision = Proof | Wait | Hold | Resend


def decide(
    case: Case, searched: Searched, now: float, rules: Rules, skew: float | None
) -> Decision:
    """What follows from a search.

    Args:
        case: What was looked for.
        searched: What the search with `case.query` came to.
        now: When it was begun: what an empty answer says is true of then.
        rules: Grace time and policy.
        skew: Seconds that the provider's clock is ahead; None when not known.
    """
    match searched:
        case Throttled(rest_s):
            return Wait(now + rest_s)
        case Unavailable():
            finding: Proof | Literal["nothing", "unclear"] = "unclear"
        case Found():
            finding = _weigh(case, searched, rules, skew)
    if isinstance(finding, Proof):
        return finding
    if now < case.grace_end(rules):
        return Wait(case.next_look(now, rules))
    if finding == "unclear" or rules.policy == "hold":
        return Hold()
    if now < case.resend_at(rules):
        return Wait(case.next_look(now, rules))
    return Resend()


def _weigh(
    case: Case, found: Found, rules: Rules, skew: float | None
) -> Proof | Literal["nothing", "unclear"]:
    window = case.window(rules, skew)
    widest = case.widest_window(rules, skew)
    possible = [
        candidate
        for candidate in found.candidates
        if _could_be(candidate, case.members)
        and _is_within(candidate.received_at, widest, unsaid=True)
    ]
    matches = [c for c in possible if _is_to(c, case.members)]
    if len(matches) == 1 and found.complete:
        (match,) = matches
        if _is_within(match.received_at, window, unsaid=False):
            return Proof(match.message_id)
    if possible or found.unreadable or not found.complete:
        return "unclear"
    return "nothing"


def _is_to(candidate: Candidate, members: frozenset[int]) -> bool:
    """To exactly these people.

    A count that is not said might hide others beside them, whose rows were not asked
    for. Not in a full group: the provider takes no larger one.
    """
    counted = candidate.recipients == len(members)
    full = candidate.recipients is None and len(members) >= MAX_NUMBERS
    return candidate.readable and candidate.members == members and (counted or full)


def _could_be(candidate: Candidate, members: frozenset[int]) -> bool:
    """Not surely to others: rows may be missing yet, or their counts wrong."""
    if candidate.members - members:
        return False
    larger = (candidate.recipients or 0) > len(members)
    return candidate.members == members or not larger


def _is_within(
    moment: float | None, window: tuple[float, float], *, unsaid: bool
) -> bool:
    return unsaid if moment is None else window[0] <= moment <= window[1]
