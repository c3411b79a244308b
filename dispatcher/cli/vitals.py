"""Signs of life in Redis: reads them, judges nothing, changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from dispatcher.cli.findings_redis import RedisFacts
from dispatcher.embedded import redis_address
from dispatcher.ledger import sentinel
from dispatcher.ledger.connection import connect, facts_of, faults
from dispatcher.ledger.keys import CELERY_PREFIX
from dispatcher.queue import QUEUE
from dispatcher.settings import Settings


def wake_ups(settings: Settings) -> int:
    """Celery messages that wait in the broker's queue.

    Raises:
        ConfigError: No Redis is set, and no embedded server runs.
        LedgerError: Redis cannot serve.
    """
    with faults(), connect(redis_address(settings)) as client:
        return int(_any(client.llen(CELERY_PREFIX + QUEUE)))


def inspect(url: str, clock: Callable[[], float]) -> RedisFacts:
    """What a server says about itself.

    Args:
        url: Where it is.
        clock: This machine's, in seconds since the epoch.

    Raises:
        LedgerError: It does not answer.
    """
    with faults(), connect(url) as client:
        client.ping()
        before = clock()
        seconds, micros = _any(client.time())
        middle = (before + clock()) / 2
        return RedisFacts(facts_of(client), seconds + micros / 1e6 - middle)


def _any(reply: Any) -> Any:  # noqa: ANN401 - redis-py types both of its clients at once
    return reply


def plain_address(url: str) -> str:
    """An address without user, password and whatever else it may hold."""
    if sentinel.is_watched(url):
        return sentinel.parse(url).plain()
    parts = urlsplit(url)
    if not parts.hostname or parts.scheme in ("unix", "redis+socket"):
        return f"{parts.scheme}://{parts.path}"
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}"
