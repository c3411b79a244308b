"""Submitting from the command line, on real parts, read as programs read it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.integration.program import COMMAND, PATIENCE, Program

pytestmark = pytest.mark.integration

#: What `status --json` holds at least.
STATUS = {
    *("id", "state", "recipients", "groups", "pending", "claimed", "sending"),
    *("retry", "accepted", "failed", "unknown", "held", "cancelled"),
    *("rejected", "dropped", "doubled"),
}
#: Twelve rows: nine good ones, one twice, one bad, one that the provider refuses.
GOOD = [f"+1919555{place:04d}" for place in range(9)]
LIST = "\n".join(["phone", *GOOD, "(919) 555-0001", "call me", "+49 30 12"])


@pytest.fixture
def families(tmp_path: Path) -> str:
    path = tmp_path / "families.csv"
    path.write_text(LIST)
    return str(path)


# -- there and back ------------------------------------------------------------


def test_a_list_makes_the_round_trip(program: Program, families: str) -> None:
    """Submit, status, results and verify agree, in the shapes of the contract."""
    arguments = ("submit", families, "--text", "hi", "--id", "trip")
    submitted = program.answer(*arguments)
    rejections = Path(submitted.pop("rejections_file")).read_text()
    assert "call me" in rejections
    assert submitted == {
        "id": "trip",
        "existing": False,
        "recipients": 12,
        "groups": 1,
        "units": 10,
        "rejected": {"not_a_number": 1},
        "dropped": {"duplicate": 1},
    }
    ended = program.until("trip", state="done")
    assert ended.keys() >= STATUS
    assert (ended["failed"], ended["rejected"]) == (1, {"not_a_number": 1})
    (group,) = program.rows("trip")
    assert group["to"] == [*GOOD, "+493012"]
    assert (group["campaign"], group["group"], group["state"]) == ("trip", 0, "failed")
    assert group["error"]["code"].startswith("400")
    assert program.answer("verify", "trip")["balanced"] is True


def test_a_second_submit_changes_nothing(program: Program, families: str) -> None:
    """The same JSON with "existing": true, whatever the pace and priority now are."""
    arguments = ("submit", families, "--text", "hi", "--id", "twice")
    first = program.answer(*arguments)
    second = program.answer(*arguments, "--pace", "5", "--priority", "1")
    assert second == first | {"existing": True}


def test_an_id_has_one_content(program: Program) -> None:
    """Another text under the same id is refused."""
    program.submit("taken", "+19195550120\n")
    other = program(
        *("submit", "-", "--text", "other", "--id", "taken"), stdin="+19195550120\n"
    )
    assert (other.returncode, other.stdout) == (1, "")
    assert "belongs to a campaign with other content" in other.stderr


def test_the_id_is_told_before_the_list_is_read(program: Program) -> None:
    """A call that is cut off while it reads can be repeated under that id."""
    with program.start("submit", "-", "--text", "hi", "--json") as process:
        assert process.stderr is not None
        id_ = process.stderr.readline().removeprefix("id: ").strip()
        out, _ = process.communicate("+19195550199\n", timeout=PATIENCE)
    assert json.loads(out)["id"] == id_
    assert program.until(id_, state="done")["accepted"] == 1


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
)
def test_a_submission_can_be_interrupted(
    program: Program, number: signal.Signals, code: int
) -> None:
    """It ends quietly, and nothing was submitted."""
    with program.start("submit", "-", "--text", "hi") as process:
        assert process.stderr is not None
        id_ = process.stderr.readline().removeprefix("id: ").strip()
        process.send_signal(number)
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out, err) == (code, "", "")
    assert program("results", id_, "--json").stdout == ""


# -- waiting -------------------------------------------------------------------


def test_a_wait_ends_well_when_all_were_accepted(program: Program) -> None:
    """Exit code 0, and in a pipe nothing that moves."""
    done = program("submit", "-", "--text", "hi", "--wait", stdin="+19195550111\n")
    assert (done.returncode, done.stderr.count("\n")) == (0, 1)
    assert "taken by the provider" in done.stdout


def read_all(terminal: int) -> str:
    """What a terminal was shown until the other side closed it."""
    shown = b""
    with contextlib.suppress(OSError):  # how Linux says that it was closed
        while block := os.read(terminal, 4096):
            shown += block
    os.close(terminal)
    return shown.decode()


def test_a_terminal_gets_a_bar(program: Program) -> None:
    """On stderr only, and without colours where they are not wanted."""
    terminal, screen = os.openpty()
    with subprocess.Popen(
        [*COMMAND, "submit", "-", "--text", "hi", "--wait", "--json"],
        env={**program.environment, "TERM": "xterm", "NO_COLOR": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=screen,
        text=True,
    ) as process:
        os.close(screen)
        assert process.stdin is not None
        process.stdin.write("+19195550114\n")
        process.stdin.close()
        shown = read_all(terminal)
        assert process.stdout is not None
        assert json.loads(process.stdout.read())["groups"] == 1
    assert "1/1 groups" in shown
    assert "\x1b[32m" not in shown


def test_a_wait_fails_when_a_group_failed(program: Program, families: str) -> None:
    """Exit code 1, and the last line says how many."""
    done = program("submit", families, "--text", "hi", "--wait", "--id", "waited")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("is done, 1 group failed")


def test_a_wait_fails_when_the_campaign_pauses(program: Program) -> None:
    """Nothing more happens by itself, which is not what was waited for."""
    done = program(
        *("submit", "-", "--text", "hi", "--wait", "--id", "canary"),
        *("--group-size", "1", "--stop-after", "1"),
        stdin="+19195550112\n+19195550113\n",
    )
    assert done.returncode == 1
    assert "paused (canary)" in done.stderr.splitlines()[-1]


# -- nothing submitted ---------------------------------------------------------


def test_a_dry_run_keeps_no_id(program: Program, families: str) -> None:
    """It counts and forecasts, and the id is as free as before."""
    arguments = ("submit", families, "--text", "hi", "--id", "dry", "--dry-run")
    answer = program.answer(*arguments, "--pace", "2")
    assert (answer["id"], answer["groups"], answer["units"]) == ("dry", 1, 10)
    assert answer["forecast"].keys() == {"starts_at", "ends_at", "seconds"}
    assert answer["forecast"]["seconds"] == 5
    assert "no campaign" in program.refusal(1, "status", "dry")
    assert "dry" not in [row["id"] for row in program.answer("status")]


@pytest.mark.parametrize(
    ("rows", "flags", "words"),
    [
        ("", (), "is empty"),
        ("\n\n", (), "is empty"),
        ("12\nabc\n", (), "none of 2 rows can get a message"),
        (LIST, ("--strict",), "2 of 12 rows would be left out"),
        (LIST, ("--max-units", "9"), "costs 10 units, more than the 9"),
    ],
)
def test_a_list_that_gives_nothing_is_a_failed_job(
    program: Program, rows: str, flags: tuple[str, ...], words: str
) -> None:
    """Exit code 1 and one line after the id; nothing was submitted."""
    done = program("submit", "-", "--text", "hi", *flags, stdin=rows)
    assert (done.returncode, done.stdout) == (1, "")
    id_line, line = done.stderr.splitlines()
    assert words in line
    assert program("results", id_line.removeprefix("id: "), "--json").stdout == ""


@pytest.mark.parametrize(
    "arguments",
    [
        *(("status",), ("results",), ("verify",), ("pause",), ("resume",)),
        *(("cancel",), ("retry",), ("resolve", "0", "--not-sent")),
    ],
)
def test_an_unknown_id_is_a_failed_job(
    program: Program, arguments: tuple[str, ...]
) -> None:
    """Exit code 1 and one line, whatever was asked."""
    name, *more = arguments
    line = program.refusal(1, name, "nobody", *more)
    assert "no campaign has the id 'nobody'" in line
