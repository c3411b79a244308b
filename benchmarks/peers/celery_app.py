"""The job as a plain Celery task per group: httpx, acknowledged late, result in Redis.

    celery -A benchmarks.peers.celery_app worker

What the documentation recommends for work that must not get lost: `acks_late` and
`reject_on_worker_lost`, so that a message stays until its task is done.
"""

from __future__ import annotations

from functools import cache

import httpx
from celery import Celery

from benchmarks.harness import job

_SOCKET = job.redis_url().removeprefix("unix://").partition("?")[0]
_ADDRESS = f"redis+socket://{_SOCKET}?virtual_host=0"

app = Celery("peer", broker=_ADDRESS, backend=_ADDRESS)
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=False,
    broker_connection_retry_on_startup=True,
)


@cache
def client() -> httpx.Client:
    """One for each process: connections are kept."""
    return httpx.Client(headers=job.headers())


@app.task
def send(body: job.Body) -> str:
    """Send one group; its message id is the result."""
    answer = client().post(job.url(), json=body)
    answer.raise_for_status()
    return str(answer.json()["id"])


def enqueue(bodies: list[job.Body]) -> None:
    """One message a group."""
    for body in bodies:
        send.delay(body)
