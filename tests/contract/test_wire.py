"""What may come over the broker: JSON only, and nothing stops a worker."""

from __future__ import annotations

import base64
import json
import pickle
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery
from celery.contrib.testing.worker import start_worker
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dispatcher.ledger.connection import ledger_url
from dispatcher.ledger.keys import CELERY_PREFIX
from dispatcher.queue import QUEUE, SEND_GROUPS, make_app, publish_wake_up
from tests.stack import eventually
from workers import tasks
from workers.consumer import Consumer
from workers.shifts import Report

#: Celery itself uses what redis-py calls deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated:DeprecationWarning")

LIST = f"{CELERY_PREFIX}{QUEUE}"
SECRET = "s3cret-of-the-broker"


class Touch:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self.path,)


@pytest.fixture
def client(server_url: str) -> Iterator[redis.Redis]:
    """A database for Celery alone, empty before and after."""
    with redis.Redis.from_url(ledger_url(server_url.replace("db=0", "db=7"))) as client:
        client.flushdb()
        yield client
        client.flushdb()


@contextmanager
def working(url: str) -> Iterator[tuple[Celery, threading.Semaphore]]:
    """A real worker in a thread, and a count of its shifts."""
    app, ran = make_app(url), threading.Semaphore(0)

    def shift() -> tuple[Report, bool]:
        ran.release()
        return {}, False

    tasks.register(app, shift)
    app.conf.worker_consumer = Consumer
    with start_worker(app, pool="solo", perform_ping_check=False):
        yield app, ran
    app.close()


def message(body: bytes, **changes: object) -> str:
    """A wake-up as it stands in the queue, with another body and other properties."""
    whole: dict[str, Any] = {
        "body": base64.b64encode(body).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"task": SEND_GROUPS, "id": str(uuid.uuid4()), "lang": "py"},
        "properties": {
            "body_encoding": "base64",
            "delivery_info": {"exchange": "", "routing_key": QUEUE},
            "delivery_tag": str(uuid.uuid4()),
        },
    }
    return json.dumps(whole | changes)


def test_a_pickle_is_refused(
    server_url: str, client: redis.Redis, tmp_path: Path
) -> None:
    """A message cannot run code; the worker goes on with the next one."""
    trap = tmp_path / "made"
    kinds = ("application/x-python-serialize", "pickle", "application/x-yaml")
    for kind in kinds:
        body = pickle.dumps([[Touch(trap)], {}, {}])
        client.lpush(LIST, message(body, **{"content-type": kind}))
    with working(server_url.replace("db=0", "db=7")) as (app, ran):
        publish_wake_up(app)
        assert ran.acquire(timeout=30)
    assert not trap.exists()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=5,
)
HEADERS = st.dictionaries(
    st.sampled_from(["task", "id", "lang", "eta", "expires", "retries", "timelimit"]),
    JSON | st.just(SEND_GROUPS),
)
BODIES = st.binary(max_size=40) | JSON.map(lambda value: json.dumps(value).encode())


def test_no_message_stops_a_worker(server_url: str, client: redis.Redis) -> None:
    """Any body and headers: the next wake-up is a shift all the same."""
    with working(server_url.replace("db=0", "db=7")) as (app, ran):

        @settings(
            max_examples=60, deadline=None, suppress_health_check=list(HealthCheck)
        )
        @given(BODIES, HEADERS)
        def play(body: bytes, headers: dict[str, Any]) -> None:
            client.lpush(LIST, message(body, headers=headers))

        play()
        eventually(lambda: not client.llen(LIST), 60, "all messages are taken")
        while ran.acquire(timeout=1):
            pass  # what was drawn may have been a wake-up, too
        publish_wake_up(app)
        assert ran.acquire(timeout=30)


def test_what_celery_tells_of_a_worker(server_url: str, client: redis.Redis) -> None:
    """Statistics, report and settings: none shows the broker's password."""
    login = server_url.replace("db=0", "db=7").replace("://", f"://:{SECRET}@")
    client.config_set("requirepass", SECRET)
    try:
        with working(login) as (app, _):
            asked = app.control.inspect(timeout=10)
            told = [asked.stats(), asked.report(), asked.conf()]
    finally:
        client.config_set("requirepass", "")
    assert all(told)
    assert SECRET not in str(told)
