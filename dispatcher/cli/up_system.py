"""The parts of `dispatcher up`: what is started, kept an eye on, and ended in order.

Nothing is restarted: a part that dies takes the rest with it, so that a fault which
comes again and again is seen and not covered up.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

from dispatcher.cli.parts import LOOK_S, Part
from dispatcher.cli.serve import READY as SERVES
from dispatcher.cli.up_server import Server
from dispatcher.settings import Settings
from dispatcher.simulator.server import READY

#: Seconds a part may take to start: importing the package takes the most of it.
_START_S: Final = 30.0
#: Seconds that workers get to end by themselves; a little more than they need.
_WORKERS_S: Final = 20.0
#: The same for parts that hold nothing.
_OTHERS_S: Final = 2.0
#: Begins Flower's line that says where it listens.
_FLOWER: Final = "Flower: "
#: Seconds between two looks whether everything still runs.
_CHECK_S: Final = 0.5


class Signals:
    """Counts how often somebody asked for the end; interrupts nothing by itself."""

    _NUMBERS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def __init__(self) -> None:
        self.asked = 0

    def __enter__(self) -> Self:
        self._before = {n: signal.signal(n, self._count) for n in self._NUMBERS}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _count(self, _number: int, _frame: FrameType | None) -> None:
        self.asked += 1


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to start.

    Attributes:
        workers: How many workers.
        concurrency: Sending processes of each.
        flower_port: None for no Flower.
        callback_port: None for no callback receiver.
        simulator_port: None for no simulator: there is a real account; 0 for any.
    """

    workers: int
    concurrency: int
    flower_port: int | None
    callback_port: int | None
    simulator_port: int | None


class System:
    """Everything together.

    Args:
        settings: As the environment has them.
        plan: What to start.
        signals: Who asks for the end.

    Attributes:
        server: The Redis.
        simulator: Base URL of the simulated provider, once it runs.
        flower: Address of Flower, once it runs.
        callbacks: Address for the provider's callbacks, once the receiver runs.
        parts: What was started besides the server.
    """

    def __init__(self, settings: Settings, plan: Plan, signals: Signals) -> None:
        self._settings = settings
        self._plan = plan
        self._signals = signals
        self.server = Server(settings)
        self.simulator = self.flower = self.callbacks = ""
        self.parts: list[Part] = []
        self._workers: list[Part] = []

    @property
    def interrupted(self) -> bool:
        """Whether somebody asked for the end."""
        return self._signals.asked > 0

    @property
    def logs(self) -> Path:
        """Where the parts write their logs."""
        return self._settings.data_path / "logs"

    # -- start -------------------------------------------------------------

    def start_server(self) -> None:
        """Start what all others need."""
        self.server.start()

    def start_parts(self) -> None:
        """Start the rest; returns early when somebody asks for the end.

        Raises:
            DispatchError: One of them does not start.
        """
        with suppress(_Ended):
            # Before the simulator, which is told whom to call.
            if self._plan.callback_port is not None:
                self._start_receiver(self._plan.callback_port)
            if self._plan.simulator_port is not None:
                self._start_simulator(self._plan.simulator_port)
            for place in range(1, self._plan.workers + 1):
                self._workers.append(self._start_worker(place))
            if self._plan.flower_port is not None:
                self._start_flower(self._plan.flower_port)
            for worker in self._workers:
                self._line_of(worker, "child.ready")

    def _start_receiver(self, port: int) -> None:
        part = self._start("the receiver", "serve", ("serve", f"--port={port}"))
        self.callbacks = self._line_of(part, SERVES).removeprefix(SERVES).strip()

    def _start_simulator(self, port: int) -> None:
        arguments = ["simulator", f"--port={port}"]
        if self.callbacks:
            arguments.append(f"--callback-url={self.callbacks}")
        part = self._start("the simulated provider", "simulator", arguments)
        self.simulator = self._line_of(part, READY).removeprefix(READY).strip()

    def _start_worker(self, place: int) -> Part:
        arguments = ("worker", f"--concurrency={self._plan.concurrency}")
        return self._start(f"worker {place}", f"worker-{place}", arguments)

    def _start_flower(self, port: int) -> None:
        part = self._start("Flower", "flower", ("flower", f"--port={port}"))
        self.flower = self._line_of(part, _FLOWER).removeprefix(_FLOWER).strip()

    def _start(self, name: str, short: str, arguments: Iterable[str]) -> Part:
        if self._signals.asked:
            raise _Ended
        environment = {**os.environ, **self._environment()}
        part = Part(name, [*arguments], environment, self.logs / f"{short}.log")
        part.start()
        self.parts.append(part)
        return part

    def _line_of(self, part: Part, words: str) -> str:
        line = part.until(words, _START_S, lambda: self._signals.asked > 0)
        if not line:
            raise _Ended
        return line

    def _environment(self) -> dict[str, str]:
        fields = {"DISPATCHER_REDIS_URL": self.server.url}
        if self.simulator:
            fields |= simulated(self.simulator)
            fields["BW_APPLICATION_ID"] = self._settings.application_id or "simulated"
        if self._plan.flower_port and not self._settings.flower_url:
            fields["DISPATCHER_FLOWER_URL"] = (
                f"http://127.0.0.1:{self._plan.flower_port}"
            )
        return fields

    # -- run and stop ------------------------------------------------------

    def keep(self) -> None:
        """Look on until somebody asks for the end.

        Raises:
            DispatchError: A part ended by itself.
        """
        while not self._signals.asked:
            self.server.check()
            for part in self.parts:
                part.check()
            _rest(self._signals)

    def last_words(self) -> Iterator[tuple[Path, list[str]]]:
        """Log and last lines of every part that ended by itself."""
        for part in self.parts:
            if not part.alive:
                yield part.log, part.tail()
        if self.server.gone:
            yield self.server.log, self.server.tail()

    def stop(self) -> None:
        """End all in order: workers, what they talk to, the server.

        Who asks once more while this goes on does not want to wait for them.
        """
        asked = self._signals.asked
        for parts, seconds in ((self._workers, _WORKERS_S), (self.parts, _OTHERS_S)):
            _end(parts, seconds, lambda: self._signals.asked > asked)
        self.server.stop()


class _Ended(Exception):
    """Somebody asked for the end while parts were being started."""


def _rest(signals: Signals) -> None:
    end = time.monotonic() + _CHECK_S
    while not signals.asked and time.monotonic() < end:
        time.sleep(LOOK_S)


def _end(parts: Sequence[Part], seconds: float, hurried: Callable[[], bool]) -> None:
    """Ask all to end; kill those that still run after so long."""
    for part in parts:
        part.ask()
    end = time.monotonic() + seconds
    while any(part.alive for part in parts) and time.monotonic() < end:
        if hurried():
            break
        time.sleep(LOOK_S)
    for part in parts:
        part.end(0)


def simulated(base_url: str) -> dict[str, str]:
    """The settings under which nothing but the simulated provider can be reached."""
    address = urlsplit(base_url)
    return {
        "BW_BASE_URL": base_url,
        "BW_TOKEN_URL": f"{address.scheme}://{address.netloc}/api/v1/oauth2/token",
        "BW_ACCOUNT_ID": "simulated",
        "BW_USERNAME": "simulated",
        "BW_PASSWORD": "simulated",
    }
