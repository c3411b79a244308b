"""Logging: one structlog configuration for all processes and all libraries.

Events are `noun.verb` with values as keys. Numbers, texts and credentials are
never passed to a logger; as a second line of defence `scrub` takes whatever
looks like one out of every event, the libraries' own included.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Final, Literal, TextIO

import structlog

#: Libraries whose chatter holds whole URLs or is of no use at INFO.
_QUIET: Final = ("httpx", "httpcore", "asyncio", "kombu", "amqp", "celery.redirected")

#: Where a number may begin: not inside a word, but an escaped line end is no letter.
_START: Final = r"(?: (?<=\\[nrt]) | (?<!\w) )"
#: What looks like a phone number; each line is one way to write one. What is kept
#: comes first, because an alternative that matches keeps the others from looking.
_NUMBER: Final = re.compile(
    rf"""
    (?P<kept>
        (?<!\w) [0-9a-f]{{8}} (?: -[0-9a-f]{{4}} ){{3}} -[0-9a-f]{{12}} (?!\w)  # a UUID
      | (?<!\w) \d{{8}} - \d{{6}} - [0-9a-f]{{6}} (?!\w)  # a campaign id of ours
      | (?<=pid[:=]) \d+
    )
    # +1 (919) 555-1212, %2B19195551212
    | (?: \+ | %2B ) [ ]? \(? \d (?: [ \xa0().\-/]{{0,2}} \d ){{6,14}} (?!\d)
    # 0044 1632 960961
    | {_START} (?<!\.) 00\d (?: [ \xa0().\-/]{{0,2}} \d ){{6,13}} (?!\d)
    # (919) 555-1212, 1-919-555-1212, 919.555.1212
    | {_START} (?<!\w-) (?: 1[ .\-]? )? (?: \(\d{{3}}\)[ ]? | \d{{3}}[ .\-]? )
      \d{{3}} [ .\-]? \d{{4}} (?!\w) (?!-\w) (?!\.\d)
    # Digits in a row: ten and more wherever they stand, fewer only by themselves. No
    # decimals; digits that letters follow are message ids.
    | {_START} (?<!\d\.) \d{{10,15}} (?!\w) (?!\.\d)
    | {_START} (?<!\d\.) (?<!\w-) \d{{7,9}} (?!\w) (?!-\w) (?!\.\d)
    """,
    re.VERBOSE | re.IGNORECASE,
)
#: user:password@ in any address; a password may hold any sign.
_USERINFO: Final = re.compile(r"(?<=://)[^\s\"'<>]*@")
_MASK: Final = "***"

#: Fields that hold ids and nothing else; an id may be all digits.
_IDS: Final = frozenset({"campaign", "child", "message_id", "timestamp"})
#: Whole numbers that can be phone numbers: ten digits and more.
_NUMBERS: Final = range(10**9, 10**15)


def scrub_text(text: str) -> str:
    """The text without phone numbers and without credentials in addresses."""
    return _NUMBER.sub(_masked, _USERINFO.sub(_MASK + "@", text))


def _masked(found: re.Match[str]) -> str:
    return found["kept"] or _MASK


def scrub(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """A structlog processor: `scrub_text` over everything in an event."""
    for name, value in event.items():
        if name not in _IDS:
            event[name] = _scrubbed(value)
    return event


def _scrubbed(value: object) -> object:
    match value:
        case str():
            return scrub_text(value)
        case None | bool() | float():
            return value
        case int():
            return _MASK if abs(value) in _NUMBERS else value
        case Mapping():
            return {_scrubbed(k): _scrubbed(v) for k, v in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_scrubbed(item) for item in value]
        case _:
            # As a renderer would show it.
            return scrub_text(repr(value))


def configure(
    format_: Literal["console", "json", "auto"] = "auto",
    level: str = "info",
    stream: TextIO | None = None,
) -> None:
    """Set up structlog and the standard library's logging for this process.

    Args:
        format_: `console` for people, `json` for machines; `auto` takes console
            on a terminal.
        level: debug, info, warning or error.
        stream: Where to; standard error if None.
    """
    stream = stream or sys.stderr
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        # What is below the level costs nothing: one line a group would.
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    _install(_formatter(format_, stream, shared), level, stream)


def _formatter(
    format_: str, stream: TextIO, shared: list[Any]
) -> structlog.stdlib.ProcessorFormatter:
    as_json = format_ == "json" or (format_ == "auto" and not stream.isatty())
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(
            colors=stream.isatty(),
            # The traceback is text already; a pretty one would show variables.
            exception_formatter=structlog.dev.plain_traceback,
        )
    )
    remove = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared, processors=[remove, scrub, renderer]
    )


def _install(formatter: logging.Formatter, level: str, stream: TextIO) -> None:
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
