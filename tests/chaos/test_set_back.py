"""A ledger that forgot something: noticed before anything is sent from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dispatcher import LedgerError, Refused, Run
from tests.faults import Pair, Sentinels, crash, keep_file, put_back_file
from tests.stack import Stack, eventually

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(150)]


#: What the ledger knows to be on its way, and is not, is held at once.
SETTINGS = {"DISPATCHER_UNKNOWN_GRACE": "1"}


def _accepted(run: Run) -> int:
    return run.progress().counts["accepted"]


def _stack(directory: Path, url: str | None = None) -> Stack:
    return Stack(directory, redis_url=url, settings=SETTINGS)


def _set_back(stack: Stack, run: Run) -> None:
    """It waits for a person, who verifies it; until then nobody got anything twice."""
    eventually(lambda: run.progress().reason == "ledger", 60, "paused (ledger)")
    witness = stack.witness(run)
    assert (run.progress().state, witness.doubled) == ("paused", 0)
    assert witness.missing, "it was not all sent before"
    with pytest.raises(Refused, match="dispatcher verify test"):
        run.resume()
    assert run.verify().differences == []
    assert run.progress().reason == "ledger, verified"
    run.resume()
    assert run.wait(timeout=90).state == "done"
    witness = stack.witness(run)
    held = {result.number for result in witness.in_state("held")}
    assert set(witness.missing) <= held


def test_a_replica_promoted_with_lost_writes(tmp_path: Path) -> None:
    """Its living workers send nothing from it before a person has looked."""
    with Pair(tmp_path) as pair, _stack(tmp_path, pair.url) as stack:
        run = stack.submit(8000, pace=2000)
        stack.worker()
        eventually(lambda: _accepted(run) > 100, 60, "100 groups are accepted")
        pair.promote()
        before = _accepted(run)
        eventually(lambda: _accepted(run) > before + 100, 60, "writes it will lack")
        pair.fail_over()
        _set_back(stack, run)
        assert stack.logs().count('"event": "ledger.set_back"') == 1


def test_a_replica_promoted_while_no_worker_lived(tmp_path: Path) -> None:
    """Nobody remembers what it lacks; that it was a replica is enough."""
    with Pair(tmp_path) as pair, _stack(tmp_path, pair.url) as stack:
        run = stack.submit(8000, pace=2000)
        worker = stack.worker()
        eventually(lambda: _accepted(run) > 100, 60, "100 groups are accepted")
        pair.promote()
        before = _accepted(run)
        eventually(lambda: _accepted(run) > before + 100, 60, "writes it will lack")
        worker.kill()
        pair.fail_over()
        stack.worker()
        _set_back(stack, run)


def test_a_file_from_the_past(tmp_path: Path) -> None:
    """The same server on an old copy of its file: its workers know better."""
    copy = tmp_path / "copy"
    with _stack(tmp_path) as stack:
        run = stack.submit(8000, pace=2000)
        stack.worker()
        eventually(lambda: _accepted(run) > 100, 60, "100 groups are accepted")
        keep_file(stack.server, copy)
        before = _accepted(run)
        eventually(lambda: _accepted(run) > before + 100, 60, "writes it will lack")
        crash(stack.server)
        put_back_file(stack.server, copy)
        stack.server.start()
        _set_back(stack, run)


def test_a_failover_by_sentinel(tmp_path: Path) -> None:
    """The workers follow to the new primary by themselves, and wait for a person."""
    with (
        Pair(tmp_path) as pair,
        Sentinels(tmp_path, pair) as sentinels,
        _stack(tmp_path, sentinels.url) as stack,
    ):
        run = stack.submit(8000, pace=2000)
        stack.worker()
        eventually(lambda: _accepted(run) > 100, 60, "100 groups are accepted")
        pair.primary.terminate()
        eventually(lambda: _serves(run), 60, "the new primary serves")
        _set_back(stack, run)


def _serves(run: Run) -> bool:
    try:
        run.progress()
    except LedgerError:
        return False
    return True
