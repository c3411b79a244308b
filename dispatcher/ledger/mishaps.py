"""The latest errors of a campaign, as settle.lua notes them: few. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mishap:
    """What a worker was told instead of an acceptance.

    Attributes:
        at: When it was recorded, ms since the epoch.
        group: The group's number.
        verdict: failed, retry or unknown: what followed at first.
        code: The error code.
    """

    at: float
    group: int
    verdict: str
    code: str


def mishaps(raw: Iterable[bytes]) -> Iterator[Mishap]:
    """Read the list as Redis returns it."""
    for line in raw:
        at, group, verdict, code = line.decode().split("|", 3)
        yield Mishap(float(at), int(group), verdict, code)
