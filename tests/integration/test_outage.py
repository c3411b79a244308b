"""An outage of the provider: one probe at a time reaches it, by the door's record."""

from __future__ import annotations

import json
import time
from itertools import pairwise
from pathlib import Path

import pytest

from dispatcher import Run
from tests.door import Door, InVain
from tests.stack import Stack, eventually
from workers.breaker import FIRST_COOLDOWN_S

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

RECIPIENTS = 1200
DEADLINE_S = 0.5


def members(sent: InVain) -> tuple[str, ...]:
    """To whom a send was that came in vain; nobody for a search."""
    head, _, body = sent.content.partition(b"\r\n\r\n")
    return tuple(sorted(json.loads(body)["to"])) if head.startswith(b"POST") else ()


def one_after_the_other(probes: list[InVain]) -> bool:
    return all(b.at - a.at >= FIRST_COOLDOWN_S for a, b in pairwise(probes))


def lost(stack: Stack) -> int:
    """Workers that have told that they cannot reach the provider."""
    return sum("provider.unreachable" in w.log.read_text() for w in stack.workers)


def test_one_probe_at_a_time(tmp_path: Path) -> None:
    """The provider takes requests and answers none; nobody has to mend anything."""
    settings = {
        "DISPATCHER_HTTP_DEADLINE": str(DEADLINE_S),
        "DISPATCHER_UNKNOWN_GRACE": "2",
        "DISPATCHER_SLOTS": "4",
    }
    with (
        Stack(tmp_path, latency_ms=80, settings=settings) as stack,
        Door(stack.simulator.base_url) as door,
    ):
        run = stack.submit(RECIPIENTS)
        for _ in range(2):
            stack.worker(children=1, BW_BASE_URL=door.url)
        eventually(lambda: run.progress().counts["accepted"] > 0, 30, "it sends")
        door.deafen()
        eventually(lambda: lost(stack) == 2, 30, "both children have noticed")
        # What they had begun before that ends.
        since = time.time() + DEADLINE_S
        eventually(lambda: len(sends(door, since)) >= 2, 30, "two probes came")
        door.open()
        done = run.wait(timeout=60)
        probes = sends(door, since)
        assert one_after_the_other(probes)
        assert stack.logged("provider.reachable")
        assert done.state == "done"
        expect_each_once(stack, run, door)
        for worker in stack.workers:
            worker.kill()


def sends(door: Door, since: float) -> list[InVain]:
    return [came for came in door.in_vain if came.at > since and members(came)]


def expect_each_once(stack: Stack, run: Run, door: Door) -> None:
    """No attempt is burnt; held is what got no answer, all else is accepted.

    Some of that the provider took, when the door was shut: a later search finds it.
    """
    witness = stack.witness(run)
    swallowed = [to for came in door.in_vain if (to := members(came))]
    assert len(swallowed) == len(set(swallowed))
    held = {tuple(sorted(result.to)) for result in witness.in_state("held")}
    assert held >= set(swallowed)
    assert all(result.attempts == 0 for result in witness.in_state("held"))
    assert len(witness.in_state("accepted")) == RECIPIENTS // 10 - len(held)
    assert all(result.attempts <= 1 for result in witness.in_state("accepted"))
    assert (witness.doubled, witness.lost, witness.misbooked) == (0, [], [])
