"""Rows of the fault matrix: commands that are killed, and a disk that is full."""

from __future__ import annotations

import json
import os
import random
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from dispatcher import DispatchError
from tests.chaos.trial import PATIENCE, Row, Scene, all_sent
from tests.integration.program import COMMAND, Program
from tests.stack import SENDER, TEXT, eventually, numbers

#: Commands killed in one trial, at moments drawn from their first seconds.
KILLS: Final = 6
#: KiB that a process may write into one file: less than any export.
SMALL_DISK: Final = 8


def kill_submit(scene: Scene) -> None:
    """Killed half-way through its list: nothing is sent; a repetition loads it all."""
    program = _program(scene)
    people = list(numbers(scene.row.groups * 10))
    order = ("submit", "-", "--text", TEXT, "--sender", SENDER, "--id", ID, "--json")
    half = "\n".join(people[: len(people) // 2]) + "\n"
    for _ in range(3):
        with program.start(*order) as loading:
            assert loading.stdin is not None
            loading.stdin.write(half)
            loading.stdin.flush()
            eventually(lambda: _is_known(scene), PATIENCE, "the list is being loaded")
            loading.kill()
    scene.worker()
    scene.worker()
    scene.until_logged("child.ready")
    scene.expect("nothing is sent of half a list", so=scene.taken() == 0)
    scene.ended()
    everybody = "\n".join(people)
    first = program(*order, stdin=everybody)
    again = program(*order, stdin=everybody)
    existing = [json.loads(done.stdout)["existing"] for done in (first, again)]
    scene.expect("the second is the first", so=existing == [False, True])
    scene.run = scene.stack.dispatcher.campaign(ID)


def kill_committing(scene: Scene) -> None:
    """Killed at any moment around its end: the same id again completes or finds it."""
    program = _program(scene)
    path = scene.directory / "list.txt"
    path.write_text("\n".join(numbers(scene.row.groups * 10)))
    order = ("submit", str(path), "--text", TEXT, "--sender", SENDER, "--id", ID)
    scene.worker()
    scene.worker()
    for delay in _delays(scene.row.name):
        _killed(program, order, delay)
    scene.ended()
    done = program(*order, "--json")
    scene.expect("submitting again succeeds", so=done.returncode == 0)
    scene.run = scene.stack.dispatcher.campaign(ID)


ID: Final = "killed"


def _is_known(scene: Scene) -> bool:
    try:
        return scene.stack.dispatcher.campaign(ID).progress().state == "loading"
    except DispatchError:
        return False


def kill_readers(scene: Scene) -> None:
    """`results` and `verify` killed at any moment: no half file, nothing changed."""
    scene.under_way()
    program = _program(scene)
    path = scene.directory / "export" / "out.jsonl"
    path.parent.mkdir()
    export = ("results", scene.run.id, "--format", "jsonl", "--output", str(path))
    for delay in _delays(scene.row.name):
        _killed(program, export, delay)
        _killed(program, ("verify", scene.run.id), delay)
        scene.expect("no half file", so=not path.exists() or _rows(path) == _all(scene))
        path.unlink(missing_ok=True)
    scene.run.wait(timeout=PATIENCE)
    scene.expect("the export works", so=program(*export).returncode == 0)
    scene.expect("it is whole", so=_rows(path) == _all(scene))
    books = program("verify", scene.run.id)
    scene.expect("the books balance", so=books.returncode == 0)


def fill_disk(scene: Scene) -> None:
    """An export that the disk has no room for: one line, exit 1, no half file."""
    scene.run.wait(timeout=PATIENCE)
    program = _program(scene)
    path = scene.directory / "export" / "out.csv"
    path.parent.mkdir()
    full = program("results", scene.run.id, "--output", "/dev/full")
    _expect_one_line(scene, full)
    limit = f'ulimit -f {SMALL_DISK}; exec "$@"'
    small = subprocess.run(
        ["bash", "-c", limit, "-", *COMMAND, "results", scene.run.id, "--output", path],
        env=program.environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    _expect_one_line(scene, small)
    scene.expect("no half file", so=not any(path.parent.iterdir()))
    with_room = program("results", scene.run.id, "--output", str(path))
    scene.expect("with room it works", so=with_room.returncode == 0)


def _expect_one_line(scene: Scene, done: subprocess.CompletedProcess[str]) -> None:
    said = done.stderr.splitlines()
    scene.expect(f"exit 1, but {done.returncode}", so=done.returncode == 1)
    scene.expect(
        f"one clear line, but {said}", so=len(said) == 1 and "dispatcher: " in said[0]
    )


def _program(scene: Scene) -> Program:
    return Program({**os.environ, **scene.stack.env}, PATIENCE)


def _delays(seed: str) -> list[float]:
    """Seconds after which to kill; from the time it takes to start to past the end."""
    draw = random.Random(seed)
    return [draw.uniform(0.3, 2.0) for _ in range(KILLS)]


def _killed(program: Program, command: Sequence[str], delay: float) -> None:
    with program.start(*command) as process:
        time.sleep(delay)
        process.kill()


def _rows(path: Path) -> int:
    """Rows that are whole."""
    rows: list[Any] = [json.loads(line) for line in path.read_text().splitlines()]
    return len(rows)


def _all(scene: Scene) -> int:
    return scene.row.groups


ROWS: Final = (
    Row(
        name="kill-submit",
        fault="`submit` killed half-way through its list, three times, then repeated",
        act=kill_submit,
        promise=all_sent,
        workers=0,
        submits=False,
    ),
    Row(
        name="kill-commit",
        fault="`submit` killed at six random moments, then repeated",
        act=kill_committing,
        promise=all_sent,
        workers=0,
        submits=False,
    ),
    Row(
        name="kill-readers",
        fault="`results` and `verify` killed at six random moments",
        act=kill_readers,
        promise=all_sent,
    ),
    Row(
        name="full-disk",
        fault="no room on the disk for an export",
        act=fill_disk,
        promise=all_sent,
    ),
)
