"""Loading of the Lua scripts and the one way to call them.

A `Call` is a value: which script, with which arguments, and how its reply
reads. The same calls run on a blocking connection (producer, commands) and in
an event loop (workers); nothing else differs between the two.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any, Final, Generic, TypeVar

from dispatcher.ledger.codec import CHUNK_GROUPS, RECORD_FORMAT, SIZES_AT
from dispatcher.ledger.delivery import SLOT_SIZE
from dispatcher.ledger.history import SLOT_S, SLOTS
from dispatcher.ledger.keys import PATTERNS
from dispatcher.ledger.states import (
    CAMPAIGN_MOVES,
    GROUP_MOVES,
    DeliveryState,
    Event,
    GroupState,
)

T = TypeVar("T")

Argument = str | bytes | int | float

#: Microseconds since the epoch, or None for the server's own clock.
Clock = Callable[[], int | None]


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One call of one script.

    Attributes:
        script: Name of the file in `lua/`, without its ending.
        arguments: ARGV after the time, which the ledger puts first.
        read: Turns the raw reply into a value.
    """

    script: str
    arguments: list[Argument] = field(repr=False)
    read: Callable[[Any], T]


#: Scripts that may run when Redis is out of memory: what they store is true and
#: must not get lost. A claim or a gate would only begin more.
_MAY_EXCEED_MEMORY: Final = frozenset(
    {
        *("settle", "lapse", "renew", "leave", "control", "identify"),
        *("deliver", "sweep", "inbox", "throttle", "unthrottle", "breaker"),
        # What makes room again.
        "bury",
    }
)

_NEEDS: Final = re.compile(r"^-- needs: (.+)$", re.MULTILINE)


@cache
def source(script: str) -> str:
    """The whole text of a script: flags, generated tables, its parts, itself."""
    flags = "allow-oom" if script in _MAY_EXCEED_MEMORY else ""
    own = _file(script)
    text = "\n".join([*(_file(f"parts/{part}") for part in ("base", *needs(own))), own])
    return "\n".join((f"#!lua flags={flags}", _tables(text), text))


def needs(text: str) -> list[str]:
    """The parts that a script names in its line `-- needs: ...`."""
    line = _NEEDS.search(text)
    return line[1].split(", ") if line else []


def _file(name: str) -> str:
    return (resources.files(__package__) / f"lua/{name}.lua").read_text("utf-8")


def _tables(text: str) -> str:
    """The constants that Lua and Python must agree on, written once in Python.

    Args:
        text: What they are for. Keys that it does not name are left out: Redis makes
            these tables anew for every call.
    """
    named = set(re.findall(r"\w+", text))
    keys = {name: repr(form) for name, form in PATTERNS.items() if name in named}
    words = {state.word: state.value for state in GroupState}
    names = "".join(f"[{state.value}]={state.word!r}," for state in GroupState)
    ranks = {state.word: state.value for state in DeliveryState}
    tallies = "".join(f"[{s.value}]={s.counter!r}," for s in DeliveryState)
    moves = {event.value: _numbers(GROUP_MOVES[event]) for event in Event}
    commands = {
        command: "{" + "".join(f"{a.value}={b.value!r}," for a, b in move.items()) + "}"
        for command, move in CAMPAIGN_MOVES.items()
    }
    return "\n".join(
        (
            f"local CHUNK, RECORD = {CHUNK_GROUPS}, {RECORD_FORMAT!r}",
            f"local SIZES_AT, SLOT = {SIZES_AT}, {SLOT_SIZE}",
            f"local SLOT_MS, SLOTS = {SLOT_S * 1000}, {SLOTS}",
            "local KEY = " + _table(keys),
            "local STATE = " + _table(words),
            "local NAME = {" + names + "}",
            "local RANK = " + _table(ranks),
            "local TALLY = {" + tallies + "}",
            "local MOVE = " + _table(moves),
            "local CAMPAIGN_MOVE = " + _table(commands),
        )
    )


def _numbers(moves: Mapping[GroupState, GroupState]) -> str:
    return "{" + "".join(f"[{a.value}]={b.value}," for a, b in moves.items()) + "}"


def _table(values: Mapping[str, object]) -> str:
    return "{" + ",".join(f"{name}={value}" for name, value in values.items()) + "}"


def server_clock() -> int | None:
    """Redis's own clock."""
    return None


@cache
def _sha(script: str) -> str:
    return hashlib.sha1(source(script).encode()).hexdigest()  # noqa: S324


def evalsha(call: Call[Any], now: int | None) -> tuple[Any, ...]:
    """The arguments of EVALSHA for a call, at a time of `Clock`."""
    return (_sha(call.script), 0, "" if now is None else now, *call.arguments)
