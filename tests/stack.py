"""A whole system for tests: real server, real simulator, real worker processes.

Everything it starts it ends, by process id. The simulator's own record is the
independent witness: `Witness` compares it with what the ledger claims.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, Self

from dispatcher import Campaign, Dispatcher, GroupResult, Run, Settings
from dispatcher.embedded import EmbeddedServer
from dispatcher.simulator import Simulator, SimulatorConfig, parse_faults

TEXT = "Doors open at 6 pm, says the test."
SENDER = "+19195551212"
PASSWORD = "a-secret-that-no-log-may-hold"
#: States of a group that was not accepted, which a person sees and may decide about.
TOLD: Final = frozenset({"held", "failed", "cancelled"})


def numbers(count: int) -> Iterator[str]:
    """So many different numbers that could exist."""
    for i in range(count):
        yield f"+1{201 + i // 7_000_000}{2_000_000 + i % 7_000_000}"


def eventually(check: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait until something is so.

    Raises:
        AssertionError: It was not within the time.
    """
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.1)


class Worker:
    """One `celery -A workers worker` in a process group of its own."""

    def __init__(
        self, name: str, env: Mapping[str, str], log: Path, children: int, app: str
    ) -> None:
        self.log = log
        self._file: IO[bytes] = log.open("ab")
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "celery", "-q", "-A", app, "worker"),
                *("--concurrency", str(children), "--hostname", f"{name}@%h"),
                *("--without-mingle", "--without-gossip"),
            ],
            env={**os.environ, **env},
            stdout=self._file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def children(self) -> list[int]:
        """Process ids of the children there are now."""
        listed = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        return [int(child) for child in listed.read_text(encoding="ascii").split()]

    def signal(self, number: signal.Signals) -> None:
        """A signal to the parent and all its children."""
        os.killpg(self.pid, number)

    def kill(self) -> None:
        """SIGKILL to the parent and all its children."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        self._file.close()

    def terminate(self) -> None:
        """SIGTERM to the parent only, as an orchestrator does."""
        self._process.terminate()

    def wait(self, seconds: float) -> int:
        return self._process.wait(seconds)

    def end(self) -> None:
        """However it stands: end it."""
        if self._process.poll() is None:
            self.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.wait(25)
        self.kill()


class Receiver:
    """One `dispatcher serve`, which can be killed and started again on its port."""

    def __init__(
        self, env: Mapping[str, str], log: Path, port: int, *more: str
    ) -> None:
        self._file: IO[bytes] = log.open("ab")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "dispatcher", "serve", "--port", str(port), *more],
            env={**os.environ, **env},
            stdout=subprocess.PIPE,
            stderr=self._file,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline().decode()
        self.url = line.removeprefix("callbacks: ").strip()
        self.port = int(self.url.rsplit(":", 1)[1].partition("/")[0])

    def kill(self) -> None:
        """SIGKILL, in the middle of whatever it does."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._file.close()


