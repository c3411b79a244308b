"""Pause and cancel mean exactly what they say, by the provider's own record.

Two workers, and a way to the provider that takes a while: what is let go too early
arrives too late. `TEST_PAUSES=20` does the whole of it, on 100,000 people.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from random import Random

import pytest

from dispatcher import Campaign, Dispatcher, Run
from dispatcher.simulator import Fault
from tests.door import Door
from tests.integration.program import Program
from tests.stack import SENDER, TEXT, Stack, eventually, numbers

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

WHOLE = "TEST_PAUSES" in os.environ
PAUSES = int(os.environ.get("TEST_PAUSES", "4"))
#: Whom a command takes seconds to stop must not be through by then: so few groups are
#: on their way at once, 35 a second, or 140.
RECIPIENTS, SLOTS = (100_000, 8) if WHOLE else (6000, 2)
#: Seconds from a worker to the provider.
WAY_S = 0.15
#: Seconds that are watched after a pause: longer than a permit lasts and the way takes.
WATCH_S = 0.5
DEADLINE_S = 3


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Two workers, far from the provider."""
    settings = {
        "DISPATCHER_HTTP_DEADLINE": str(DEADLINE_S),
        "DISPATCHER_UNKNOWN_GRACE": "1",
    }
    directory = tmp_path_factory.mktemp("pausing")
    with (
        Stack(directory, latency_ms=80, settings=settings) as stack,
        Door(stack.simulator.base_url, delay=WAY_S) as door,
    ):
        for _ in range(2):
            stack.worker(BW_BASE_URL=door.url, DISPATCHER_SLOTS=str(SLOTS))
        yield stack
        for worker in stack.workers:
            worker.kill()


@pytest.fixture(scope="module")
def program(stack: Stack) -> Program:
    """The command line on that system, in processes of its own."""
    return Program({**os.environ, **stack.env})


@dataclass(frozen=True)
class Arrival:
    """A request that reached the provider.

    Attributes:
        at: Seconds since 1970.
        answered: Whether the provider said anything.
    """

    group: int
    at: float
    taken: bool
    answered: bool


def arrivals(stack: Stack, run: Run) -> list[Arrival]:
    """All of a campaign, as the provider recorded them."""
    groups = {tuple(sorted(r.to)): r.number for r in run.results()}
    return [
        Arrival(groups[to], entry.time, entry.taken, entry.status is not None)
        for entry in stack.simulator.record()
        if (to := tuple(sorted(entry.to))) in groups
    ]


@dataclass
class Pause:
    """One pause: what it listed, and the provider's time meanwhile.

    Attributes:
        sending: Groups on their way when it had returned, by the ledger.
    """

    asked_at: float
    listed: set[int]
    returned_at: float = field(default_factory=time.time)
    sending: int = 0
    over_at: float = 0.0

    def waited_for(self, arrived: list[Arrival]) -> list[Arrival]:
        """What reached the provider before it returned."""
        return [a for a in arrived if self.asked_at < a.at < self.returned_at]

    def late(self, arrived: list[Arrival]) -> set[int]:
        """Groups that reached the provider after it had returned."""
        return {a.group for a in arrived if self.returned_at < a.at < self.over_at}


def submit(stack: Stack, id_: str, count: int, first: int) -> Run:
    """A campaign to people of its own, once its first groups are accepted."""
    people = islice(numbers(first + count), first, None)
    run = stack.dispatcher.submit(Campaign(sender=SENDER, text=TEXT), people, id=id_)
    eventually(lambda: run.progress().counts["accepted"] > 0, 30, f"{id_} sends")
    return run


def test_a_pause_lists_what_the_provider_does_not_answer(stack: Stack) -> None:
    """It returns when their deadline is over; each of them may arrive, no other."""
    stack.simulator.set_faults({Fault.HANG: 0.3})
    run = submit(stack, "hanging", 600, 200_000)
    asked_at = time.time()
    pause = Pause(asked_at, set(run.pause()))
    time.sleep(WATCH_S)
    pause.over_at = time.time()
    stack.simulator.set_faults({})
    run.resume()
    done = run.wait(timeout=60)
    arrived = arrivals(stack, run)
    since = asked_at - DEADLINE_S / 2
    hung = {
        a.group for a in arrived if not a.answered and since < a.at < pause.returned_at
    }
    assert hung
    assert hung <= pause.listed
    assert pause.late(arrived) <= pause.listed
    assert Counter(a.group for a in arrived) == Counter(range(60))
    assert done.state == "done"
    assert done.counts["held"] == sum(not a.taken for a in arrived)


