"""The job on taskiq: an async task per group, Redis streams, result in Redis.

    taskiq worker benchmarks.peers.taskiq_app:broker

The stream broker is the one that acknowledges; by default it does so when the result
is saved. `BENCH_CLIENT=aiohttp` sends with aiohttp instead of httpx.
"""

from __future__ import annotations

import asyncio
import os

import aiohttp
import httpx
from taskiq import TaskiqEvents, TaskiqState
from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker

from benchmarks.harness import job

#: Messages that are put into the queue side by side.
_SIDE_BY_SIDE = 50

broker = RedisStreamBroker(url=job.redis_url()).with_result_backend(
    RedisAsyncResultBackend(redis_url=job.redis_url(), result_ex_time=3600)
)


async def _with_httpx(body: job.Body) -> str:
    answer = await broker.state.client.post(job.url(), json=body)
    answer.raise_for_status()
    return str(answer.json()["id"])


async def _with_aiohttp(body: job.Body) -> str:
    async with broker.state.client.post(job.url(), json=body) as answer:
        answer.raise_for_status()
        return str((await answer.json())["id"])


_AIOHTTP = os.environ.get("BENCH_CLIENT") == "aiohttp"
_post = _with_aiohttp if _AIOHTTP else _with_httpx


@broker.on_event(TaskiqEvents.WORKER_STARTUP)
async def startup(state: TaskiqState) -> None:
    """One client for each process: connections are kept."""
    maker = aiohttp.ClientSession if _AIOHTTP else httpx.AsyncClient
    state.client = maker(headers=job.headers())


@broker.task
async def send(body: job.Body) -> str:
    """Send one group; its message id is the result."""
    return await _post(body)


def enqueue(bodies: list[job.Body]) -> None:
    """One message a group."""
    asyncio.run(_enqueue(bodies))


async def _enqueue(bodies: list[job.Body]) -> None:
    await broker.startup()
    for first in range(0, len(bodies), _SIDE_BY_SIDE):
        some = bodies[first : first + _SIDE_BY_SIDE]
        await asyncio.gather(*[send.kiq(body) for body in some])
    await broker.shutdown()
