"""`watch` and `doctor` on real parts, read as programs and as terminals read them."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dispatcher.embedded import EmbeddedServer
from dispatcher.ledger.connection import connect
from tests.integration.program import COMMAND, PATIENCE, Program
from tests.stack import Stack

pytestmark = pytest.mark.integration

#: A full bar where there are no colours.
BAR = f"[{'#' * 20}]"
ROWS = "\n".join(f"+1919555{line:04d}" for line in range(100, 130))


# -- watch ---------------------------------------------------------------------


def test_a_watch_in_a_pipe_ends_with_the_campaign(program: Program) -> None:
    """Plain lines, the last of them says what came of it."""
    program.submit("watched", ROWS)
    done = program("watch", "watched")
    assert (done.returncode, done.stderr) == (0, "")
    *_, last, verdict, command = done.stdout.splitlines()
    assert last.startswith("done       3 of 3 groups")
    assert verdict == "done; what became of every group:"
    assert command == "  dispatcher results watched"
    assert "\x1b" not in done.stdout


def test_a_watch_ends_with_a_pause(program: Program) -> None:
    """It says why, and how it goes on."""
    program.submit("stopped", ROWS.replace("+1919", "+1920"), "--stop-after", "1")
    done = program("watch", "stopped")
    assert done.returncode == 0
    assert "paused (canary): look at the first groups" in done.stdout
    assert done.stdout.endswith("  dispatcher resume stopped\n")


def test_a_watch_for_programs(program: Program) -> None:
    """One JSON object a line."""
    program.submit("machine", ROWS.replace("+1919", "+1921"))
    done = program("watch", "machine", "--json")
    looks = [json.loads(line) for line in done.stdout.splitlines()]
    assert (looks[-1]["state"], looks[-1]["accepted"]) == ("done", 3)
    assert "rate_now" in looks[-1]


def test_a_watch_of_all_ends_when_nothing_runs(program: Program) -> None:
    """Campaigns that ended before are not shown."""
    program.submit("alone", "+19195550140\n")
    program.until("alone", state="done")
    done = program("watch")
    assert (done.returncode, done.stderr) == (0, "")
    assert "no campaign is running" in done.stdout


def test_a_watch_of_nothing_is_a_failed_job(program: Program) -> None:
    """One line."""
    assert "no campaign has the id" in program.refusal(1, "watch", "nobody")


@pytest.mark.parametrize(
    ("terminal", "bar"),
    [
        ({"TERM": "xterm", "PYTHONIOENCODING": "utf-8"}, "━"),
        ({"TERM": "xterm", "PYTHONIOENCODING": "ascii", "LC_ALL": "C"}, BAR),
        ({"TERM": "xterm", "NO_COLOR": "1"}, BAR),
        ({"TERM": "dumb"}, "3 of 3 groups"),
    ],
)
def test_a_watch_on_terminals(
    program: Program, terminal: dict[str, str], bar: str
) -> None:
    """Narrow ones, those without colours, and those that know only ASCII."""
    program.submit("shown", ROWS.replace("+1919", "+1922"))
    screen, shown = os.openpty()
    with subprocess.Popen(
        [*COMMAND, "watch", "shown"],
        env={**program.environment, "COLUMNS": "60", **terminal},
        stdout=shown,
        stderr=shown,
    ) as process:
        os.close(shown)
        seen = _read_all(screen)
        assert process.wait(PATIENCE) == 0
    assert bar in seen
    assert "dispatcher results shown" in seen
    assert "Traceback" not in seen


def _read_all(terminal: int) -> str:
    shown = b""
    with contextlib.suppress(OSError):  # how Linux says that it was closed
        while block := os.read(terminal, 4096):
            shown += block
    os.close(terminal)
    return shown.decode()


# -- doctor --------------------------------------------------------------------


def by_check(program: Program) -> dict[str, str]:
    done = program("doctor", "--json")
    return {row["check"]: row["level"] for row in json.loads(done.stdout)}


def test_a_system_that_works_has_no_fault(program: Program) -> None:
    """Server, provider and workers answer; nothing private is shown."""
    done = program("doctor", "--json")
    assert done.returncode == 0, done.stdout
    levels = {row["check"]: row["level"] for row in json.loads(done.stdout)}
    for check in ("settings", "data", "provider", "Redis", "durability", "workers"):
        assert levels[check] == "ok"
    assert program.environment["BW_PASSWORD"] not in done.stdout


@pytest.mark.parametrize(
    ("more", "check"),
    [
        ({"BW_PASSWORD": "wrong"}, "provider"),
        ({"BW_BASE_URL": "http://127.0.0.1:9/api/v2"}, "provider"),
        ({"DISPATCHER_REDIS_URL": "unix:///nowhere/redis.sock"}, "Redis"),
        ({"DISPATCHER_DATA_DIR": "/proc/nowhere"}, "data"),
        ({"DISPATCHER_SLOTS": "many"}, "settings"),
    ],
)
def test_what_is_wrong_is_a_fault(
    program: Program, more: dict[str, str], check: str
) -> None:
    """Exit code 1, and the fault is told where it is."""
    wrong = Program({**program.environment, **more})
    assert wrong("doctor").returncode == 1
    assert by_check(wrong)[check] == "fault"


@pytest.fixture
def hasty(tmp_path: Path) -> Iterator[Stack]:
    """A server that does not wait for its disk, and no worker."""
    with Stack(tmp_path) as stack:
        _configure(stack.server, "appendfsync", "everysec")
        yield stack


def _configure(server: EmbeddedServer, name: str, value: str) -> None:
    with connect(server.url) as client:
        client.config_set(name, value)


def test_a_hasty_server_without_workers_is_warned_of(hasty: Stack) -> None:
    """Warnings are no failure, until something waits for a worker."""
    program = Program({**os.environ, **hasty.env})
    assert program("doctor").returncode == 0
    found = by_check(program)
    assert (found["durability"], found["workers"]) == ("warning", "warning")
    hasty.submit(3)
    assert program("doctor").returncode == 1
    assert by_check(program)["workers"] == "fault"


def test_without_any_redis(tmp_path: Path) -> None:
    """The fault says how to get one."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    done = Program(environment)("doctor")
    assert done.returncode == 1
    assert "DISPATCHER_REDIS_URL" in done.stdout
