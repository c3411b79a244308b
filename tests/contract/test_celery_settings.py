"""What the Celery settings come to on a real server: one message, and nothing else."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from celery import Celery
from celery.contrib.testing.worker import start_worker

from dispatcher.ledger.connection import ledger_url
from dispatcher.ledger.keys import CELERY_PREFIX, key
from dispatcher.queue import QUEUE, SEND_GROUPS, make_app, publish_wake_up
from dispatcher.settings import Settings
from workers import tasks
from workers.child import Child
from workers.shifts import Report

#: Celery itself uses what redis-py calls deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated:DeprecationWarning")

#: Where Celery keeps the waiting messages.
LIST = f"{CELERY_PREFIX}{QUEUE}"


@pytest.fixture
def url(server_url: str) -> Iterator[str]:
    """A database of the server for Celery alone, empty before and after."""
    url = server_url.replace("db=0", "db=7") if "db=0" in server_url else server_url
    with redis.Redis.from_url(ledger_url(url)) as client:
        client.flushdb()
        yield url
        client.flushdb()


@pytest.fixture
def client(url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(ledger_url(url)) as client:
        yield client


@pytest.fixture
def app(url: str) -> Iterator[Celery]:
    app = make_app(url)
    yield app
    app.close()


def waiting(client: redis.Redis) -> list[dict[str, Any]]:
    raw: Any = client.lrange(LIST, 0, -1)
    return [json.loads(message) for message in raw]


def test_one_wake_up_is_one_message(app: Celery, client: redis.Redis) -> None:
    """In the one queue, under our prefix, and nothing else but its binding."""
    publish_wake_up(app)
    assert len(waiting(client)) == 1
    names = {name.decode() for name in client.scan_iter("*")}
    assert LIST in names
    assert all(name.startswith(CELERY_PREFIX) for name in names)
    rest = {name.removeprefix(CELERY_PREFIX) for name in names - {LIST}}
    assert all(name.startswith("_kombu.binding") for name in rest)


def test_a_message_carries_nothing(app: Celery, client: redis.Redis) -> None:
    """No argument, nothing to show of one, no delay, no result asked for."""
    publish_wake_up(app)
    (message,) = waiting(client)
    args, kwargs, embed = json.loads(base64.b64decode(message["body"]))
    assert (args, kwargs) == ([], {})
    assert not any(embed.values())
    headers = message["headers"]
    assert headers["task"] == SEND_GROUPS
    assert headers["ignore_result"] is True
    for name in ("argsrepr", "kwargsrepr"):
        assert headers[name] == ""
    for name in ("eta", "expires", "shadow", "group"):
        assert headers[name] is None


def test_publishing_subscribes_to_nothing(app: Celery, client: redis.Redis) -> None:
    """A result nobody wants would cost a subscription for each wake-up."""
    for _ in range(3):
        publish_wake_up(app)
    channels: Any = client.pubsub_channels("*")
    assert [name for name in channels if b"task-meta" in name] == []
    assert list(client.scan_iter("*task-meta*")) == []


def test_the_queue_is_declared_once_and_consumed(app: Celery) -> None:
    """A worker of this application listens to the queue that is published to."""
    assert list(app.amqp.queues.consume_from) == [QUEUE]
    assert app.amqp.router.route({}, SEND_GROUPS)["queue"].name == QUEUE


def test_a_worker_runs_a_shift_for_each_message(
    app: Celery, client: redis.Redis
) -> None:
    """Published, consumed, acknowledged; no result is stored, and no message left."""
    ran = threading.Semaphore(0)

    def shift() -> tuple[Report, bool]:
        ran.release()
        return {}, False

    tasks.register(app, shift)
    publish_wake_up(app)
    publish_wake_up(app)
    with start_worker(app, pool="solo", perform_ping_check=False):
        assert ran.acquire(timeout=20)
        assert ran.acquire(timeout=20)
    assert not ran.acquire(blocking=False)
    assert waiting(client) == []
    assert client.exists(f"{CELERY_PREFIX}unacked") == 0
    assert list(client.scan_iter("*task-meta*")) == []


def test_a_failed_shift_leaves_a_trace(app: Celery, client: redis.Redis) -> None:
    """The error is stored though results are not, for an hour, under our prefix."""
    ran = threading.Semaphore(0)

    def shift() -> tuple[Report, bool]:
        ran.release()
        raise LookupError("no such thing")

    tasks.register(app, shift)
    publish_wake_up(app)
    with start_worker(app, pool="solo", perform_ping_check=False):
        assert ran.acquire(timeout=20)
    (name,) = client.scan_iter("*task-meta*")
    assert name.startswith(CELERY_PREFIX.encode())
    ttl: Any = client.ttl(name)
    assert 3500 < ttl <= 3600
    assert b"LookupError" in (client.get(name) or b"")


def test_a_child_lives_and_ends(app: Celery, url: str, client: redis.Redis) -> None:
    """It runs a shift, gives a sign of life, and leaves no thread and no lease."""
    settings = Settings.load(
        redis_url=url, account_id="1", username="u", password="p", account_rate=None
    )
    child = Child(settings, url, app)
    assert child.shift() == ({}, False)
    assert client.zscore(key("children"), child.name) is not None
    assert client.zscore(key("shifts"), child.name) is None
    child.close()
    child._thread.join(5)
    child._clock.join(5)
    assert not child._thread.is_alive()
    assert not child._clock.is_alive()
    assert client.zcard(key("leases")) == 0