def test_a_cancel_in_the_middle(stack: Stack, program: Program) -> None:
    """What was on its way arrives, nothing else does, and every group is final.

    Also what got no answer: nobody sends it again, and it is held.
    """
    stack.simulator.set_faults({Fault.HANG: 0.2})
    run = submit(stack, "cancelled", 6000, 300_000)
    answer = program.answer("cancel", "cancelled")
    returned_at = time.time()
    stack.simulator.set_faults({})
    assert answer == {"id": "cancelled", "state": "cancelled"}
    eventually(lambda: not unsettled(run), 30, "every group is final")
    time.sleep(WATCH_S)
    arrived = arrivals(stack, run)
    results = {result.number: result for result in run.results()}
    states = {"accepted": True, "held": False}
    sent = {n: states[r.state] for n, r in results.items() if r.state in states}
    assert {result.state for result in results.values()} <= {*states, "cancelled"}
    assert {a.group: a.taken for a in arrived} == sent
    assert len(arrived) == len(sent)
    gates = [results[a.group].sent_at for a in arrived if a.at > returned_at]
    assert all(gate and gate.timestamp() < returned_at for gate in gates)
    assert run.verify().differences == []


def unsettled(run: Run) -> int:
    now = run.progress()
    return now.groups - now.settled


class Steering:
    """Pauses and resumes a campaign: from Python, or with a command."""

    def __init__(self, other: Dispatcher, program: Program, run: Run) -> None:
        self._run = run
        self._ways: list[tuple[Callable[[], list[int]], Callable[[], object]]] = [
            (
                lambda: other.pause(run.id),
                lambda: program.answer("resume", run.id),
            ),
            (
                lambda: program.answer("pause", run.id)["sending"],
                lambda: other.resume(run.id),
            ),
        ]

    def once(self, place: int) -> Pause:
        """Pause, watch, resume; each by another way than the time before."""
        pause, resume = self._ways[place % 2]
        asked_at = time.time()
        made = Pause(asked_at, set(pause()))
        made.sending = self._run.progress().counts["sending"]
        time.sleep(WATCH_S)
        made.over_at = time.time()
        resume()
        return made


# The last, for it calls a fast worker to its help.
def test_pauses_are_exact_and_lose_nothing(stack: Stack, program: Program) -> None:
    """It returns when nothing is on its way; in the end each group arrived once."""
    run = submit(stack, "paused", RECIPIENTS, 0)
    random = Random(os.environ.get("TEST_SEED", "7"))
    pauses = []
    with stack.client() as other:
        steering = Steering(other, program, run)
        for place in range(PAUSES):
            time.sleep(random.uniform(0.0, 0.6))
            pauses.append(steering.once(place))
    assert not run.progress().finished, "the campaign was over before its pauses"
    stack.worker()
    done = run.wait(timeout=300)
    arrived = arrivals(stack, run)
    for pause in pauses:
        # Everything is answered in time: so it waited until nothing was on its way.
        assert (pause.late(arrived), pause.listed, pause.sending) == (set(), set(), 0)
    # On the way when a pause was asked for: it had something to wait for.
    assert any(pause.waited_for(arrived) for pause in pauses)
    assert (done.state, done.counts["accepted"]) == ("done", RECIPIENTS // 10)
    assert Counter(a.group for a in arrived) == Counter(range(RECIPIENTS // 10))
    assert run.verify().differences == []
    _tell(pauses, arrived)


def _tell(pauses: list[Pause], arrived: list[Arrival]) -> None:
    waits = sorted(pause.returned_at - pause.asked_at for pause in pauses)
    waited_for = sum(len(pause.waited_for(arrived)) for pause in pauses)
    late = sum(len(pause.late(arrived)) for pause in pauses)
    print(  # noqa: T201 - the figures, for whoever runs the whole of it with -s
        f"\n{len(pauses)} pauses of {waits[0]:.2f} to {waits[-1]:.2f} s until they "
        f"returned; {waited_for} groups arrived in that time, {late} after it; "
        f"{len(arrived)} requests in all"
    )
