"""What `dispatcher doctor` finds about a Redis. No I/O, nothing private."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from dispatcher.cli.findings import Finding, Level

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
        info: The answer to INFO.
        config: The answer to CONFIG GET; None where that is forbidden.
        skew: Seconds by which its clock is ahead of this machine's.
    """

    info: Mapping[str, Any]
    config: Mapping[str, str] | None
    skew: float


def examine_redis(facts: RedisFacts) -> Iterator[Finding]:
    """Whether a server can be the ledger, and how safe that is."""
    yield _version(facts.info)
    yield from _role(facts.info)
    yield _durability(facts)
    yield _eviction(facts)
    yield _memory(facts.info)
    yield _clock(facts.skew)


def _version(info: Mapping[str, Any]) -> Finding:
    own = info.get("valkey_version")
    name, text = ("Valkey", own) if own else ("Redis", info.get("redis_version", "?"))
    version = tuple(map(int, re.findall(r"\d+", str(text))[:2]))
    if version >= _OLDEST:
        return Finding("ok", "version", f"{name} {text}")
    return Finding("fault", "version", f"{name} {text}", "use Redis 7.0 or later")


def _role(info: Mapping[str, Any]) -> Iterator[Finding]:
    if info.get("cluster_enabled"):
        advice = "use one primary: a cluster cannot hold the ledger"
        yield Finding("fault", "role", "a node of a cluster", advice)
    if info.get("role") == "slave":
        advice = "name its primary in DISPATCHER_REDIS_URL"
        yield Finding("fault", "role", "a read-only replica", advice)
    elif not info.get("cluster_enabled"):
        yield Finding("ok", "role", "a primary")


def _durability(facts: RedisFacts) -> Finding:
    check = "durability"
    if not facts.info.get("aof_enabled"):
        return Finding(
            "warning",
            check,
            "appendonly no: a crash takes all since the last snapshot; groups sent "
            "since then would be sent again",
            "set appendonly yes and appendfsync always",
        )
    if facts.config is None:
        advice = "make sure yourself that appendfsync is always"
        return Finding("warning", check, "appendonly yes; more is not shown", advice)
    fsync = facts.config.get("appendfsync", "?")
    if fsync == "always":
        return Finding("ok", check, "every write is on disk before its answer")
    return Finding(
        "warning",
        check,
        f"appendfsync {fsync}: a crash of its machine takes the last second or more; "
        "groups sent in it would be sent again",
        "set appendfsync always",
    )


def _eviction(facts: RedisFacts) -> Finding:
    policy = facts.info.get("maxmemory_policy", "?")
    if policy == "noeviction":
        return Finding("ok", "eviction", "noeviction")
    level: Level = "fault" if facts.info.get("maxmemory") else "warning"
    found = f"maxmemory-policy {policy}: parts of the ledger vanish when memory is full"
    return Finding(level, "eviction", found, "set maxmemory-policy noeviction")


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
