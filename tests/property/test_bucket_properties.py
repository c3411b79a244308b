"""Buckets: never over the rate in any window, and hardly ever under it."""

from __future__ import annotations

import heapq
from collections import defaultdict
from dataclasses import dataclass
from random import Random
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dispatcher.ledger.calls import Rates
from dispatcher.ledger.keys import key
from tests.bench import DAWN_US, Bench, ticket

#: One group may take a bucket so far into debt.
LARGEST: Final = 10
#: A bucket saves up so many seconds' worth.
SAVED_S: Final = 0.25
TOKENS: Final = ("A", "B", "C")

RATES = st.sampled_from([0.5, 1.0, 3.0, 100.0, 5000.0]) | st.floats(0.5, 5000)
LIMITS = st.sampled_from(["account", "sender", "pace"])


@dataclass(frozen=True)
class Passed:
    """Units that passed the gate at a moment of true time."""

    us: int
    units: int


class Crowd:
    """Workers with groups without end, under one limit.

    Attributes:
        passed: What the gate let through.
        true_us: True time; the server's clock may have been set back from it.
    """

    def __init__(self, bench: Bench, limit: str, rate: float) -> None:
        bench.redis.flushall()
        bench.clock.us = DAWN_US
        bench.checked = False
        bench.run(bench.committing("c", 0, groups=10**9))
        self.rate = rate
        self.passed: list[Passed] = []
        self.true_us = 0
        self._bench = bench
        self._pace = rate if limit == "pace" else 0
        self._rates = Rates(
            account=rate if limit == "account" else None,
            sender=rate if limit == "sender" else None,
        )
        self._claimed: defaultdict[str, list[int]] = defaultdict(list)

    def move(self, true_us: int, back_us: int = 0) -> None:
        """So much time passes, and the server's clock is set back by so much."""
        self.true_us += true_us
        self._bench.clock.us += true_us - back_us

    def ask(self, token: str, costs: list[int]) -> list[int]:
        """Groups of one worker at the gate, in one call; the answers."""
        groups = self._groups(token, len(costs))
        items = [ticket(g, cost=c) for g, c in zip(groups, costs, strict=True)]
        answers = self._bench.gates(items, token=token, rates=self._rates)
        assert min(answers) >= 0
        for group, cost, answer in zip(groups, costs, answers, strict=True):
            if answer == 0:
                self._claimed[token].remove(group)
                self.passed.append(Passed(self.true_us, cost))
        return answers

    def _groups(self, token: str, count: int) -> list[int]:
        if len(self._claimed[token]) < count:
            campaign = key("campaign", "c")
            self._bench.redis.hset(campaign, "pace", 0)  # or a claim would wait for it
            reply = self._bench.claim(500, token=token)
            self._claimed[token] += [c.group for c in reply.groups]
            self._bench.redis.hset(campaign, "pace", self._pace)
        return self._claimed[token][:count]

    def check_every_window(self) -> None:
        """No stretch between two sends held more than the rate and one burst."""
        for first, begin in enumerate(self.passed):
            units = 0
            for end in self.passed[first:]:
                units += end.units
                seconds = (end.us - begin.us) / 1e6
                most = self.rate * seconds + self.rate * SAVED_S + LARGEST
                assert units <= most + 1e-3, (begin, end, units, most)

    def used(self) -> float:
        """Share of the permitted units that were used, after the first group."""
        seconds = (self.passed[-1].us - self.passed[0].us) / 1e6
        return sum(p.units for p in self.passed[1:]) / (self.rate * seconds)


on_a_server = settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
COSTS = st.lists(st.integers(1, LARGEST), min_size=1, max_size=5)
PAUSES = st.integers(0, 5_000) | st.integers(0, 3_000_000)
ARRIVALS = st.lists(
    st.tuples(PAUSES, st.sampled_from(TOKENS), COSTS), min_size=1, max_size=40
)


@on_a_server
@given(limit=LIMITS, rate=RATES, arrivals=ARRIVALS)
def test_never_over_the_rate(
    bench: Bench, limit: str, rate: float, arrivals: list[tuple[int, str, list[int]]]
) -> None:
    """Whoever comes whenever: every window holds rate x time + one burst at most."""
    crowd = Crowd(bench, limit, rate)
    for pause_us, token, costs in arrivals:
        crowd.move(pause_us)
        crowd.ask(token, costs)
    crowd.check_every_window()


SET_BACK = st.lists(
    st.tuples(PAUSES, st.just(0) | st.integers(0, 10_000_000), COSTS),
    min_size=1,
    max_size=40,
)


@on_a_server
@given(limit=LIMITS, rate=RATES, arrivals=SET_BACK)
def test_never_over_the_rate_when_the_clock_goes_backwards(
    bench: Bench, limit: str, rate: float, arrivals: list[tuple[int, int, list[int]]]
) -> None:
    """The same windows, in true time, however often the clock is set back."""
    crowd = Crowd(bench, limit, rate)
    for pause_us, back_us, costs in arrivals:
        crowd.move(pause_us, back_us)
        crowd.ask("A", costs)
        crowd.ask("B", costs)
    crowd.check_every_window()


@on_a_server
@given(limit=LIMITS, rate=RATES, costs=COSTS, back_us=st.integers(1, 10**10))
def test_a_clock_set_back_gives_nothing(
    bench: Bench, limit: str, rate: float, costs: list[int], back_us: int
) -> None:
    """At the moment of the jump nobody passes who would not have passed without it."""
    crowd = Crowd(bench, limit, rate)
    crowd.ask("A", [LARGEST])
    before = crowd.ask("A", costs) if rate < LARGEST / SAVED_S else None
    crowd.move(0, back_us)
    after = crowd.ask("A", costs)
    if before is not None:
        assert after == before
    crowd.check_every_window()


def come_when_told(crowd: Crowd, units: int, late_us: int, random: Random) -> None:
    """Every worker asks again when it was told to, or a little later."""
    slots = 40 // len(TOKENS)
    due = [(0, token, random.randint(1, LARGEST)) for token in TOKENS * slots]
    heapq.heapify(due)
    sent = 0
    while sent < units:
        now, token, cost = heapq.heappop(due)
        costs = [cost]
        while due and due[0][:2] == (now, token):  # they come in one call
            costs.append(heapq.heappop(due)[2])
        crowd.move(now - crowd.true_us)
        for cost, wait_ms in zip(costs, crowd.ask(token, costs), strict=True):
            if wait_ms:
                heapq.heappush(due, (now + wait_ms * 1000 + late_us, token, cost))
            else:
                sent += cost
                heapq.heappush(due, (now, token, random.randint(1, LARGEST)))


@pytest.mark.parametrize("limit", ["account", "pace"])
@pytest.mark.parametrize(
    ("rate", "late_ms"),
    [(0.5, 0), (1, 0), (1, 200), (3, 100), (100, 0), (100, 200), (777.7, 0), (5000, 0)],
)
def test_hardly_ever_under_the_rate(
    bench: Bench, limit: str, rate: float, late_ms: int
) -> None:
    """While groups wait, 99 % of the permitted units are used, one a second too."""
    crowd = Crowd(bench, limit, rate)
    refills = max(LARGEST / 2, rate * SAVED_S / 10)
    come_when_told(crowd, int(100 * refills), late_ms * 1000, Random(rate))
    assert crowd.used() >= 0.99
    crowd.check_every_window()
