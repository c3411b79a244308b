"""A provider that misbehaves: answers lost, outages, wrong credentials."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from dispatcher.simulator import Simulator, SimulatorConfig
from tests.stack import PASSWORD, Stack, eventually

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(150)]


@pytest.mark.parametrize("fault", ["drop-after", "half-answer", "502"])
def test_lost_answers_are_found(tmp_path: Path, fault: str) -> None:
    """What was taken is accepted under its id, what was not is held; none doubles."""
    settings = {"DISPATCHER_UNKNOWN_GRACE": "10"}
    with Stack(
        tmp_path, faults=[f"{fault}=0.1"], index_lag=1.0, settings=settings
    ) as stack:
        run = stack.submit(1500)
        stack.worker()
        run.wait(timeout=90)
        witness = stack.witness(run)
        held = witness.in_state("held")
        assert witness.unproven == []
        assert len(witness.in_state("accepted")) + len(held) == 150
        assert bool(held) == (fault == "502")
        assert run.verify().differences == []


def test_a_202_that_cannot_be_read_is_accepted(tmp_path: Path) -> None:
    """It was taken, so that it is never sent again; its id is found afterwards."""
    with Stack(tmp_path, faults=["bad-json-202=0.1"]) as stack:
        run = stack.submit(1500)
        stack.worker()
        assert run.wait(timeout=90).counts["accepted"] == 150
        eventually(lambda: not stack.witness(run).misbooked, 60, "all ids are known")
        witness = stack.witness(run)
        assert (witness.unproven, witness.missing) == ([], [])


def test_policy_resend_sends_what_was_dropped_before(tmp_path: Path) -> None:
    """Under `resend` a group is sent again once a search after the grace found nothing.

    Never before its deadline and 10 s have passed: the windows would overlap.
    """
    settings = {
        "DISPATCHER_UNKNOWN_GRACE": "1",
        "DISPATCHER_UNKNOWN_POLICY": "resend",
        "DISPATCHER_HTTP_DEADLINE": "1",
    }
    faults = ["drop-before=0.05", "drop-after=0.05"]
    with Stack(tmp_path, faults=faults, index_lag=1.0, settings=settings) as stack:
        run = stack.submit(1500)
        stack.worker()
        assert run.wait(timeout=120).counts["accepted"] == 150
        witness = stack.witness(run)
        assert (witness.unproven, witness.missing) == ([], [])
        assert run.verify().differences == []


def test_wrong_credentials_pause_and_fail_nothing(tmp_path: Path) -> None:
    """401 pauses the campaign with the reason; resume sends what was refused."""
    with Stack(tmp_path) as stack:
        stack.simulator.set_credentials("somebody", "else")
        run = stack.submit(1000)
        stack.worker()
        paused = run.wait(timeout=60)
        assert (paused.state, "401" in paused.reason) == ("paused", True)
        eventually(
            lambda: (
                run.progress().counts["retry"] + run.progress().counts["pending"] == 100
            ),
            30,
            "all groups are back",
        )
        stack.simulator.set_credentials("user", PASSWORD)
        run.resume()
        done = run.wait(timeout=60)
        assert (done.state, done.counts["accepted"]) == ("done", 100)
        attempts = {result.attempts for result in run.results()}
        assert (attempts, stack.witness(run).doubled) == ({1}, 0)


def test_outage_fails_no_group(tmp_path: Path) -> None:
    """An unreachable provider costs no attempt, and is found when it is back."""
    with Stack(tmp_path) as stack:
        port = urlsplit(stack.simulator.base_url).port or 0
        os.kill(stack.simulator.pid, signal.SIGKILL)
        run = stack.submit(3000)
        stack.worker()
        eventually(lambda: "provider.unreachable" in stack.logs(), 60, "an outage")
        config = SimulatorConfig(port=port, username="user", password=PASSWORD)
        with Simulator(config) as back:
            done = run.wait(timeout=60)
            taken = [tuple(entry.to) for entry in back.record() if entry.taken]
        assert (done.state, done.counts["accepted"]) == ("done", 300)
        assert (len(taken), len(set(taken))) == (300, 300)
        assert {result.attempts for result in run.results()} == {1}
