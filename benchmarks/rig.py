"""Our system as a user runs it, for benchmarks of it alone: Redis, nginx, workers.

Workers are `dispatcher worker` processes and may come and go; the account's rate is
none. Everything it starts it ends.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from benchmarks import contenders
from benchmarks.harness import job
from benchmarks.harness.answerer import Answerer
from benchmarks.harness.process import Process
from benchmarks.harness.store import Store
from benchmarks.peers import ours
from dispatcher import Campaign, Dispatcher, Run

_LOOK_S: Final = 0.02
#: Seconds that anything may take here.
_LONGEST_S: Final = 600.0


class Rig:
    """Redis, provider and a client while it is entered.

    Attributes:
        workers: Those that run.
        groups: How many were submitted since it began.
    """

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.store = stack.enter_context(Store())
            self.answerer = stack.enter_context(Answerer())
            temporary = stack.enter_context(tempfile.TemporaryDirectory())
            self._folder = Path(temporary)
            self._environ = contenders.environment(
                contenders.OURS, self.store, self.answerer.url
            )
            self._environ["DISPATCHER_DATA_DIR"] = temporary
            self.settings = ours.settings(self._environ)
            self.dispatcher = stack.enter_context(Dispatcher(self.settings))
            self.workers: list[Process] = []
            self._runs: list[Run] = []
            self.groups = 0
            stack.callback(self.stop)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for worker in self.workers:
            worker.kill()
        self._stack.close()

    def start(self, children: int = 2) -> Process:
        """Start a worker with so many children."""
        log = self._folder / f"worker-{time.monotonic_ns()}.log"
        command = contenders.dispatcher(children).command
        worker = Process(command, self._environ, log)
        worker.__enter__()
        self.workers.append(worker)
        return worker

    def stop(self) -> None:
        """End all workers."""
        while self.workers:
            self.workers.pop().__exit__(None, None, None)

    def submit(self, recipients: Iterable[str], name: str, **options: Any) -> Run:  # noqa: ANN401 - as Campaign's
        """Submit a campaign."""
        campaign = Campaign(sender=job.SENDER, text=job.TEXT, tag=job.TAG, **options)
        run = self.dispatcher.submit(campaign, recipients, id=name)
        self._runs.append(run)
        self.groups += run.progress().groups
        return run

    def warm(self) -> None:
        """Send a few, so that every script is known to Redis; end the workers."""
        self.submit(job.numbers(1000, 600_000_000), "warm")
        self.start()
        self.finish()
        self.stop()

    def finish(self) -> float:
        """Wait until all that was submitted is recorded; the seconds it took.

        Redis is asked for it only when the provider has all: looking must not cost
        those who are looked at.
        """
        sent = self.until(lambda: self.answerer.taken() >= self.groups)
        recorded = self.until(lambda: all(_done(run) for run in self._runs))
        self._runs.clear()
        return sent + recorded

    def until(self, check: Callable[[], bool]) -> float:
        """Wait for something; the seconds it took.

        Raises:
            Died: A worker ended.
            TimeoutError: It did not come.
        """
        began = time.perf_counter()
        while not check():
            for worker in self.workers:
                worker.check()
            if time.perf_counter() - began > _LONGEST_S:
                raise TimeoutError(f"not within {_LONGEST_S:.0f} s")
            time.sleep(_LOOK_S)
        return time.perf_counter() - began


def _done(run: Run) -> bool:
    return run.progress().state == "done"
