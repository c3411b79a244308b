"""Fixtures of all tests: one real server, and a ledger on it with a clock to turn."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from dispatcher.embedded import EmbeddedServer
from dispatcher.ledger.connection import ledger_url
from tests.bench import Bench

# How long an example takes tells of the machine, which may be busy. CI asks the same
# questions every time; new ones are for people to find.
hypothesis_settings.register_profile(
    "ours",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=bool(os.environ.get("CI")),
)
hypothesis_settings.load_profile("ours")


#: Names another server for the ledger's tests, which is flushed: a Redis 7.0, say.
ADDRESS = "TEST_REDIS_URL"


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """The address of a real server; nothing is asked of the disk, which is slow."""
    if url := os.environ.get(ADDRESS):
        yield _hasty(url)
        return
    with (
        tempfile.TemporaryDirectory() as directory,
        EmbeddedServer(Path(directory)) as server,
    ):
        yield _hasty(server.url)


def _hasty(url: str) -> str:
    with redis.Redis.from_url(ledger_url(url)) as client:
        client.config_set("appendfsync", "no")
    return url


@pytest.fixture
def bench(server_url: str) -> Iterator[Bench]:
    """An empty ledger, a clock that only a test moves, and short ways to use both."""
    with Bench(server_url) as made:
        yield made


@pytest.fixture
def configure(bench: Bench) -> Iterator[Callable[..., None]]:
    """Changes settings of the server, which has its own again after the test."""
    before: dict[str, str] = {}

    def change(**settings: str) -> None:
        for name, value in settings.items():
            setting = name.replace("_", "-")
            before.setdefault(setting, bench.redis.config_get(setting)[setting])
            bench.redis.config_set(setting, value)

    yield change
    for setting, value in before.items():
        bench.redis.config_set(setting, value)
