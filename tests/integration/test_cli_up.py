"""`dispatcher up` on real parts: found by other commands, and gone when it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from dispatcher.settings import Settings
from tests.integration.program import PATIENCE, Program
from tests.stack import eventually

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

#: Seconds that the orderly end may take in all, and room for a busy machine.
END_S = 40
NUMBER = "+19195550100"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


class Place:
    """An empty home, and what runs in it."""

    def __init__(self, folder: Path) -> None:
        self.home = folder
        self.data = folder / ".local/share/dispatcher"
        known = {str(field.alias) for field in Settings.model_fields.values()}
        environment = {n: v for n, v in os.environ.items() if n not in known}
        self.program = Program(
            {**environment, "HOME": str(folder), "DISPATCHER_ACCOUNT_RATE": "200"}
        )

    def processes(self) -> list[psutil.Process]:
        """What still runs with this home."""
        return [p for p in psutil.process_iter() if self._is_ours(p)]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            # The server writes its title over its environment.
            titled = str(self.home) in " ".join(process.cmdline())
            return titled or process.environ().get("HOME") == str(self.home)
        except psutil.Error:
            return False

    def part(self, words: str) -> psutil.Process:
        """The oldest process whose command line holds this word."""
        found = [p for p in self.processes() if words in " ".join(p.cmdline())]
        return min(found, key=lambda process: process.create_time())

    @contextmanager
    def up(self, *flags: str, **more: str) -> Iterator[subprocess.Popen[str]]:
        """`dispatcher up` without Flower and receiver, once it says that it is."""
        program = Program({**self.program.environment, **more})
        none = ("--port", "0", "--callback-port", "0")
        with program.start("up", *none, *flags) as process:
            try:
                assert process.stdout is not None
                assert any("Ctrl-C ends everything" in line for line in process.stdout)
                yield process
            finally:
                if process.poll() is None:
                    process.send_signal(signal.SIGTERM)

    def rows(self) -> list[dict[str, Any]]:
        """Results of the campaign `fair` by recipient."""
        return self.program.rows("fair", "--by", "recipient")

    def logs(self) -> str:
        """What all parts wrote."""
        return "".join(path.read_text() for path in self.data.glob("logs/*.log"))

    def nothing_runs(self) -> None:
        """Every process has ended."""
        eventually(lambda: self.processes() == [], END_S, "every process has ended")


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    place = Place(tmp_path_factory.mktemp("up"))
    yield place
    for process in place.processes():
        process.kill()


def test_other_commands_find_what_is_up(place: Place) -> None:
    """With nothing but a home in common: a list goes out, and comes back as results."""
    with place.up() as up:
        place.program.submit("fair", f"{NUMBER}\n", "--sender", NUMBER)
        assert place.program.until("fair", state="done")["accepted"] == 1
        assert [row["to"] for row in place.program.rows("fair")] == [[NUMBER]]
        up.send_signal(signal.SIGTERM)
        assert up.wait(END_S) == 0
    place.nothing_runs()
    assert (place.data / "logs" / "worker-1.log").exists()


def test_campaigns_outlast_it(place: Place) -> None:
    """What was submitted before is known the next time."""
    with place.up():
        place.program.submit("fair", f"{NUMBER}\n", "--sender", NUMBER)
        place.program.until("fair", state="done")
    with place.up():
        assert place.program.answer("status", "fair")["accepted"] == 1


def test_a_second_one_says_where_the_first_is(place: Place) -> None:
    """One line, exit code 1, and the first goes on."""
    with place.up() as up:
        line = place.program.refusal(1, "up")
        assert f"already up (process {up.pid})" in line
        assert "simulated provider http://127.0.0.1:" in line
        assert up.poll() is None


@pytest.mark.parametrize("flag", ["--port", "--callback-port", "--simulator-port"])
def test_a_port_that_is_taken_is_told_before_anything_starts(
    place: Place, flag: str
) -> None:
    """One line that names the option."""
    none = ("--port", "0", "--callback-port", "0")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = place.program.refusal(1, "up", *none, flag, str(port))
        assert line.endswith(f"port {port} is taken: choose another with {flag}")
    place.nothing_runs()


def test_the_simulated_provider_calls_back(place: Place) -> None:
    """With credentials if there are any; what became of everybody is in the results."""
    credentials = {
        "DISPATCHER_CALLBACK_USERNAME": "bandwidth",
        "DISPATCHER_CALLBACK_PASSWORD": "let,me:in",
    }
    port = free_port()
    with place.up("--callback-port", str(port), **credentials):
        place.program.submit("fair", f"{NUMBER}\n", "--sender", NUMBER)
        place.program.until("fair", state="done")
        eventually(
            lambda: [r["delivery"] for r in place.rows()] == ["delivered"],
            *(60, "the provider's word has come"),
        )
        line = place.program.refusal(1, "up")
        assert f"callbacks http://127.0.0.1:{port}/callbacks" in line
    assert "let,me:in" not in place.logs()
    place.nothing_runs()


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("dispatcher worker", "worker 1 ended by itself"),
        ("dispatcher simulator", "the simulated provider ended by itself"),
        ("dispatcher serve", "the receiver ended by itself"),
        ("valkey-server", "the embedded server ended by itself"),
    ],
)
def test_a_part_that_dies_ends_the_rest(place: Place, words: str, name: str) -> None:
    """Exit code 1, and the last line says which part it was."""
    with place.up("--callback-port", str(free_port())) as up:
        place.part(words).kill()
        _, err = up.communicate(timeout=PATIENCE)
    assert up.returncode == 1
    assert name in err.splitlines()[-1]
    assert ".log:" in err
    place.nothing_runs()


def test_a_second_signal_does_not_wait(place: Place) -> None:
    """A worker that does not end is killed, not waited for."""
    with place.up() as up:
        place.part("dispatcher worker").suspend()
        up.send_signal(signal.SIGINT)
        assert up.stdout is not None
        assert up.stdout.readline().startswith("ending ...")
        up.send_signal(signal.SIGINT)
        assert up.wait(END_S) == 0
    place.nothing_runs()


def test_what_a_killed_one_leaves_is_taken_over(place: Place) -> None:
    """Workers end with it; its server goes on under the next, and ends with that."""
    with place.up() as up:
        server = place.part("valkey-server")
        up.kill()
        up.wait(END_S)
    eventually(lambda: place.processes() == [server], END_S, "workers end with it")
    with place.up():
        assert place.part("valkey-server") == server
    place.nothing_runs()


def test_no_campaign_changes_its_provider(place: Place) -> None:
    """What waits for the simulated one is not sent with a real account."""
    real = {
        "BW_ACCOUNT_ID": "5500000",
        "BW_USERNAME": "user",
        "BW_PASSWORD": "secret",
        "BW_BASE_URL": "http://127.0.0.1:9/",
    }
    with place.up(DISPATCHER_ACCOUNT_RATE="0.001"):
        rows = "\n".join(f"+1919555{line:04d}" for line in range(100, 130))
        place.program.submit("fair", rows, "--sender", NUMBER)
    other = Program({**place.program.environment, **real})
    line = other("up", "--port", "0", "--callback-port", "0").stderr
    assert "1 campaign here (fair) may not be meant for this account" in line
    place.nothing_runs()
