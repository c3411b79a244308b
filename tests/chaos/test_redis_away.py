"""Commands while Redis is away; what workers do then is in the fault matrix."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.faults import crash
from tests.integration.program import Program
from tests.stack import Stack

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(150)]


def test_a_command_while_redis_is_away(tmp_path: Path) -> None:
    """It says so in one line, with exit code 1; a load goes on when Redis is back."""
    with Stack(tmp_path) as stack:
        program = Program({**os.environ, **stack.env, "BW_NUMBER": "+19195550100"})
        crash(stack.server)
        for call in (("status",), ("submit", "-", "--text", "hi")):
            done = program(*call, stdin="+19195551212\n")
            assert (done.returncode, done.stdout) == (1, "")
            assert "Redis does not answer" in done.stderr.splitlines()[-1]
            assert "Traceback" not in done.stderr
        stack.server.start()
        with program.start("submit", "-", "--text", "hi", "--id", "late") as loading:
            assert loading.stdin
            rows = [f"+1919{2_000_000 + n}\n" for n in range(60_000)]
            loading.stdin.writelines(rows[:30_000])
            loading.stdin.flush()
            crash(stack.server)
            time.sleep(1)
            stack.server.start()
            loading.stdin.writelines(rows[30_000:])
            loading.stdin.close()
            assert loading.wait(60) == 0
        assert stack.dispatcher.campaign("late").progress().groups == 6000
