"""The simulator as a process: loop, listener, connections, record.

Not an ASGI server because its job is to misbehave on the socket. One thread, one
loop; nothing here blocks but short writes to the record's file.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from random import Random
from typing import TYPE_CHECKING, Final

import uvloop

from dispatcher.simulator.admin import Admin
from dispatcher.simulator.caller import Caller
from dispatcher.simulator.carriers import Carriers
from dispatcher.simulator.connection import Connection
from dispatcher.simulator.faults import FaultPlan
from dispatcher.simulator.listener import Listener
from dispatcher.simulator.provider import Provider
from dispatcher.simulator.record import Record

if TYPE_CHECKING:
    import socket

    from dispatcher.simulator.config import SimulatorConfig
    from dispatcher.simulator.exchange import Reply, Request

#: The line that says the simulator can be called; what follows is the base URL.
READY: Final = "simulator ready at "

#: Seconds between flushes of the record: what a kill -9 can take from it.
_FLUSH_EVERY: Final = 0.025


class Server:
    """Everything that serves, on the running loop.

    Args:
        config: How the provider behaves.
        record: Notes the send requests; the caller closes it.

    Attributes:
        loop: The running loop.
        connections: Those open.
        hang_seconds: From the configuration.
    """

    def __init__(self, config: SimulatorConfig, record: Record) -> None:
        self.loop = asyncio.get_running_loop()
        self.connections: set[Connection] = set()
        self.hang_seconds = config.hang_seconds
        self._refuse_seconds = config.refuse_ms / 1000
        self._record = record
        # The faults' own, so that their order hangs on the seed and nothing else.
        chance = Random(config.seed)  # noqa: S311  # not for secrets
        ids = Random()  # noqa: S311  # nobody guards what these tokens open
        faults = FaultPlan(config.faults, chance)
        self._caller = Caller(
            config.callback_target(),
            connections=config.callback_connections,
            retry_seconds=config.callback_retry_seconds,
            loop=self.loop,
            clock=time.time,
        )
        carriers = Carriers(
            config, faults=faults, mail=self._caller, random=_fates(config.seed)
        )
        provider = Provider(
            config,
            faults=faults,
            record=record,
            carriers=carriers,
            clock=time.time,
            random=ids,
        )
        self._admin = Admin(provider, self._caller)
        self._tasks: set[asyncio.Task[object]] = set()
        self._listener = Listener(
            config.host, config.port, loop=self.loop, accepted=self._welcome
        )
        self._flush()

    @property
    def base_url(self) -> str:
        """What a client's base URL is."""
        host, port = self._listener.address
        return f"http://{f'[{host}]' if ':' in host else host}:{port}/api/v2"

    def answer(self, request: Request) -> Reply:
        """Answer one request."""
        return self._admin.answer(request)

    def refuse(self) -> None:
        """Refuse new connections for a moment."""
        self._listener.refuse(self._refuse_seconds)

    def close(self) -> None:
        """Stop listening and end every connection."""
        self._listener.close()
        self._caller.close()
        self._flushing.cancel()
        for connection in list(self.connections):
            connection.abort()

    def _welcome(self, accepted: socket.socket) -> None:
        task: asyncio.Task[object] = self.loop.create_task(
            self.loop.connect_accepted_socket(
                lambda: Connection(self, accepted), accepted
            )
        )
        # The loop holds tasks weakly.
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _flush(self) -> None:
        self._record.flush()
        self._flushing = self.loop.call_later(_FLUSH_EVERY, self._flush)


def _fates(seed: int | None) -> Random:
    """Chance for what becomes of messages, apart from that of the faults."""
    return Random() if seed is None else Random(f"{seed}/fates")  # noqa: S311


async def _serve(config: SimulatorConfig, record: Record) -> None:
    """Serve until SIGINT or SIGTERM."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    server = Server(config, record)
    sys.stdout.write(f"{READY}{server.base_url}\n")
    sys.stdout.flush()
    try:
        await stop.wait()
    finally:
        server.close()


def run(config: SimulatorConfig) -> None:
    """Serve on this thread, the main one, until SIGINT or SIGTERM.

    Prints one line when it can be called: `simulator ready at` and the base URL.

    Raises:
        OSError: The address cannot be bound, or the record cannot be opened.
    """
    record = Record(config.record)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(config, record))
    finally:
        record.close()
