"""The rejections file: every row that gets no message, for whoever mends the list.

Besides the ledger and exports it is the only place where numbers stand in full, so only
its owner may read it. It is never seen half-written under its name.
"""

from __future__ import annotations

import contextlib
import csv
import re
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, Self

from dispatcher.errors import DispatchError

if TYPE_CHECKING:
    from types import TracebackType

    from dispatcher.numbers import Reason

_HEADER: Final = ("line", "reason", "value", "explanation")
#: What a spreadsheet takes for a formula (some also in full width, or after a tab).
_FORMULA: Final = re.compile(r"[=+\-@\t\r＝＋－＠]")  # noqa: RUF001 - meant
#: Digits and punctuation of numbers. There is nothing to run in them, and `+1...` must
#: stay a number that can be copied.
_ONLY_A_NUMBER: Final = re.compile(r"[+\-][0-9\s().\-/]*")


class RejectionsFile:
    """A CSV file of line, reason, value and explanation; a context manager.

    Nothing is created before the first rejection. Rows go to a temporary file beside
    it, which takes the name when the block ends well and is removed when it does not.
    A value that a spreadsheet could run as a formula gets an apostrophe in front.

    Attributes:
        path: The finished file; `None` until the block has ended, and for good when
            nothing was rejected.

    Raises:
        DispatchError: The file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path: Path | None = None
        self._target = path
        self._file: IO[str] | None = None

    def __enter__(self) -> Self:
        return self

    def add(self, line: int, reason: Reason, value: str) -> None:
        """Write one row; what `Intake` calls with each rejection."""
        try:
            file = self._file or self._create()
            row = (line, reason, harmless(value), reason.explanation)
            csv.writer(file).writerow(row)
        except OSError as error:
            raise self._failed(error) from None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._file is None:
            return
        draft = Path(self._file.name)
        try:
            if kind is None:
                self._finish(self._file, draft)
        finally:
            with contextlib.suppress(OSError):  # the error under way says more
                self._file.close()
            draft.unlink(missing_ok=True)

    def _create(self) -> IO[str]:
        self._target.parent.mkdir(parents=True, exist_ok=True)
        self._file = tempfile.NamedTemporaryFile(  # noqa: SIM115 - closed in __exit__
            "w",
            dir=self._target.parent,
            prefix=f".{self._target.name}-",
            delete=False,
            encoding="utf-8",
            errors="backslashreplace",  # half a character must not end the import
            newline="",
        )
        csv.writer(self._file).writerow(_HEADER)
        return self._file

    def _finish(self, file: IO[str], draft: Path) -> None:
        try:
            file.close()
            self.path = draft.replace(self._target)
        except OSError as error:
            raise self._failed(error) from None

    def _failed(self, error: OSError) -> DispatchError:
        return DispatchError(
            f"the rejections file {self._target} cannot be written: {error.strerror}"
        )


def harmless(value: str) -> str:
    """Return the value so that no spreadsheet runs it, numbers as they are."""
    if _FORMULA.match(value) and not _ONLY_A_NUMBER.fullmatch(value):
        return f"'{value}"
    return value
