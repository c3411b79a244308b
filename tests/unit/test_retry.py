"""The retry decision as a table, its bounds, and the quick tries without sleeping."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.outcomes import Kind, Outcome
from workers.retry import (
    Accepted,
    Failed,
    HandBack,
    Park,
    PauseAccount,
    PauseCampaign,
    RetryAt,
    RetryPolicy,
    Step,
    next_step,
    try_quickly,
)

POLICY = RetryPolicy(jitter=0.5)
ERROR = Outcome(Kind.SERVER_ERROR, "500 x", description="Try later")
FRACTIONS = st.floats(0, 1, exclude_max=True)


def decided(outcome: Outcome, attempts: int = 0, policy: RetryPolicy = POLICY) -> Step:
    return next_step(outcome, attempts, policy, lambda: 0.0)


@pytest.mark.parametrize(
    ("outcome", "attempts", "step"),
    [
        (Outcome(Kind.ACCEPTED, "202", "m1"), 4, Accepted("m1")),
        (Outcome(Kind.ACCEPTED, "202"), 0, Accepted(None)),
        (Outcome(Kind.REFUSED, "400", description="No"), 0, Failed("400", "No")),
        (Outcome(Kind.UNKNOWN, "timeout"), 0, Park("timeout")),
        (Outcome(Kind.UNKNOWN, "timeout"), 99, Park("timeout")),
        (ERROR, 0, RetryAt(15.0, 1, "500 x")),
        (ERROR, 1, RetryAt(15.0, 2, "500 x")),
        (ERROR, 2, RetryAt(60.0, 3, "500 x")),
        (ERROR, 3, RetryAt(60.0, 4, "500 x")),
        (ERROR, 4, Failed("attempts used up: 500 x", "Try later")),
        (ERROR, 9, Failed("attempts used up: 500 x", "Try later")),
        (
            Outcome(Kind.THROTTLED, "429", retry_after=7.0),
            99,
            HandBack("429", 0.0, PauseAccount(7.0)),
        ),
        (Outcome(Kind.THROTTLED, "429"), 0, HandBack("429", 0.0, PauseAccount(None))),
        (Outcome(Kind.STOPPED, "401"), 99, HandBack("401", 0.0, PauseCampaign("401"))),
        (
            Outcome(Kind.UNREACHABLE, "connect-failed"),
            99,
            HandBack("connect-failed", 2),
        ),
        (Outcome(Kind.NOT_WRITTEN, "not-written"), 99, HandBack("not-written")),
        (Outcome(Kind.TOKEN_REFRESHED, "401"), 99, HandBack("401")),
    ],
)
def test_next_step(outcome: Outcome, attempts: int, step: Step) -> None:
    """Each outcome leads to its step; only server errors use attempts up."""
    assert decided(outcome, attempts) == step


def test_steps_hide_the_description() -> None:
    """A step may be logged; what the provider said may quote a number."""
    assert "Try later" not in repr(decided(ERROR, 9))


@given(
    kind=st.sampled_from(Kind),
    attempts=st.integers(0, 50),
    most=st.integers(1, 20),
    fraction=FRACTIONS,
)
def test_next_step_is_total_and_bounded(
    kind: Kind, attempts: int, most: int, fraction: float
) -> None:
    """Every kind with any count gives a step, within attempts and delays."""
    policy = RetryPolicy(max_attempts=most)
    step = next_step(Outcome(kind, "x"), attempts, policy, lambda: fraction)
    assert isinstance(step, Step)
    assert isinstance(step, Accepted) == (kind.sent == "yes")
    assert isinstance(step, Park) == (kind.sent == "maybe")
    if isinstance(step, RetryAt):
        assert step.attempts_spent == attempts + 1 < most
        assert 15 <= step.delay_s <= 600 * 1.2
    if isinstance(step, HandBack):
        assert 0 <= step.delay_s <= 2 * 1.2


@given(
    delays=st.lists(st.floats(1, 600), min_size=1, max_size=6).map(sorted),
    tries=st.integers(1, 4),
)
def test_delays_never_shrink(delays: list[float], tries: int) -> None:
    """Later attempts wait as long or longer, up to the last delay."""
    policy = RetryPolicy(slow_delays=tuple(delays), quick_tries=tries)
    waits = [policy.slow_delay(attempts, lambda: 0.0) for attempts in range(1, 40)]
    assert all(one <= next_ for one, next_ in pairwise(waits))
    assert waits[-1] == delays[-1]


# -- the quick tries -----------------------------------------------------------


def tried(
    *kinds: Kind, attempts: int = 0, policy: RetryPolicy = POLICY
) -> tuple[Outcome, int, list[float]]:
    """The last outcome, the number of tries, and the pauses between them."""
    outcomes = [Outcome(kind, str(number)) for number, kind in enumerate(kinds)]
    pauses: list[float] = []
    calls: list[Outcome] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    async def send() -> Outcome:
        calls.append(outcomes[len(calls)])
        return calls[-1]

    async def run() -> Outcome:
        return await try_quickly(send, policy, attempts, sleep=sleep)

    return asyncio.run(run()), len(calls), pauses


@pytest.mark.parametrize(
    "kind", [Kind.SERVER_ERROR, Kind.NOT_WRITTEN, Kind.TOKEN_REFRESHED]
)
def test_a_quick_second_try(kind: Kind) -> None:
    """What is proven unsent and passes quickly is tried once more, after a pause."""
    last, calls, (pause,) = tried(kind, Kind.ACCEPTED)
    assert (last.kind, calls) == (Kind.ACCEPTED, 2)
    assert 0.2 <= pause <= 0.4


@pytest.mark.parametrize(
    "kind",
    [
        kind
        for kind in Kind
        if kind not in (Kind.SERVER_ERROR, Kind.NOT_WRITTEN, Kind.TOKEN_REFRESHED)
    ],
)
def test_no_quick_second_try(kind: Kind) -> None:
    """Anything else comes back at once."""
    assert tried(kind) == (Outcome(kind, "0"), 1, [])


def test_the_last_outcome_is_returned() -> None:
    """When the tries are used up, there is an outcome and no exception."""
    last, calls, _ = tried(Kind.NOT_WRITTEN, Kind.SERVER_ERROR)
    assert (last, calls) == (Outcome(Kind.SERVER_ERROR, "1"), 2)


def test_pauses_grow_to_their_limit() -> None:
    """Exponential, with jitter, within the policy's bounds."""
    policy = RetryPolicy(quick_tries=8, max_attempts=9)
    _, _, pauses = tried(*[Kind.SERVER_ERROR] * 8, policy=policy)
    assert len(pauses) == 7
    assert all(0.2 <= pause <= 2.0 for pause in pauses)
    assert pauses[-1] == 2.0


@pytest.mark.parametrize(("attempts", "calls"), [(3, 2), (4, 1), (5, 1)])
def test_quick_tries_stay_within_the_attempts(attempts: int, calls: int) -> None:
    """A quick try never uses more attempts than the group has left."""
    assert tried(*[Kind.SERVER_ERROR] * 2, attempts=attempts)[1] == calls


def test_what_a_try_raises_passes_through() -> None:
    """An exception is nobody's outcome: it comes out unchanged, and at once."""

    async def refused() -> Outcome:
        raise LookupError

    with pytest.raises(LookupError):
        asyncio.run(try_quickly(refused, POLICY))
