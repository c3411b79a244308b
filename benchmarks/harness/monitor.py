"""Listens to every command of a Redis: who sent it, and which script it called.

Redis's counters do not tell a command of a client from one that a script called; its
MONITOR does. The server works for it, so figures of speed are not taken meanwhile.
"""

from __future__ import annotations

import re
import socket
import threading
from collections import Counter
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

#: `1339518083.107412 [0 unix:/path] "evalsha" "<sha>" ...`, or `[0 lua]`.
_LINE: Final = re.compile(
    rb'^\+?[0-9.]+ \[\d+ ([^\]]*)\] "(\w+)"(?: "([^"]{0,48})")?', re.MULTILINE
)
_CHUNK: Final = 1 << 20


class Monitor:
    """Counts while it is entered.

    Attributes:
        sent: Commands of clients, by name; a script is named by its digest.
        inner: Commands that scripts called, by name.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self.sent: Counter[str] = Counter()
        self.inner: Counter[str] = Counter()

    def __enter__(self) -> Self:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(self._path)
        self._socket.sendall(b"MONITOR\r\n")
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()

    def _listen(self) -> None:
        rest = b""
        while data := self._socket.recv(_CHUNK):
            whole, newline, rest = (rest + data).rpartition(b"\n")
            self.note(whole + newline)

    def note(self, lines: bytes) -> None:
        """Count whole lines."""
        for who, command, first in _LINE.findall(lines):
            if who == b"lua":
                self.inner[command.lower().decode()] += 1
            else:
                self.sent[_name(command.lower(), first)] += 1


def _name(command: bytes, first: bytes) -> str:
    return (first if command == b"evalsha" else command).decode()
