"""Workers and Redis killed in the middle: nothing lost, nothing doubled."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from dispatcher import Run
from tests.stack import Stack, eventually

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(180)]

SLOTS = 16
#: Longer than the searches for all that a killed worker leaves in doubt.
GRACE = {"DISPATCHER_UNKNOWN_GRACE": "20"}


def _accepted(run: Run) -> int:
    return run.progress().counts["accepted"]


def _lapsed(stack: Stack) -> int:
    """Groups that became unknown because who sent them died."""
    return sum(entry["unknown"] for entry in stack.logged("claims.lapsed"))


def _settled(stack: Stack, run: Run, groups: int) -> None:
    """Each group is accepted under its id, or held and never taken; none twice."""
    done = run.wait(timeout=120)
    assert (done.state, done.counts["accepted"] + done.counts["held"]) == (
        "done",
        groups,
    )
    assert stack.witness(run).unproven == []
    assert run.verify().differences == []


def test_killed_worker_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """SIGKILL of one worker: at most its slots are in doubt, and all are cleared up."""
    settings = {"DISPATCHER_SLOTS": str(SLOTS), **GRACE}
    with Stack(tmp_path, latency_ms=50, index_lag=1.0, settings=settings) as stack:
        run = stack.submit(20_000)
        victim, _ = stack.worker(), stack.worker()
        eventually(lambda: _accepted(run) > 500, 60, "500 groups are accepted")
        victim.kill()
        stack.worker()
        _settled(stack, run, 2000)
        assert 0 < _lapsed(stack) <= 2 * SLOTS


def test_stopped_worker_leaves_nothing_unknown(tmp_path: Path) -> None:
    """SIGTERM: what is on the wire ends, the rest goes back, and it exits by itself."""
    with Stack(tmp_path, latency_ms=300) as stack:
        run = stack.submit(20_000)
        leaver = stack.worker()
        eventually(lambda: _accepted(run) > 100, 60, "100 groups are accepted")
        leaver.terminate()
        assert leaver.wait(20) == 0
        counts = run.progress().counts
        assert (counts["claimed"], counts["sending"], counts["unknown"]) == (0, 0, 0)
        stack.worker()
        assert run.wait(timeout=90).counts["accepted"] == 2000
        assert stack.witness(run).doubled == 0


def test_killed_redis_comes_back_and_work_goes_on(tmp_path: Path) -> None:
    """SIGKILL of Redis, which keeps its file: workers reconnect by themselves."""
    with Stack(tmp_path, latency_ms=20, settings=GRACE) as stack:
        run = stack.submit(20_000)
        stack.worker()
        eventually(lambda: _accepted(run) > 300, 60, "300 groups are accepted")
        stack.crash_redis()
        _settled(stack, run, 2000)


def test_killed_child_is_replaced(tmp_path: Path) -> None:
    """SIGKILL of one child: the parent makes another, and its groups are taken up."""
    settings = {"DISPATCHER_SLOTS": str(SLOTS), **GRACE}
    with Stack(tmp_path, latency_ms=50, settings=settings) as stack:
        run = stack.submit(10_000)
        parent = stack.worker()
        eventually(lambda: _accepted(run) > 200, 60, "200 groups are accepted")
        os.kill(_children(parent.pid)[0], signal.SIGKILL)
        _settled(stack, run, 1000)
        assert _lapsed(stack) <= SLOTS


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [int(child) for child in text.split()]
