"""The demo as a whole: it ends by itself, says what happened, and leaves nothing."""

from __future__ import annotations

import csv
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.integration.program import Program

pytestmark = pytest.mark.integration


class Place:
    """A data folder and a folder for temporary files, as a demo gets them."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.temporary = folder / "t"
        self.temporary.mkdir()
        self.program = Program(
            {
                **os.environ,
                "DISPATCHER_DATA_DIR": str(self.data),
                "TMPDIR": str(self.temporary),
                # A real account and ledger, which the demo must not touch.
                "BW_BASE_URL": "https://192.0.2.1/api/v2",
                "DISPATCHER_LEDGER_URL": "redis://192.0.2.1",
            }
        )

    def processes(self) -> list[psutil.Process]:
        """What still runs with this folder in its environment."""
        return [p for p in psutil.process_iter() if self._is_ours(p)]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get("TMPDIR") == str(self.temporary)
        except psutil.Error:
            return False


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    place = Place(tmp_path_factory.mktemp("d"))
    yield place
    left = place.processes()
    for process in left:
        process.kill()
    assert left == []
    assert list(place.temporary.iterdir()) == []


def test_the_demo_in_a_pipe(place: Place) -> None:
    """Progress in plain lines, the outcome in words, an export that agrees."""
    done = place.program("demo", "--recipients", "400")
    assert (done.returncode, done.stderr) == (0, "")
    assert "of 39 groups" in done.stdout
    assert "the books balance" in done.stdout
    assert "\x1b" not in done.stdout
    with (place.data / "demo" / "results.csv").open() as file:
        states = [row["state"] for row in csv.DictReader(file)]
    assert sorted(states) == ["accepted"] * 38 + ["failed"]


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
)
def test_a_demo_that_is_interrupted_clears_up(
    place: Place, number: signal.Signals, code: int
) -> None:
    """Quietly, and with nothing left behind (the fixture looks)."""
    with place.program.start("demo", "--recipients", "5000") as demo:
        assert demo.stdout is not None
        assert any(" of " in line for line in demo.stdout)
        demo.send_signal(number)
        _, err = demo.communicate(timeout=60)
    assert (demo.returncode, err) == (code, "")


def test_a_demo_whose_worker_dies_says_so(place: Place) -> None:
    """Exit code 1, the worker's last words, and a line; nothing is left behind."""
    with place.program.start("demo", "--recipients", "5000") as demo:
        assert demo.stdout is not None
        assert any(" of " in line for line in demo.stdout)
        (worker,) = [
            process
            for process in psutil.Process(demo.pid).children()
            if "worker" in process.cmdline()
        ]
        worker.send_signal(signal.SIGKILL)
        _, err = demo.communicate(timeout=60)
    assert demo.returncode == 1
    assert "the worker's last words:" in err
    assert err.splitlines()[-1].startswith("dispatcher: the worker ended by itself")
