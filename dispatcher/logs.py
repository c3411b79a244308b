"""Logging: one structlog configuration for all processes and all libraries.

Events are `noun.verb` with values as keys. Numbers, texts and credentials are
never passed to a logger; as a second line of defence `scrub` takes whatever
looks like one out of every event, the libraries' own included.
"""

from __future__ import annotations

import logging
import re
import sys
from typing import TYPE_CHECKING, Any, Final, Literal, TextIO

import structlog

if TYPE_CHECKING:
    from collections.abc import MutableMapping

#: Libraries whose chatter holds whole URLs or is of no use at INFO.
_QUIET: Final = ("httpx", "httpcore", "asyncio", "kombu", "amqp", "celery.redirected")

#: Seven digits and more in a row, with or without "+": a phone number, or as
#: good as one. Message ids are longer or hold letters, so they stay whole.
_NUMBER: Final = re.compile(r"(?<![\w.])\+?\d{7,15}(?![\w.])")
#: user:password@ in any address.
_USERINFO: Final = re.compile(r"(?<=://)[^/@\s]+@")
_MASK: Final = "***"


def scrub_text(text: str) -> str:
    """The text without phone numbers and without credentials in addresses."""
    return _USERINFO.sub(_MASK + "@", _NUMBER.sub(_MASK, text))


def scrub(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """A structlog processor: `scrub_text` over every string of an event."""
    for name, value in event.items():
        if isinstance(value, str) and name != "timestamp":
            event[name] = scrub_text(value)
    return event


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
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
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
        else structlog.dev.ConsoleRenderer(colors=stream.isatty())
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
        logging.getLogger(name).setLevel(logging.WARNING)
