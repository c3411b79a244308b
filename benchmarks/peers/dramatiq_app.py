"""The job on dramatiq: an actor per group in threads, its result stored.

    dramatiq benchmarks.peers.dramatiq_app

dramatiq acknowledges a message when its actor is done.
"""

from __future__ import annotations

from threading import local

import dramatiq
import httpx
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

from benchmarks.harness import job

_broker = RedisBroker(url=job.redis_url())
_broker.add_middleware(Results(backend=RedisBackend(url=job.redis_url())))
dramatiq.set_broker(_broker)
_kept = local()


def client() -> httpx.Client:
    """One for each thread: they wait for each other on a shared one."""
    if not hasattr(_kept, "client"):
        _kept.client = httpx.Client(headers=job.headers())
    found: httpx.Client = _kept.client
    return found


@dramatiq.actor(store_results=True, max_retries=3)
def send(body: job.Body) -> str:
    """Send one group; its message id is the result."""
    answer = client().post(job.url(), json=body)
    answer.raise_for_status()
    return str(answer.json()["id"])


def enqueue(bodies: list[job.Body]) -> None:
    """One message a group."""
    for body in bodies:
        send.send(body)
