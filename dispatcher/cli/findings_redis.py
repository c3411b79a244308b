"""What `dispatcher doctor` finds about a Redis. No I/O, nothing private."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from dispatcher.cli.findings import Finding, Level
from dispatcher.ledger import server
from dispatcher.ledger.server import Facts, Remark

#: The oldest server whose commands the ledger's scripts know.
_OLDEST: Final = (7, 0)
#: Shares of maxmemory from which on it is worth a word, and a fault.
_MUCH, _TOO_MUCH = 0.75, 0.95
#: Seconds that two clocks may differ.
_SKEW_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class RedisFacts:
    """What a server says about itself.

    Attributes:
        skew: Seconds by which its clock is ahead of this machine's.
    """

    server: Facts
    skew: float


def examine_redis(facts: RedisFacts) -> Iterator[Finding]:
    """Whether a server can be the ledger, and how safe that is."""
    yield _version(facts.server.info)
    yield _of(server.role(facts.server.info))
    yield from map(_of, server.safety(facts.server))
    yield _memory(facts.server.info)
    yield _clock(facts.skew)


def _of(remark: Remark) -> Finding:
    return Finding(remark.level, remark.check, remark.found, remark.advice)


def _version(info: Mapping[str, Any]) -> Finding:
    own = info.get("valkey_version")
    name, text = ("Valkey", own) if own else ("Redis", info.get("redis_version", "?"))
    version = tuple(map(int, re.findall(r"\d+", str(text))[:2]))
    if version >= _OLDEST:
        return Finding("ok", "version", f"{name} {text}")
    return Finding("fault", "version", f"{name} {text}", "use Redis 7.0 or later")


def _memory(info: Mapping[str, Any]) -> Finding:
    used, most = int(info.get("used_memory", 0)), int(info.get("maxmemory", 0) or 0)
    told = f"{used / 1e6:,.1f} MB used"
    if not most:
        return Finding("ok", "memory", f"{told}, no limit set")
    told += f" of {most / 1e6:,.1f} MB"
    if used < _MUCH * most:
        return Finding("ok", "memory", told)
    level: Level = "fault" if used >= _TOO_MUCH * most else "warning"
    advice = "raise maxmemory: sending stops when it is full"
    return Finding(level, "memory", told, advice)


def _clock(skew: float) -> Finding:
    if abs(skew) <= _SKEW_S:
        return Finding("ok", "clock", "this machine's and that of Redis agree")
    side = "ahead" if skew > 0 else "behind"
    found = f"the clock of Redis is {abs(skew):,.1f} s {side}"
    return Finding("warning", "clock", found, "set both by NTP: schedules go by Redis")
