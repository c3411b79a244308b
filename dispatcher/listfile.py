"""Opens a recipient list: bytes from anywhere in, lines of text out.

Unpacks gzip, obeys byte order marks, and says plainly what cannot be a list. It never
guesses an encoding, never holds more than one line, and never reads what a line says.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, Protocol, TypeAlias, cast

from dispatcher.errors import ListError

if TYPE_CHECKING:
    from collections.abc import Iterator

#: A path, `-` for standard input, or a file opened in binary mode.
Source: TypeAlias = str | os.PathLike[str] | BinaryIO


class Readable(Protocol):
    """All that is asked of bytes from elsewhere."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes, none at the end."""


STDIN: Final = "-"
#: Bytes looked at to tell what a file is.
_HEAD: Final = 512
#: Bytes one line may have. A file with longer lines is no list, and reading on would
#: take as much memory as the file is long.
_MAX_LINE: Final = 1024 * 1024
_GZIP: Final = b"\x1f\x8b"
_UTF16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")

_CSV: Final = "save it as CSV UTF-8"
_PACKED: Final = "unpack it, or pack it with gzip"
#: First bytes, in small letters, of what is taken for a list, and what to do about it.
_KINDS: Final = {
    b"\xd0\xcf\x11\xe0": f"an Excel workbook; {_CSV}",
    b"%pdf": "a PDF; pass the list itself, as CSV",
    b"{\\rtf": "a word processor's document; save it as plain text",
    b"<!doctype": f"a web page; {_CSV}",
    b"<html": f"a web page; {_CSV}",
    b"<?xml": f"an XML file; {_CSV}",
    b"sqlite format 3": f"a database; {_CSV}",
    b"par1": f"a Parquet file; {_CSV}",
    b"bzh": f"packed with bzip2; {_PACKED}",
    b"\xfd7zxz": f"packed with xz; {_PACKED}",
    b"7z\xbc\xaf": f"packed with 7-Zip; {_PACKED}",
    b"\x28\xb5\x2f\xfd": f"packed with Zstandard; {_PACKED}",
    _GZIP: "packed with gzip twice; unpack it once",
}
_EXCEL_PARTS: Final = (b"[content_types].xml", b"xl/", b"docprops/")


@contextlib.contextmanager
def open_lines(source: Source) -> Iterator[io.TextIOWrapper]:
    """Open a list as lines of text, each with its line break.

    Args:
        source: See `Source`. A file object is read on from where it stands, and is
            left open.

    Raises:
        ListError: It cannot be opened, unpacked or read as text. Also raised later, by
            the body of the `with` block, when it reads that far.
    """
    name = name_of(source)
    with contextlib.ExitStack() as stack, _told(name):
        stream = _unpacked(_Checked(_opened(source, stack), name))
        try:
            yield _decoded(stream)
        except UnicodeDecodeError as error:
            raise ListError(_not_text(error, stream)) from None


def name_of(source: Source) -> str:
    """Return what messages call the list."""
    if isinstance(source, str | os.PathLike):
        return "standard input" if source == STDIN else os.fspath(source)
    return "the list"


class _Checked(io.BufferedIOBase):
    """Bytes that show their head first and are watched while they are read."""

    def __init__(self, raw: Readable, name: str) -> None:
        self.name = name
        self.allow_nul = False
        #: Line breaks in front of the block that was read last.
        self.breaks = 0
        self._raw = raw
        self._pending = self.head = self._read_head()
        self._last = b""
        self._line_length = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        if not self._pending:
            return self._raw.read(-1 if size is None else size)
        stop = len(self._pending) if size is None or size < 0 else size
        block, self._pending = self._pending[:stop], self._pending[stop:]
        return block

    def read1(self, size: int = -1, /) -> bytes:
        self.breaks += self._last.count(b"\n")
        self._last = block = self.read(size)
        self._check(block)
        return block

    def _read_head(self) -> bytes:
        head = b""
        while len(head) < _HEAD and (block := self._raw.read(_HEAD - len(head))):
            if isinstance(block, str):
                raise ListError("the list is open as text: open it in binary mode")
            head += block
        return head

    def _check(self, block: bytes) -> None:
        if b"\0" in block and not self.allow_nul:
            raise ListError(f"{self.name} is a binary file; {_CSV}")
        last_break = max(block.rfind(b"\n"), block.rfind(b"\r"))
        before = self._line_length if last_break < 0 else 0
        self._line_length = before + len(block) - last_break - 1
        if self._line_length > _MAX_LINE:
            raise ListError(
                f"{self.name} has a line of more than a million bytes; "
                "write one row a line"
            )


def _opened(source: Source, stack: contextlib.ExitStack) -> Readable:
    if isinstance(source, str | os.PathLike):
        if source == STDIN:
            return sys.stdin.buffer
        return stack.enter_context(Path(source).open("rb"))
    return source


def _unpacked(stream: _Checked) -> _Checked:
    if stream.head.startswith(_GZIP):
        # It asks for nothing but `read`, which is all that a pipe can do.
        packed = cast("BinaryIO", stream)
        return _Checked(gzip.GzipFile(fileobj=packed), stream.name)
    return stream


def _decoded(stream: _Checked) -> io.TextIOWrapper:
    """Choose the encoding by the mark at the start; without one it is UTF-8."""
    if kind := _kind(stream.head):
        raise ListError(f"{stream.name} is {kind}")
    encoding = "utf-8-sig"  # the mark is optional
    if stream.head.startswith(_UTF16_MARKS):
        stream.allow_nul, encoding = True, "utf-16"
    # The csv module wants line breaks as they are, inside quotes above all.
    return io.TextIOWrapper(cast("BinaryIO", stream), encoding=encoding, newline="")


def _kind(head: bytes) -> str | None:
    """What the file is, if it is a well-known kind that is no list."""
    head = head.lower()
    if head.startswith(b"pk\x03\x04"):
        excel = any(part in head for part in _EXCEL_PARTS)
        return f"an Excel workbook; {_CSV}" if excel else f"a zip archive; {_PACKED}"
    return next(
        (kind for magic, kind in _KINDS.items() if head.startswith(magic)), None
    )


def _not_text(error: UnicodeDecodeError, stream: _Checked) -> str:
    line = stream.breaks + error.object[: error.start].count(b"\n") + 1
    encoding = "UTF-16" if error.encoding.startswith("utf-16") else "UTF-8"
    return f"line {line} of {stream.name} is not {encoding} text; save it as CSV UTF-8"


@contextlib.contextmanager
def _told(name: str) -> Iterator[None]:
    """Turn what the system says about a file into one clear line."""
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise ListError(
            f"{name} is damaged: it cannot be unpacked to its end; pack it again"
        ) from None
    except FileNotFoundError:
        raise ListError(f"there is no file {name}") from None
    except IsADirectoryError:
        raise ListError(f"{name} is a folder; pass a file") from None
    except OSError as error:
        raise ListError(f"{name} cannot be read: {error.strerror}") from None
