"""Parts of a system on this machine: processes, each with a log of its own.

A part is started and ended by whoever holds it, by its process id. It knows nothing of
what it runs.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from dispatcher.errors import DispatchError

#: Lines of a log that are shown when something failed.
TAIL: Final = 20
#: Seconds between two looks at a log or a process.
LOOK_S: Final = 0.1
#: From <sys/prctl.h>: the signal that a process gets when its parent dies.
_PR_SET_PDEATHSIG: Final = 1


class Part:
    """A command of this program, running in a process of its own.

    Args:
        name: What people call it.
        arguments: The command and its options.
        environment: All of its environment.
        log: Where its output goes; that of the run before is kept beside it.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
    ) -> None:
        self.name = name
        self.log = log
        self._command = [sys.executable, "-m", "dispatcher", *arguments]
        self._environment = environment

    def start(self) -> None:
        """Start it."""
        self.log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self.log.exists():
            self.log.replace(self.log.with_name(f"{self.log.name}.old"))
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                self._command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C is for the holder alone, which then ends its parts in order.
                start_new_session=True,
                preexec_fn=_end_with_parent if _libc else None,  # noqa: PLW1509 - no threads
            )
        self.pid = self._process.pid

    def until(
        self, words: str, seconds: float, given_up: Callable[[], bool] = lambda: False
    ) -> str:
        """The line of its log with these words, once there is one.

        Args:
            words: What to look for.
            seconds: How long to wait.
            given_up: Asked again and again; ends the waiting with an empty line.

        Raises:
            DispatchError: It ended by itself, or takes too long.
        """
        end = time.monotonic() + seconds
        while not given_up():
            if line := self._find(words):
                return line
            self.check()
            if time.monotonic() > end:
                raise DispatchError(f"{self.name} did not start in {seconds:.0f} s")
            time.sleep(LOOK_S)
        return ""

    def _find(self, words: str) -> str:
        with self.log.open(errors="replace") as lines:
            return next((line.rstrip() for line in lines if words in line), "")

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    def check(self) -> None:
        """Is it alive?

        Raises:
            DispatchError: It is not.
        """
        if (code := self._process.poll()) is not None:
            raise DispatchError(f"{self.name} ended by itself with exit code {code}")

    def tail(self) -> list[str]:
        """The last lines of its log."""
        with self.log.open(errors="replace") as lines:
            return [line.rstrip() for line in deque(lines, TAIL)]

    def ask(self) -> None:
        """Ask it to end."""
        self._process.terminate()

    def end(self, seconds: float) -> None:
        """Let it end for so long; then kill it, and whatever it leaves behind."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        # Its children are in its session; none may outlive it.
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()


#: Loaded before any fork: a forked process should do as little as it can.
_libc: Final = ctypes.CDLL(None) if sys.platform == "linux" else None


def _end_with_parent() -> None:
    """Be asked to end should the holder be killed, which can then end nobody."""
    assert _libc is not None
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
