"""Whether a Redis can be trusted with the ledger: facts in, remarks out. No I/O.

Refused is a server that loses campaigns in everyday operation: when it is restarted, or
when its memory is full. Warned of is one that loses its last moments in a crash: living
workers notice that (see identity.py). The one place for it: the worker, `submit` and
`dispatcher doctor` all ask here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

Level = Literal["ok", "warning", "fault"]

#: How a user insists on an unsafe server.
INSIST: Final = "set DISPATCHER_ALLOW_UNSAFE_REDIS=1"
#: What CONFIG GET is asked for; managed servers forbid it.
ASKED: Final = ("appendfsync", "save")
#: Lost, and sent again, when a crash takes the last writes.
_AGAIN: Final = "groups sent in that time would be sent again"


@dataclass(frozen=True, slots=True)
class Facts:
    """What a server says about itself.

    Attributes:
        info: The answer to INFO.
        config: The answer to CONFIG GET `ASKED`; None where that is forbidden.
    """

    info: Mapping[str, Any]
    config: Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing looked at.

    Attributes:
        check: What was looked at.
        found: What is so.
        advice: What to do; empty if nothing is to be done.
    """

    level: Level
    check: str
    found: str
    advice: str = ""

    def __str__(self) -> str:
        """One line."""
        return f"{self.found}; {self.advice}"


def role(info: Mapping[str, Any]) -> Remark:
    """Whether it can be the ledger at all."""
    if info.get("cluster_enabled"):
        advice = "use one primary: Redis Cluster cannot hold the ledger"
        return Remark("fault", "role", "a node of a cluster", advice)
    if info.get("role") == "slave":
        advice = "name its primary in DISPATCHER_REDIS_URL"
        return Remark("fault", "role", "this Redis is a read-only replica", advice)
    return Remark("ok", "role", "a primary")


def safety(facts: Facts) -> Iterator[Remark]:
    """Whether it keeps what it is told."""
    yield _durability(facts)
    yield _eviction(facts.info)


def _durability(facts: Facts) -> Remark:
    if not facts.info.get("aof_enabled"):
        return _without_file(facts.config)
    check = "durability"
    if facts.config is None:
        advice = "make sure yourself that appendfsync is always"
        return Remark("warning", check, "appendonly yes; more is not shown", advice)
    fsync = facts.config.get("appendfsync", "?")
    if fsync == "always":
        return Remark("ok", check, "every write is on disk before its answer")
    lost = "two seconds" if fsync == "everysec" else "half minute"
    found = f"appendfsync {fsync}: a crash may take the last {lost}; {_AGAIN}"
    return Remark("warning", check, found, "set appendfsync always")


def _without_file(config: Mapping[str, str] | None) -> Remark:
    check, advice = "durability", "set appendonly yes and appendfsync always"
    if config is not None and not config.get("save"):
        found = "this Redis keeps nothing: its next restart loses every campaign"
        return Remark("fault", check, found, advice)
    found = f"appendonly no: a crash takes all since the last snapshot; {_AGAIN}"
    return Remark("warning", check, found, advice)


def _eviction(info: Mapping[str, Any]) -> Remark:
    check, advice = "eviction", "set maxmemory-policy noeviction"
    policy = info.get("maxmemory_policy")
    if policy == "noeviction":
        return Remark("ok", check, "noeviction")
    if policy is None:
        return Remark("warning", check, "what it does when full is not shown", advice)
    found = f"maxmemory-policy {policy}: parts of the ledger vanish when memory is full"
    return Remark("fault", check, found, advice)
