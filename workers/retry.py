"""What follows from an outcome: a pure decision, returned as a value.

Seconds are retried inside the shift (`try_quickly`), minutes in the ledger
(`RetryAt`). Nothing here sleeps, sends or touches the ledger, and no step sends
again what may have been taken.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_result,
    stop_after_attempt,
    wait_exponential_jitter,
)

from dispatcher.sendcodes import ATTEMPTS_USED_UP
from workers.outcomes import Kind, Outcome

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

#: Worth a second try within seconds. Not UNREACHABLE: the breaker paces that.
_QUICK: Final = (Kind.SERVER_ERROR, Kind.NOT_WRITTEN, Kind.TOKEN_REFRESHED)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and how soon to try again.

    Attributes:
        max_attempts: Server errors after which a group has failed.
        quick_tries: Tries within one shift.
        quick_delays: Shortest and longest pause between them, seconds.
        slow_delays: Pause after the first, second ... shift, seconds; the last one
            holds for all further ones.
        jitter: Share of a delay added at random, so that groups that failed
            together do not come back together.
    """

    max_attempts: int = 5
    quick_tries: int = 2
    quick_delays: tuple[float, float] = (0.2, 2.0)
    slow_delays: tuple[float, ...] = (15.0, 60.0, 240.0, 600.0)
    jitter: float = 0.2

    def slow_delay(self, attempts: int, random: Callable[[], float]) -> float:
        """Seconds until the next shift may try a group with so many attempts."""
        shifts = (attempts - 1) // self.quick_tries
        delay = self.slow_delays[min(shifts, len(self.slow_delays) - 1)]
        return self._jittered(delay, random)

    def breather(self, random: Callable[[], float]) -> float:
        """Seconds before an uncharged group may be claimed again after an outage."""
        return self._jittered(self.quick_delays[1], random)

    def _jittered(self, delay: float, random: Callable[[], float]) -> float:
        return delay * (1 + self.jitter * random())


# -- the steps -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Accepted:
    """Final: the provider took it."""

    message_id: str | None


@dataclass(frozen=True, slots=True)
class Failed:
    """Final: it will not be sent. The description belongs into the ledger only."""

    code: str
    description: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class RetryAt:
    """Not sent: due again in `delay_s` seconds, with so many attempts used up."""

    delay_s: float
    attempts_spent: int
    code: str


@dataclass(frozen=True, slots=True)
class PauseCampaign:
    """The campaign pauses: no group of it would fare better."""

    reason: str


@dataclass(frozen=True, slots=True)
class PauseAccount:
    """The account pauses, `retry_after` seconds if the provider named them."""

    retry_after: float | None


@dataclass(frozen=True, slots=True)
class HandBack:
    """Not sent and not charged: due again in `delay_s` seconds, perhaps at once."""

    code: str
    delay_s: float = 0.0
    pause: PauseCampaign | PauseAccount | None = None


@dataclass(frozen=True, slots=True)
class Park:
    """Unknown: left alone until a callback, a search or a person resolves it."""

    code: str


Step = Accepted | Failed | RetryAt | HandBack | Park


def next_step(
    outcome: Outcome, attempts: int, policy: RetryPolicy, random: Callable[[], float]
) -> Step:
    """Decide what becomes of a group after a send call.

    Args:
        outcome: What the last call ended as.
        attempts: Attempts the group had used up before that call.
        policy: How often and how soon.
        random: Returns a number from 0 to 1; jitter.
    """
    match outcome.kind:
        case Kind.ACCEPTED:
            return Accepted(outcome.message_id)
        case Kind.REFUSED:
            return Failed(outcome.code, outcome.description)
        case Kind.UNKNOWN:
            return Park(outcome.code)
        case Kind.SERVER_ERROR:
            return _after_server_error(outcome, attempts + 1, policy, random)
        case _:
            return _uncharged(outcome, policy, random)


def _after_server_error(
    outcome: Outcome, spent: int, policy: RetryPolicy, random: Callable[[], float]
) -> Step:
    if spent >= policy.max_attempts:
        return Failed(f"{ATTEMPTS_USED_UP}: {outcome.code}", outcome.description)
    return RetryAt(policy.slow_delay(spent, random), spent, outcome.code)


def _uncharged(
    outcome: Outcome, policy: RetryPolicy, random: Callable[[], float]
) -> HandBack:
    match outcome.kind:
        case Kind.THROTTLED:
            return HandBack(outcome.code, pause=PauseAccount(outcome.retry_after))
        case Kind.STOPPED:
            return HandBack(outcome.code, pause=PauseCampaign(outcome.code))
        case Kind.UNREACHABLE:
            return HandBack(outcome.code, policy.breather(random))
        case _:
            return HandBack(outcome.code)


# -- the seconds ---------------------------------------------------------------


async def try_quickly(
    try_once: Callable[[], Awaitable[Outcome]],
    policy: RetryPolicy,
    attempts: int = 0,
    *,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Outcome:
    """A send, with quick second tries inside the shift.

    The last outcome is returned whatever it is; what `try_once` raises passes
    through at once. Each try must ask for its own permit.

    Args:
        try_once: One write.
        policy: How often and how soon.
        attempts: Attempts the group has used up; the tries stay within the rest.
        sleep: Waits so many seconds between tries.
    """
    first = await try_once()
    if not _deserves_quick_try(first):
        # Nearly all end here, and tenacity would cost each as much as its request.
        return first
    retrying = _quick_retrying(policy, attempts, sleep)
    return await retrying(_continued(first, try_once))


def _continued(
    first: Outcome, try_once: Callable[[], Awaitable[Outcome]]
) -> Callable[[], Awaitable[Outcome]]:
    """The tries as tenacity makes them, the first of which is over."""
    made = [first]

    async def again() -> Outcome:
        return made.pop() if made else await try_once()

    return again


def _quick_retrying(
    policy: RetryPolicy, attempts: int, sleep: Callable[[float], Awaitable[None]]
) -> AsyncRetrying:
    shortest, longest = policy.quick_delays
    tries = max(1, min(policy.quick_tries, policy.max_attempts - attempts))
    return AsyncRetrying(
        retry=retry_if_result(_deserves_quick_try),
        stop=stop_after_attempt(tries),
        wait=wait_exponential_jitter(multiplier=shortest, max=longest, jitter=shortest),
        sleep=sleep,
        reraise=True,
        retry_error_callback=_last_outcome,
    )


def _deserves_quick_try(outcome: Outcome) -> bool:
    return outcome.kind in _QUICK


def _last_outcome(state: RetryCallState) -> Outcome:
    assert state.outcome is not None
    last: Outcome = state.outcome.result()
    return last
