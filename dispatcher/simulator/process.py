"""The simulator in a process of its own, as tests and the demo hold it.

Starts, asks and ends the process; what it serves is none of its business.
"""

from __future__ import annotations

import select
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import urlsplit

import msgspec

from dispatcher.errors import DispatchError
from dispatcher.simulator.config import SimulatorConfig
from dispatcher.simulator.fates import Fate, Told
from dispatcher.simulator.options import to_arguments
from dispatcher.simulator.outbox import CallbackCounts
from dispatcher.simulator.record import Entry, read_record
from dispatcher.simulator.server import READY
from dispatcher.simulator.stats import Stats

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dispatcher.simulator.faults import Fault

#: Seconds to become ready; importing the package takes the most of it, and on a busy
#: machine it takes long.
_START: Final = 60.0
#: Seconds to end after being asked, before it is killed.
_END: Final = 5.0
#: Seconds for an admin call.
_CALL: Final = 10.0
#: Seconds between attempts to reach a simulator that refuses connections.
_PAUSE: Final = 0.005
#: Seconds between looks at what still waits.
_LOOK: Final = 0.05


class Simulator:
    """A simulated provider that runs while a `with` block does.

    Args:
        config: How it behaves. Without `record` the record is kept in a temporary
            file that goes with the block.

    Attributes:
        base_url: What a client's base URL is.
        pid: Of the process.
    """

    base_url: str
    pid: int

    def __init__(self, config: SimulatorConfig | None = None) -> None:
        self._config = config or SimulatorConfig()

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="simulator-")
        self._record = self._config.record or Path(self._folder.name) / "record.jsonl"
        arguments = to_arguments(replace(self._config, record=self._record))
        self._process = subprocess.Popen(  # noqa: S603  # our own program
            [sys.executable, "-m", "dispatcher.simulator", *arguments],
            stdout=subprocess.PIPE,
            # Its holder ends it; a terminal's Ctrl-C is meant for the holder.
            start_new_session=True,
        )
        self.pid = self._process.pid
        try:
            self.base_url = self._ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._folder.cleanup()

    def record(self) -> list[Entry]:
        """Every send request so far, as the provider saw it."""
        if self._process.poll() is None:
            self.stats()  # Also flushes the record.
        return list(read_record(self._record))

    def stats(self) -> Stats:
        """Counts so far."""
        return msgspec.json.decode(self._call("GET", "stats"), type=Stats)

    def set_faults(self, shares: Mapping[Fault, float]) -> None:
        """Replace the faults and their shares; an empty mapping ends them.

        Raises:
            DispatchError: A share is not from 0 to 1, or all exceed 1 together.
        """
        self._call("POST", "faults", dict(shares))

    def set_credentials(self, username: str | None, password: str | None) -> None:
        """Take only these from now on; None takes any."""
        self._call("POST", "credentials", {"username": username, "password": password})

    def revoke_tokens(self) -> None:
        """Refuse every bearer token issued so far."""
        self._call("POST", "revoke")

    def truth(self) -> dict[tuple[str, str], Fate]:
        """The end of every message by (message id, number).

        It is what callbacks will have told once all of them are acknowledged.
        """
        told = msgspec.json.decode(self._call("GET", "truth"), type=list[Told])
        return {(one.id, one.to): one.fate for one in told}

    def callbacks(self) -> CallbackCounts:
        """What became of the callbacks so far."""
        return msgspec.json.decode(self._call("GET", "callbacks"), type=CallbackCounts)

    def callbacks_pending(self) -> int:
        """Callbacks that are not acknowledged yet, due or not."""
        return self.callbacks().pending

    def settle(self, seconds: float) -> CallbackCounts:
        """Wait until every callback is acknowledged.

        Raises:
            DispatchError: Some still were not after that time.
        """
        end = time.monotonic() + seconds
        while (counts := self.callbacks()).pending:
            if time.monotonic() > end:
                raise DispatchError(f"{counts.pending} callbacks are still pending")
            time.sleep(_LOOK)
        return counts

    def set_callbacks(
        self, url: str | None, username: str | None = None, password: str | None = None
    ) -> None:
        """Call another receiver from now on, or nobody.

        What already waits goes there too; messages taken while there is none are
        never told.

        Raises:
            DispatchError: The URL cannot be called.
        """
        order = {"url": url, "username": username, "password": password}
        self._call("POST", "callbacks", order)

    def inbound(self, sender: str, to: str | Sequence[str], text: str) -> str:
        """Let somebody write to the account; the id of the message.

        Args:
            sender: Who writes.
            to: The account's number; of a group message all numbers, that one first.
            text: What it says.

        Raises:
            DispatchError: A number is not in E.164 form, or there is no callback URL.
        """
        order = {"from": sender, "to": to, "text": text}
        return str(msgspec.json.decode(self._call("POST", "inbound", order))["id"])

    def _ready(self) -> str:
        stdout = self._process.stdout
        assert stdout is not None  # asked for as a pipe
        if select.select([stdout], [], [], _START)[0]:
            line = stdout.readline().decode()
            if line.startswith(READY):
                return line.removeprefix(READY).strip()
        raise DispatchError("the simulator did not start; its stderr says why")

    def _call(self, method: str, name: str, content: object = None) -> bytes:
        connection = self._connection()
        try:
            connection.request(method, f"/_admin/{name}", msgspec.json.encode(content))
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        if response.status != HTTPStatus.OK:
            raise DispatchError(f"the simulator refused: {body.decode()}")
        return body

    def _connection(self) -> HTTPConnection:
        """A connection, also if the fault `refuse` keeps the door shut just now."""
        end = time.monotonic() + _CALL
        while True:
            address = urlsplit(self.base_url).netloc
            connection = HTTPConnection(address, timeout=_CALL)
            try:
                connection.connect()
            except ConnectionRefusedError:
                if self._process.poll() is not None or time.monotonic() > end:
                    raise
                time.sleep(_PAUSE)
            else:
                return connection
