"""The provider's own account of every send request that reached it.

Append-only JSON lines, one for each request, refused ones too. Tests compare it with
what the dispatcher believes; nothing in the simulator ever reads it back. It holds
phone numbers and tags, and of texts only their length.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

import msgspec

from dispatcher.simulator.faults import Fault  # msgspec reads the type

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Bytes kept before they are written at once; the server also flushes by the clock.
_BUFFER = 1 << 18


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One send request as the provider saw it.

    Attributes:
        seq: Place in the order of arrival, from 1.
        time: Epoch seconds at which the request was complete.
        account: From the path.
        sender: `from` in the file; None if the body has none that is a string.
        to: The numbers asked for, in the order given.
        tag: As sent.
        units: What the request counts for, taken or not.
        text_length: Characters.
        taken: Whether the message will be sent.
        status: What the client was answered; None if nothing.
        fault: The fault that struck, if any.
        id: Of the message; None unless taken.
    """

    seq: int
    time: float
    account: str
    sender: str | None = msgspec.field(name="from")
    to: tuple[str, ...]
    tag: str | None
    units: int
    text_length: int
    taken: bool
    status: int | None
    fault: Fault | None
    id: str | None


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Entry)


class Record:
    """Appends entries to a file, or to nothing if there is no path.

    Args:
        path: Created if missing; what it holds already stays.
    """

    def __init__(self, path: Path | None) -> None:
        self._file: BinaryIO | None = None
        if path is not None:
            self._file = path.open("ab", buffering=_BUFFER)

    def add(self, entry: Entry) -> None:
        """Note one request; on its way to the file with the next flush."""
        if self._file is not None:
            self._file.write(_ENCODER.encode(entry) + b"\n")

    def flush(self) -> None:
        """Hand everything to the kernel: from here on it survives a kill -9."""
        if self._file is not None:
            self._file.flush()

    def close(self) -> None:
        """Flush and close; entries added later are lost."""
        if self._file is not None:
            self._file.close()
            self._file = None


def read_record(path: Path) -> Iterator[Entry]:
    """Read a record, also while it is being written.

    A last line without its end (the writer was killed within it) is left out.

    Raises:
        msgspec.DecodeError: A whole line is not an entry.
    """
    with path.open("rb") as lines:
        for line in lines:
            if line.endswith(b"\n"):
                yield _DECODER.decode(line)
