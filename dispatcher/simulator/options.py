"""The simulator's command line options, one for each field of its configuration.

Goes both ways, so that a configuration can be handed to a new process.
"""

from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import MISSING, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from dispatcher.simulator.config import SimulatorConfig
from dispatcher.simulator.faults import Fault, parse_faults
from dispatcher.simulator.search import Layout

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def _rate(text: str) -> float | None:
    return None if text.lower() == "none" else float(text)


def _codes(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(",")))


class Option(NamedTuple):
    """How one field is read from a string, and what a person is told of it."""

    read: Callable[[str], object]
    metavar: str
    help: str


OPTIONS: Final[dict[str, Option]] = {
    "host": Option(str, "ADDRESS", "address to listen on"),
    "port": Option(int, "N", "port; 0 takes a free one"),
    "latency_ms": Option(float, "MS", "time before every answer"),
    "rate": Option(_rate, "U", "units/s the account's queue is drained at, or none"),
    "queue_seconds": Option(float, "S", "depth of that queue"),
    "faults": Option(str, "KIND=SHARE", "one of " + ", ".join(Fault)),
    "seed": Option(int, "N", "makes faults come in the same order again"),
    "hang_seconds": Option(float, "S", "a hanging connection is closed after"),
    "slow_ms": Option(float, "MS", "what the fault slow adds"),
    "refuse_ms": Option(float, "MS", "how long the fault refuse lasts"),
    "username": Option(str, "NAME", "of the API user; any if not given"),
    "password": Option(str, "SECRET", "of the API user; any if not given"),
    "account": Option(str, "ID", "the one account there is; any if not given"),
    "token_seconds": Option(int, "S", "life of a bearer token"),
    "index_lag": Option(float, "S", "time before a search finds a message"),
    "layout": Option(Layout, "ROWS", "rows of a group: " + " or ".join(Layout)),
    "search_limit": Option(int, "N", "searches of one address in 5 minutes"),
    "media_seconds": Option(float, "S", "life of an uploaded file"),
    "callback_url": Option(str, "URL", "who is told what became of messages"),
    "callback_username": Option(str, "NAME", "for a receiver that asks for it"),
    "callback_password": Option(str, "SECRET", "for a receiver that asks for it"),
    "callback_delay_ms": Option(float, "MS", "from a message to its end, on average"),
    "callback_late_seconds": Option(float, "S", "what callback-late adds"),
    "callback_retry_seconds": Option(float, "S", "before a callback is repeated"),
    "callback_connections": Option(int, "N", "connections to the receiver"),
    "callback_codes": Option(_codes, "CODE,CODE", "what callback-failed draws from"),
    "record": Option(Path, "FILE", "where every send request is noted"),
}


def from_arguments(arguments: Sequence[str] | None = None) -> SimulatorConfig:
    """Read a configuration from a command line (None: this process's own).

    Raises:
        SystemExit: The command line is wrong; told on stderr.
        InvalidInput: A value is out of range.
    """
    given = vars(_parser().parse_args(arguments))
    given["faults"] = parse_faults(given["faults"])
    return SimulatorConfig(**given)


def to_arguments(config: SimulatorConfig) -> list[str]:
    """The command line that gives this configuration."""
    words: list[str] = []
    for name in OPTIONS:
        value = getattr(config, name)
        if name == "faults":
            words += [f"--fault={kind}={share!r}" for kind, share in value.items()]
        elif isinstance(value, tuple):
            words.append(f"{_flag(name)}={','.join(map(str, value))}")
        elif value is not None:
            words.append(f"{_flag(name)}={value}")
    return words


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-").replace("faults", "fault")


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="python -m dispatcher.simulator",
        description="A simulated provider of group messages.",
        allow_abbrev=False,
    )
    for field in fields(SimulatorConfig):
        option = OPTIONS[field.name]
        extra: dict[str, Any] = {"default": field.default, "type": option.read}
        if field.default is MISSING:
            extra = {"default": [], "action": "append"}
        parser.add_argument(
            _flag(field.name),
            dest=field.name,
            metavar=option.metavar,
            help=option.help,
            **extra,
        )
    return parser
