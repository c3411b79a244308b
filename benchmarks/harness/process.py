"""A process under test: a command in a session of its own, with its log in a file.

Whoever starts one ends it, and all that it started, by process id.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from benchmarks.harness import machine

#: Seconds a process gets to end by itself.
_PATIENCE_S: Final = 8.0
_TAIL: Final = 15


class Died(Exception):
    """A process under test ended before its time; says what it wrote last."""


class Process:
    """Runs while it is entered.

    Args:
        command: Program and arguments.
        environment: Added to ours.
        log: Where what it writes goes.
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], log: Path
    ) -> None:
        self._command = command
        self._environment = {**os.environ, **environment}
        self._log = log

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own arguments
                self._command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.pid = self._process.pid
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_PATIENCE_S)
        for process in machine.family([self.pid]):
            process.kill()
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()

    def kill(self) -> None:
        """End it without a chance to tidy up: what it did is known already."""
        os.killpg(self.pid, signal.SIGKILL)

    def check(self) -> None:
        """Is it alive?

        Raises:
            Died: It is not.
        """
        code = self._process.poll()
        if code:
            tail = self.text().splitlines()[-_TAIL:]
            command = " ".join(self._command[:5])
            raise Died("\n".join([f"{command} ended with {code}:", *tail]))

    def text(self) -> str:
        """What it has written."""
        return self._log.read_text(errors="replace")
