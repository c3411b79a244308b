"""Results from the command line, on real parts: rows, files, and what stays hidden."""

from __future__ import annotations

import csv
import io
import os
import subprocess
from pathlib import Path

import pytest

from tests.integration.program import COMMAND, PATIENCE, Program

pytestmark = pytest.mark.integration

PEOPLE = [f"+1919555{place:04d}" for place in range(200, 225)]


@pytest.fixture(scope="module")
def accepted(program: Program) -> str:
    """The id of a campaign of 25 people in three groups, all accepted."""
    program.submit("acc", "\n".join(PEOPLE))
    assert program.until("acc", state="done")["accepted"] == 3
    return "acc"


def test_results_as_csv(program: Program, accepted: str) -> None:
    """A row a group: members by spaces, a message id, no error."""
    rows = list(csv.DictReader(io.StringIO(program("results", accepted).stdout)))
    assert [row["to"].split() for row in rows] == [
        *(PEOPLE[:10], PEOPLE[10:20], PEOPLE[20:])
    ]
    assert all(row["message_id"] and not row["error_code"] for row in rows)


def test_results_by_recipient(program: Program, accepted: str) -> None:
    """A row a person, in the order of the list, in the shape of the contract."""
    rows = program.rows(accepted, "--by", "recipient")
    assert [row["number"] for row in rows] == PEOPLE
    assert rows[0].pop("message_id")
    assert rows[0] == {
        "campaign": "acc",
        "group": 0,
        "number": PEOPLE[0],
        "state": "accepted",
        "delivery": "awaiting",
        "error_code": None,
    }


def test_results_into_a_file(program: Program, accepted: str, tmp_path: Path) -> None:
    """The file is what stdout would have been, and nothing lies beside it."""
    path = tmp_path / "out.csv"
    done = program("results", accepted, "--output", str(path))
    assert (done.returncode, done.stderr) == (0, "")
    assert path.read_text() == program("results", accepted).stdout
    assert list(tmp_path.iterdir()) == [path]


def test_results_of_one_state(program: Program, accepted: str) -> None:
    """Only those groups: here none, but still a header."""
    done = program("results", accepted, "--state", "failed")
    assert done.stdout.startswith("campaign,group,to,state,")
    assert done.stdout.count("\n") == 1


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--state", "lost"), "choose pending"),
        (("--output", "/nowhere/out.csv"), "--output: /nowhere/out.csv"),
    ],
)
def test_wrong_calls_for_results(
    program: Program, accepted: str, flags: tuple[str, ...], words: str
) -> None:
    """Exit code 2 and one line, and not half a header on stdout."""
    assert words in program.refusal(2, "results", accepted, *flags)


def test_a_reader_that_leaves_is_no_fault(program: Program, accepted: str) -> None:
    """`results | head` ends without a word."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*COMMAND, "results", accepted],
        env=program.environment,
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    os.close(writer)
    assert done.stderr == ""


def test_no_number_is_shown_in_full_on_a_terminal(
    program: Program, accepted: str
) -> None:
    """Only exports and the rejections file hold them."""
    twice = f"{PEOPLE[0]}\n{PEOPLE[0]}\n"
    arguments = ("submit", "-", "--text", "hi", "--dry-run")
    shown = [
        program(*arguments, stdin=twice),
        program(*arguments, "--json", stdin=twice),
        program("status", accepted),
        program("verify", accepted),
    ]
    text = "".join(done.stdout + done.stderr for done in shown)
    assert "+1919***0200" in text
    assert "5550200" not in text
