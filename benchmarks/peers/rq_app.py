"""The job on rq: one job per group, workers that do not fork for each.

    rq worker-pool --worker-class rq.worker.SimpleWorker

Its documentation names `SimpleWorker` where a fork for each job costs too much, and
`enqueue_many` for many jobs. A job stays in a registry until it is done; one whose
worker died is found there.
"""

from __future__ import annotations

from functools import cache
from itertools import islice

import httpx
from redis import Redis
from rq import Queue

from benchmarks.harness import job

#: Jobs put into the queue in one pipeline.
_TOGETHER = 100


@cache
def client() -> httpx.Client:
    """One for each process: connections are kept."""
    return httpx.Client(headers=job.headers())


def send(body: job.Body) -> str:
    """Send one group; its message id is the result."""
    answer = client().post(job.url(), json=body)
    answer.raise_for_status()
    return str(answer.json()["id"])


def enqueue(bodies: list[job.Body]) -> None:
    """One job a group."""
    queue = Queue(connection=Redis.from_url(job.redis_url()))
    jobs = (Queue.prepare_data(send, [body]) for body in bodies)
    while some := list(islice(jobs, _TOGETHER)):
        queue.enqueue_many(some)