class Stack:
    """Server, simulator and workers; a context manager.

    Args:
        directory: For data, logs and sockets.
        faults: As the simulator takes them: KIND=SHARE.
        redis_url: An address to use instead of an embedded server.
        index_lag: Seconds before the provider's search shows a message.
        settings: Further environment of workers and client.

    Attributes:
        workers: All that were started, also those that ended.
    """

    def __init__(
        self,
        directory: Path,
        *,
        latency_ms: float = 5,
        faults: Sequence[str] = (),
        redis_url: str | None = None,
        rate: str = "none",
        index_lag: float = 0.0,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.directory = directory
        self._config = SimulatorConfig(
            latency_ms=latency_ms,
            faults=parse_faults(faults),
            username="user",
            password=PASSWORD,
            seed=7,
            index_lag=index_lag,
        )
        self._redis_url = redis_url
        self._rate = rate
        self._settings = dict(settings or {})
        self.workers: list[Worker] = []
        self._receivers: list[Receiver] = []

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            if self._redis_url is None:
                self.server = EmbeddedServer(self.directory / "redis")
                stack.enter_context(self.server)
            self.simulator = stack.enter_context(Simulator(self._config))
            self.env = self._environment()
            self.dispatcher = self.client()
            stack.callback(self.dispatcher.close)
            stack.callback(self._end_workers)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _environment(self) -> dict[str, str]:
        return {
            "DISPATCHER_REDIS_URL": self._redis_url or self.server.url,
            "DISPATCHER_DATA_DIR": str(self.directory / "data"),
            "DISPATCHER_ACCOUNT_RATE": self._rate,
            "DISPATCHER_LOG_FORMAT": "json",
            "BW_ACCOUNT_ID": "5555555",
            "BW_USERNAME": "user",
            "BW_PASSWORD": PASSWORD,
            "BW_APPLICATION_ID": "93de2206-9669-4e07-948d-329f4b722ee2",
            "BW_BASE_URL": self.simulator.base_url,
            **self._settings,
        }

    def client(self) -> Dispatcher:
        """A further client of the same ledger."""
        fields = {field.alias: n for n, field in Settings.model_fields.items()}
        overrides = {fields[name]: value for name, value in self.env.items()}
        return Dispatcher(Settings.load(**overrides))

    def worker(self, *, children: int = 2, app: str = "workers", **env: str) -> Worker:
        """Start a worker; does not wait until it works."""
        name = f"w{len(self.workers)}"
        log = self.directory / f"{name}.log"
        worker = Worker(name, {**self.env, **env}, log, children, app)
        self.workers.append(worker)
        return worker

    def receiver(self, port: int = 0) -> Receiver:
        """Start a callback receiver, and let the provider call it."""
        env = {
            **self.env,
            "DISPATCHER_CALLBACK_USERNAME": "bandwidth",
            "DISPATCHER_CALLBACK_PASSWORD": PASSWORD,
        }
        receiver = Receiver(env, self.directory / "receiver.log", port)
        self._receivers.append(receiver)
        self.simulator.set_callbacks(receiver.url, "bandwidth", PASSWORD)
        return receiver

    def poller(self) -> Receiver:
        """Start a receiver that nobody calls, and that asks the provider instead."""
        log = self.directory / "receiver.log"
        receiver = Receiver(self.env, log, 0, "--poll")
        self._receivers.append(receiver)
        return receiver

    def receiver_log(self) -> str:
        """What all receivers wrote."""
        log = self.directory / "receiver.log"
        return log.read_text() if log.exists() else ""

    def submit(self, count: int, id: str = "test", **options: object) -> Run:  # noqa: A002 - the public word
        """A campaign to so many people."""
        campaign = Campaign(sender=SENDER, text=TEXT, **options)
        return self.dispatcher.submit(campaign, numbers(count), id=id)

    def logs(self) -> str:
        """What all workers wrote."""
        return "".join(worker.log.read_text() for worker in self.workers)

    def logged(self, event: str) -> list[dict[str, Any]]:
        """What workers and receivers wrote of one kind of event."""
        log = self.logs() + self.receiver_log()
        return [said for said in _events(log) if said["event"] == event]

    def witness(self, run: Run) -> Witness:
        """What the provider says of a campaign that ended."""
        taken = [entry for entry in self.simulator.record() if entry.taken]
        return Witness(
            results=list(run.results()),
            ids={entry.id or "": tuple(sorted(entry.to)) for entry in taken},
            times=Counter(tuple(sorted(entry.to)) for entry in taken),
        )

    def _end_workers(self) -> None:
        for worker in self.workers:
            worker.end()
        for receiver in self._receivers:
            receiver.kill()


def _events(log: str) -> Iterator[dict[str, Any]]:
    """Whole lines that are events; a killed process leaves a broken one."""
    for line in log.splitlines():
        with suppress(ValueError):
            said = json.loads(line)
            if isinstance(said, dict) and "event" in said:
                yield said


@dataclass(frozen=True)
class Witness:
    """The ledger's results beside the provider's record."""

    results: list[GroupResult]
    ids: dict[str, tuple[str, ...]]
    times: Counter[tuple[str, ...]]

    @property
    def doubled(self) -> int:
        """Groups that the provider took more than once."""
        return sum(count > 1 for count in self.times.values())

    @property
    def missing(self) -> list[int]:
        """Groups that the provider never took."""
        return [r.number for r in self.results if not self.times[tuple(sorted(r.to))]]

    @property
    def extra(self) -> int:
        """Messages beyond the first of their group."""
        return sum(count - 1 for count in self.times.values())

    @property
    def lost(self) -> list[int]:
        """Groups that the provider never took, and of which no person is told."""
        missing = set(self.missing)
        return [
            r.number
            for r in self.results
            if r.number in missing and r.state not in TOLD
        ]

    @property
    def unbooked(self) -> list[int]:
        """Groups that the provider took and that are not booked as accepted."""
        return [
            r.number
            for r in self.results
            if r.state != "accepted" and self.times[tuple(sorted(r.to))]
        ]

    @property
    def foreign(self) -> int:
        """Messages to a set of people that is no group of ours."""
        ours = {tuple(sorted(r.to)) for r in self.results}
        return sum(members not in ours for members in self.times)

    @property
    def misbooked(self) -> list[int]:
        """Groups booked as accepted under an id that is not theirs."""
        return [
            r.number
            for r in self.results
            if r.state == "accepted"
            and self.ids.get(r.message_id or "") != tuple(sorted(r.to))
        ]

    def in_state(self, state: str) -> list[GroupResult]:
        return [result for result in self.results if result.state == state]


def worst_window(stack: Stack, rate: float) -> float:
    """The most by which any window of sends exceeds rate x length, in units.

    Every send request counts, refused ones too.
    """
    sends = sorted((entry.time, entry.units) for entry in stack.simulator.record())
    level = worst = 0.0
    before = sends[0][0]
    for moment, cost in sends:
        level = max(0.0, level - rate * (moment - before)) + cost
        worst, before = max(worst, level), moment
    return worst
