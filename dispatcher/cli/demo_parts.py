"""The demo's parts: a server, a simulated provider, a worker, all of them temporary.

Whatever is started here is ended here, by its process id, however the demo ends.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Final, Self

from dispatcher.cli.parts import Part
from dispatcher.embedded import EmbeddedServer
from dispatcher.settings import Settings
from dispatcher.simulator import Fault, Simulator, SimulatorConfig

#: Seconds a worker gets to end by itself; all that it holds is thrown away anyway.
_STOP_S: Final = 5.0
#: The same after Ctrl-C or a failure, when the server may be gone already.
_HASTE_S: Final = 1.0

PROVIDER: Final = SimulatorConfig(
    latency_ms=30, faults={Fault.QUEUE_FULL: 0.03, Fault.SERVER_ERROR: 0.015}
)


class Interrupts:
    """Turns Ctrl-C and its kin into an orderly end.

    While the block runs, a signal only ends what stands under `allowed`; anywhere
    else (starting, cleaning up) it waits for the next `allowed`, so that no process
    is ever started and not ended.
    """

    _SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def __init__(self) -> None:
        self._asked: int | None = None
        self._allowed = False

    def __enter__(self) -> Self:
        self._before = {
            number: signal.signal(number, self._end) for number in self._SIGNALS
        }
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self._asked is not None and isinstance(error, Exception):
            # A terminal sends Ctrl-C to the parts as well: what failed after it,
            # failed of it.
            sys.exit(128 + self._asked)

    @contextmanager
    def allowed(self) -> Iterator[None]:
        """The block may be interrupted.

        Raises:
            SystemExit: A signal came, now or before.
        """
        self._allowed = True
        try:
            if self._asked is not None:
                self._leave(self._asked)
            yield
        finally:
            self._allowed = False

    def _end(self, number: int, _frame: FrameType | None) -> None:
        self._asked = number
        if self._allowed:
            self._leave(number)

    def _leave(self, number: int) -> None:
        self._allowed = False
        sys.exit(128 + number)


class Worker(Part):
    """A worker that lives for as long as the `with` block does.

    Args:
        environment: All of its environment.
        log: Where its log goes.
    """

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        super().__init__("the worker", ("worker", "--concurrency=2"), environment, log)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.ask()
        self.end(_STOP_S if kind is None else _HASTE_S)


class Stage:
    """All parts together, running for as long as the `with` block does.

    Args:
        data: Where list, results and rejections are left.
        rate: Permitted units a second.

    Attributes:
        settings: Those of everything here.
        simulator: The provider.
        worker: The worker.
    """

    def __init__(self, data: Path, rate: float) -> None:
        self._data = data
        self._rate = rate

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            start = stack.enter_context
            folder = Path(start(tempfile.TemporaryDirectory(prefix="dispatcher-demo-")))
            server = start(EmbeddedServer(folder / "redis"))
            self.simulator = start(Simulator(PROVIDER))
            fields = self._fields(server.url, self.simulator.base_url)
            self.settings = Settings.load(**_defaults() | fields)
            self.worker = start(Worker(_environment(fields), folder / "worker.log"))
            self._parts = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._parts.__exit__(kind, error, trace)

    def _fields(self, redis_url: str, base_url: str) -> dict[str, Any]:
        return {
            "redis_url": redis_url,
            "base_url": base_url,
            "data_dir": self._data,
            "account_id": "demo",
            "username": "demo",
            "password": "demo",
            "application_id": "demo",
            "number": "+19195550100",
            "account_rate": self._rate,
            "log_format": "console",
        }


def _defaults() -> dict[str, Any]:
    """Every setting as if the environment were empty: no real account may be used."""
    return {name: field.default for name, field in Settings.model_fields.items()}


def _environment(fields: dict[str, Any]) -> dict[str, str]:
    """This process's environment with the demo's settings and no others."""
    known = {name: str(field.alias) for name, field in Settings.model_fields.items()}
    foreign = {
        name: value for name, value in os.environ.items() if name not in known.values()
    }
    return foreign | {known[name]: str(value) for name, value in fields.items()}
