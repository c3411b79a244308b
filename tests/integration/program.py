"""The program `dispatcher` as a person or another program runs it: a process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from subprocess import CompletedProcess
from typing import Any

from tests.stack import eventually

#: Seconds that any one command gets.
PATIENCE = 60
COMMAND = (sys.executable, "-m", "dispatcher")


class Program:
    """Runs command lines in one environment, with no terminal anywhere.

    Args:
        environment: The whole of it.
        patience: Seconds that any one command gets.
    """

    def __init__(
        self, environment: Mapping[str, str], patience: float = PATIENCE
    ) -> None:
        self.environment = environment
        self.patience = patience

    def __call__(self, *arguments: str, stdin: str = "") -> CompletedProcess[str]:
        """Run one; what it said and how it ended."""
        return subprocess.run(
            [*COMMAND, *arguments],
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=self.patience,
            check=False,
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Begin one, with pipes to it; a context manager."""
        return subprocess.Popen(
            [*COMMAND, *arguments],
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def answer(self, *arguments: str, stdin: str = "") -> Any:  # noqa: ANN401 - any JSON
        """The JSON of one that goes well."""
        done = self(*arguments, "--json", stdin=stdin)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def submit(self, id_: str, rows: str, *flags: str) -> dict[str, Any]:
        """Submit a list under an id."""
        arguments = ("submit", "-", "--text", "hi", "--id", id_, *flags)
        answer: dict[str, Any] = self.answer(*arguments, stdin=rows)
        return answer

    def refusal(self, code: int, *arguments: str, stdin: str = "") -> str:
        """The one line of one that ends with this code."""
        done = self(*arguments, stdin=stdin)
        assert (done.returncode, done.stdout) == (code, ""), done.stderr
        (line,) = done.stderr.splitlines()
        assert line.startswith("dispatcher: ")
        return line

    def rows(self, *arguments: str) -> list[dict[str, Any]]:
        """Results, as JSON lines."""
        done = self("results", *arguments, "--json")
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def until(self, id_: str, **expected: object) -> dict[str, Any]:
        """The status of a campaign once it holds these."""

        def so() -> bool:
            status: dict[str, Any] = self.answer("status", id_)
            return all(status[name] == value for name, value in expected.items())

        eventually(so, PATIENCE, f"{id_}: {expected}")
        status: dict[str, Any] = self.answer("status", id_)
        return status
