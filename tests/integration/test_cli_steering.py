"""What a person orders from the command line, on real parts, and the worker command."""

from __future__ import annotations

import pytest

from dispatcher.simulator import Fault
from tests.integration.program import PATIENCE, Program
from tests.stack import Stack, eventually

pytestmark = pytest.mark.integration

REFUSED = "+1 919 555 0500\n+49 30 12\n"


def reasons(program: Program, id_: str) -> list[str]:
    """What `explain` says stands in its way."""
    return [reason["code"] for reason in program.answer("explain", id_)["reasons"]]


def test_a_campaign_is_steered(program: Program) -> None:
    """Scheduled, paused, scheduled again, cancelled; and then no more."""
    program.submit("steered", "+19195550301\n", "--at", "2100-01-01T00:00Z")
    steered = {"id": "steered"}
    assert reasons(program, "steered")[0] == "scheduled"
    paused = program.answer("pause", "steered")
    assert paused == steered | {"state": "paused", "sending": []}
    assert reasons(program, "steered")[0] == "paused"
    assert program.answer("resume", "steered") == steered | {"state": "scheduled"}
    assert "not paused" in program.refusal(1, "resume", "steered")
    assert program.answer("cancel", "steered") == steered | {"state": "cancelled"}
    assert "is cancelled" in program.refusal(1, "retry", "steered")
    assert program.answer("status", "steered")["cancelled"] == 1
    assert program.answer("verify", "steered")["balanced"] is True


def test_a_failed_group_is_retried(program: Program) -> None:
    """When asked to, it is tried again, and fails again: the number is still bad."""
    program.submit("again", REFUSED)
    program.until("again", state="done", failed=1)
    kept = program.answer("retry", "again", "--failed")
    assert (kept["retried"], list(kept["left"].values())) == (0, [1])
    assert program.answer("retry", "again", "--failed", "--refused")["retried"] == 1
    program.until("again", state="done", failed=1)
    assert program.answer("verify", "again")["balanced"] is True


def hold(stack: Stack, program: Program, id_: str, number: str) -> None:
    """A group of which no search finds anything, and whose grace has ended."""
    stack.simulator.set_faults({Fault.DROP_BEFORE: 1})
    program.submit(id_, number)
    program.until(id_, held=1)
    stack.simulator.set_faults({})


def test_a_person_resolves_a_held_group(stack: Stack, program: Program) -> None:
    """What they found becomes the group's message id; once is enough."""
    hold(stack, program, "held", "+19195550401")
    done = program.answer("resolve", "held", "0", "--sent", "found-it")
    assert done == {"id": "held", "group": 0, "state": "accepted"}
    (group,) = program.rows("held")
    assert (group["state"], group["message_id"]) == ("accepted", "found-it")
    again = program.refusal(1, "resolve", "held", "0", "--not-sent")
    assert "only an unknown or held one" in again


def test_a_held_group_is_retried_after_a_yes(stack: Stack, program: Program) -> None:
    """Without one it says how many may have been taken, and sends nothing."""
    hold(stack, program, "asked", "+19195550402")
    refused = program.refusal(2, "retry", "asked", "--held")
    assert "1 held group may have been taken" in refused
    assert program.answer("retry", "asked", "--held", "--yes")["retried"] == 1
    assert program.until("asked", state="done")["accepted"] == 1


def test_the_worker_command_sends_until_it_is_told_to_end(program: Program) -> None:
    """It works beside another worker of the same machine, and ends with code 0."""
    with program.start("worker", "--concurrency", "1", "--log-level", "info") as worker:
        lines = iter(worker.stderr or ())
        assert any("child.ready" in line for line in lines)
        assert any("dispatcher-" in line and "ready" in line for line in lines)
        worker.terminate()
        worker.communicate(timeout=PATIENCE)
    assert worker.returncode == 0


def test_a_simulator_is_up_when_it_says_so(program: Program) -> None:
    """It prints its address, and SIGTERM ends it with code 0."""
    with program.start("simulator", "--fault", "500=0.5", "--seed", "3") as simulator:
        assert simulator.stdout is not None
        assert "http://127.0.0.1:" in simulator.stdout.readline()
        simulator.terminate()
        simulator.communicate(timeout=PATIENCE)
    assert simulator.returncode == 0
    eventually(lambda: simulator.poll() == 0, 1, "it has ended")
