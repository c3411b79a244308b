"""What each error means on the command line: an exit code and one line of text.

The line says what is wrong, where, and what to do. It never is a traceback, and never
shows more of a number than the caller typed into it.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

import typer

from dispatcher.errors import (
    CampaignError,
    ColumnError,
    DispatchError,
    InvalidInput,
    ListError,
)
from dispatcher.logs import scrub_text

FAILED: Final = 1
WRONG_CALL: Final = 2
INTERRUPTED: Final = 130

#: The nearest class counts. What is not listed is a fault of ours: it keeps its
#: traceback.
CODES: Final[dict[type[BaseException], int]] = {
    typer.TyperException: WRONG_CALL,
    # A column is chosen by the caller; anything else about a list is the list's.
    ColumnError: WRONG_CALL,
    ListError: FAILED,
    InvalidInput: WRONG_CALL,
    DispatchError: FAILED,
    OSError: FAILED,
    KeyboardInterrupt: INTERRUPTED,
    typer.Abort: INTERRUPTED,
}

#: Options by the name of the campaign's field they fill, where those differ.
_OPTIONS: Final = {
    "sender": "--sender",
    "text": "--text",
    "media": "--media",
    "tag": "--tag",
    "application_id": "--application",
    "group_size": "--group-size",
    "pace": "--pace",
    "priority": "--priority",
    "starts_at": "--at",
    "expires_at": "--expires-at",
    "max_attempts": "--max-attempts",
    "error_threshold": "--error-threshold",
    "max_units": "--max-units",
}
_FIELD: Final = re.compile(rf"\b({'|'.join(_OPTIONS)})\b")
#: Names that are no plain words, so that they can be replaced inside a sentence.
_LONG_FIELD: Final = re.compile(r"\b[a-z]+_[a-z]+\b")

#: What typer says, and what a person understands.
_PLAINER: Final = (
    (re.compile(r"^Invalid value for '(\S+)': "), r"\1: "),
    (re.compile(r"Value error, "), ""),
    (re.compile(r"Input should be a valid integer.*"), "write a whole number"),
    (re.compile(r"Input should be a valid number.*"), "write a number"),
    (re.compile(r"Input should be "), "write a number "),
    (re.compile(r" \(Possible options: (.*)\)"), r"; did you mean \1?"),
    (re.compile(r"\. Did you mean"), "; did you mean"),
    (re.compile(r"\.$"), ""),
)


class Judgement(NamedTuple):
    """How a command ends; an empty line is not shown."""

    code: int
    line: str


def judge(error: BaseException) -> Judgement:
    """Say how a command that raised this ends."""
    code = next(CODES[cls] for cls in type(error).__mro__ if cls in CODES)
    line = "" if code == INTERRUPTED else " ".join(_line(error).split())
    return Judgement(code, line)


def _line(error: BaseException) -> str:
    if isinstance(error, typer.TyperException):
        return _usage(error)
    if isinstance(error, CampaignError):
        return "; ".join(map(_in_options, error.faults))
    if isinstance(error, OSError):
        return ": ".join(filter(None, [error.filename, error.strerror or str(error)]))
    return str(error)


def _in_options(fault: str) -> str:
    """A campaign's fault with options in place of fields."""
    field, colon, rule = fault.partition(": ")
    field = _FIELD.sub(lambda match: _OPTIONS[match[0]], field)
    return f"{field}{colon}{_LONG_FIELD.sub(_option, rule)}"


def _option(match: re.Match[str]) -> str:
    return _OPTIONS.get(match[0], match[0])


def _usage(error: typer.TyperException) -> str:
    """A wrong call. A number among stray arguments is masked."""
    text = scrub_text(error.format_message())
    for pattern, plain in _PLAINER:
        text = pattern.sub(plain, text)
    context: typer.Context | None = getattr(error, "ctx", None)
    path = context.command_path if context else "dispatcher"
    if text[1:2].islower():
        text = text[0].lower() + text[1:]
    return f"{text} (see {path} --help)"
