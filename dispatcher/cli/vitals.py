"""Signs of life in Redis: reads them, judges nothing, changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from dispatcher.cli.findings_redis import RedisFacts
from dispatcher.embedded import ledger_address, redis_address
from dispatcher.ledger import sentinel
from dispatcher.ledger.calls import HEARTBEAT_MS
from dispatcher.ledger.connection import connect, facts_of, faults
from dispatcher.ledger.keys import CELERY_PREFIX, key
from dispatcher.queue import QUEUE
from dispatcher.settings import Settings


@dataclass(frozen=True, slots=True)
class Crew:
    """Who could send, and what waits for them.

    Attributes:
        children: Worker processes whose heart beats.
        at_work: Those of them in a shift.
        ready: Campaigns with something to send now.
        callbacks: Callbacks that are stored and not yet applied.
        receiving: Whether somebody applies them.
        wake_ups: Celery messages that wait in the broker's queue.
    """

    children: int
    at_work: int
    ready: int
    callbacks: int
    receiving: bool
    wake_ups: int


def crew(settings: Settings) -> Crew:
    """Look at workers and queues.

    Raises:
        ConfigError: No Redis is set, and no embedded server runs.
        LedgerError: Redis cannot serve.
    """
    ledger = ledger_address(settings)
    return Crew(*_ledger(ledger), wake_ups=_waiting(redis_address(settings)))


def _ledger(url: str) -> tuple[int, int, int, int, bool]:
    with faults(), connect(url) as client:
        seconds, micros = _any(client.time())
        alive = f"({seconds * 1000 + micros // 1000 - HEARTBEAT_MS}"
        pipe = client.pipeline(transaction=False)
        pipe.zcount(key("children"), alive, "+inf")
        pipe.zcount(key("shifts"), alive, "+inf")
        pipe.zcard(key("ready"))
        pipe.llen(key("inbox"))
        pipe.exists(key("applier"))
        children, at_work, ready, callbacks, receiving = pipe.execute()
    return children, at_work, ready, callbacks, bool(receiving)


def _waiting(url: str) -> int:
    with faults(), connect(url) as client:
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
