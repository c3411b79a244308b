"""The Redis of all benchmarks: one server for each lap, the same for everybody.

It comes from the wheel that the product embeds, as durable as the product asks for
(`appendfsync always`) unless a benchmark wants to know what that costs. Its own
counters say what a lap asked of it.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self

import redis

from dispatcher.embedded import EmbeddedServer
from dispatcher.ledger.connection import ledger_url

Fsync = Literal["always", "everysec"]

#: Commands that run a script.
_SCRIPTS: Final = ("eval", "evalsha", "fcall")


@dataclass(frozen=True)
class Counters:
    """What a server has done so far; subtract two for what it did between.

    Attributes:
        commands: All commands, those that scripts called included.
        scripts: Scripts that clients called.
        script_us: Microseconds that these took.
        reads: Times the server read from a socket: round trips, about.
        wire: Bytes that it read from sockets and wrote to them.
        core: Seconds of a core that it used.
        calls: `commands` by name.
    """

    commands: int
    scripts: int
    script_us: int
    reads: int
    wire: int
    core: float
    calls: dict[str, int]

    def __sub__(self, before: Counters) -> Counters:
        calls = {k: n - before.calls.get(k, 0) for k, n in self.calls.items()}
        return Counters(
            commands=self.commands - before.commands,
            scripts=self.scripts - before.scripts,
            script_us=self.script_us - before.script_us,
            reads=self.reads - before.reads,
            wire=self.wire - before.wire,
            core=self.core - before.core,
            calls={name: count for name, count in calls.items() if count},
        )


class Store:
    """A fresh server while it is entered.

    Attributes:
        url: Its address, as redis-py wants it; a unix socket.
        client: A connection of the benchmark's own.
    """

    def __init__(self, fsync: Fsync = "always") -> None:
        self._fsync = fsync

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            server = stack.enter_context(EmbeddedServer(folder / "redis"))
            self.url = ledger_url(server.url)
            self.socket = self.url.removeprefix("unix://").partition("?")[0]
            self.client = redis.Redis.from_url(self.url)
            stack.callback(self.client.close)
            self.client.config_set("appendfsync", self._fsync)
            self.pid = int(self._info("server")["process_id"])
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def memory(self) -> int:
        """Bytes that it holds for data: buffers of clients and of its log left out."""
        said = self._info("memory")
        rest = ("used_memory_startup", "mem_clients_normal", "mem_aof_buffer")
        return int(said["used_memory"]) - sum(int(said[name]) for name in rest)

    def version(self) -> str:
        """Such as "Valkey 9.1.2"."""
        server = self._info("server")
        if "valkey_version" in server:
            return f"Valkey {server['valkey_version']}"
        return f"Redis {server['redis_version']}"

    def counters(self) -> Counters:
        """What it has done so far."""
        stats = {
            name.removeprefix("cmdstat_"): entry
            for name, entry in self._info("commandstats").items()
        }
        calls = {name: int(entry["calls"]) for name, entry in stats.items()}
        cpu, flow = self._info("cpu"), self._info("stats")
        wire = flow["total_net_input_bytes"] + flow["total_net_output_bytes"]
        scripts = [stats[name] for name in _SCRIPTS if name in stats]
        return Counters(
            commands=sum(calls.values()),
            scripts=sum(int(entry["calls"]) for entry in scripts),
            script_us=sum(int(entry["usec"]) for entry in scripts),
            reads=int(flow["total_reads_processed"]),
            wire=int(wire),
            core=float(cpu["used_cpu_user"] + cpu["used_cpu_sys"]),
            calls=calls,
        )

    def _info(self, section: str) -> dict[str, Any]:
        found: dict[str, Any] = self.client.info(section)
        return found
