"""The day's cap on real parts: it is kept, nobody works on it, and people are told."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import pytest

from dispatcher.ledger.connection import connect
from dispatcher.ledger.keys import key
from tests.integration.program import Program
from tests.stack import Stack, eventually

#: Ten groups of ten, and half a group.
CAP: Final = 105

pytestmark = pytest.mark.integration


def test_a_campaign_waits_for_the_next_day(tmp_path: Path) -> None:
    """The provider sees no more than the cap; then no child is at work or called."""
    with Stack(tmp_path, settings={"DISPATCHER_DAILY_UNITS": str(CAP)}) as stack:
        stack.worker()
        run = stack.submit(200)
        eventually(lambda: run.progress().capped_until is not None, 30, "it is full")
        eventually(lambda: at_rest(stack), 30, "nobody works")
        now = run.progress()
        assert (now.state, now.counts["accepted"], now.counts["claimed"]) == (
            *("running", 10, 0),
        )
        assert sum(entry.units for entry in stack.simulator.record()) == 100
        assert "day" in [reason.code for reason in run.explain().reasons]
        program = Program({**os.environ, **stack.env})
        assert "the account's units of this day are used up" in told(program, "status")
        assert "it goes on at midnight UTC" in told(program, "explain")
        assert run.verify().balanced


def told(program: Program, command: str) -> str:
    return " ".join(program(command, "test").stdout.split())


def at_rest(stack: Stack) -> bool:
    """No child in a shift, and no wake-up on its way."""
    with connect(stack.env["DISPATCHER_REDIS_URL"]) as client:
        return not client.zcard(key("shifts")) and not client.exists(key("wakes"))
