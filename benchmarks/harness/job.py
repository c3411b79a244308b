"""The one job that everybody does: a group of ten, one send call, its id kept.

The body is the one that our worker sends, byte for byte but for the numbers of the
tag, so that nobody has less to write, to store or to parse. It never sends anything.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from typing import Any, Final

#: Recipients of a group: the most that the call takes.
SIZE: Final = 10
SENDER: Final = "+19195551212"
TEXT: Final = "Doors open at 6 pm, says the benchmark."
TAG: Final = "open-house"
ACCOUNT: Final = "5555555"
USERNAME: Final = "user"
PASSWORD: Final = "pass-word"  # noqa: S105 - of a provider that is not there
APPLICATION: Final = "93de2206-9669-4e07-948d-329f4b722ee2"

#: Where the processes under test find what they need.
REDIS: Final = "BENCH_REDIS"
PROVIDER: Final = "BENCH_PROVIDER"

Body = dict[str, Any]


def numbers(count: int, start: int = 0) -> Iterator[str]:
    """So many different numbers that could exist."""
    for i in range(start, start + count):
        yield f"+1{201 + i // 7_000_000}{2_000_000 + i % 7_000_000}"


def body(group: int) -> Body:
    """The JSON of one send call."""
    return {
        "applicationId": APPLICATION,
        "from": SENDER,
        "to": list(numbers(SIZE, group * SIZE)),
        "text": TEXT,
        "tag": f"0f1e2d3c4b.{group}.1.{TAG}",
    }


def headers() -> dict[str, str]:
    """What goes with each call; made once, as a good client does."""
    login = base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
    return {
        "Authorization": f"Basic {login}",
        "Content-Type": "application/json",
        "Accept": "application/json",
    }


def redis_url() -> str:
    """Address of the Redis that all contenders share, as redis-py wants it."""
    return os.environ[REDIS]


def url() -> str:
    """Where the send call goes."""
    return f"{os.environ[PROVIDER]}/users/{ACCOUNT}/messages"
