"""The Redis of `dispatcher up`: the embedded server, unless another is set."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import redis

from dispatcher.cli.parts import TAIL
from dispatcher.embedded import EmbeddedServer, find_embedded, server_directory
from dispatcher.errors import DispatchError
from dispatcher.ledger.connection import connect
from dispatcher.settings import Settings


class Server:
    """The Redis of this system: the embedded one, unless another is set."""

    def __init__(self, settings: Settings) -> None:
        self._directory = server_directory(settings)
        self._own: EmbeddedServer | None = None
        self.embedded = settings.redis_url is None
        self.url = settings.redis_url or ""

    def start(self) -> None:
        """Start it, or take over one that somebody who was killed left running.

        Raises:
            LedgerError: It does not start.
        """
        if not self.embedded:
            return
        if url := find_embedded(self._directory):
            self.url = url
            return
        self._own = EmbeddedServer(self._directory)
        self._own.start()
        self.url = self._own.url

    def check(self) -> None:
        """Is the embedded server there? Another one may come and go.

        Raises:
            DispatchError: It is gone.
        """
        if self.gone:
            raise DispatchError("the embedded server ended by itself")

    @property
    def gone(self) -> bool:
        """Whether nothing listens where the embedded server should."""
        if not self.embedded or not self.url:
            return False
        # A slow answer is one as well.
        with suppress(redis.TimeoutError), connect(self.url) as client:
            try:
                client.ping()
            except redis.ConnectionError:
                return True
        return False

    def tail(self) -> list[str]:
        """The last lines of its log."""
        with suppress(OSError):
            return self.log.read_text(errors="replace").splitlines()[-TAIL:]
        return []

    @property
    def log(self) -> Path:
        """Where the embedded server writes its log."""
        return self._directory / "valkey.log"

    def stop(self) -> None:
        """End it, if it is ours; its data stays."""
        if self._own is not None:
            self._own.stop()
        elif self.embedded and self.url:
            with suppress(redis.RedisError), connect(self.url) as client:
                client.shutdown()
