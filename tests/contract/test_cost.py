"""What a group costs, in counts: they are the same on a slow machine and a busy one.

A real crew on a real server; the provider answers at once and within the process, so
that what goes together does so every time. Each bound has room for a tenth more than
was counted and none for one command more a group; lower it when the count falls.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any, Final

import httpx
import pytest
import redis
import redis.connection
import structlog
import uvloop

from dispatcher import Campaign, Dispatcher, Run
from dispatcher.credentials import Credentials
from dispatcher.embedded import EmbeddedServer
from dispatcher.ledger.async_ledger import AsyncLedger
from dispatcher.ledger.connection import ledger_url
from dispatcher.ledger.keys import key
from dispatcher.settings import Settings
from tests.contract.answerer import Answerer, forever
from tests.stack import SENDER, TEXT, numbers
from workers.bandwidth import Bandwidth, Message
from workers.shifts import Crew
from workers.transport import Transport

GROUPS: Final = 2000
RECIPIENTS: Final = GROUPS * 10
#: Requests over one connection.
REQUESTS: Final = 300


class Instant(httpx.AsyncBaseTransport):
    """A provider that takes everything before anybody can wait for it."""

    def __init__(self) -> None:
        self._ids = count(1_790_000_000_000)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.extensions["before_write"]()
        id_ = f"{next(self._ids)}lm4k2je7j7jklbn2"
        return httpx.Response(202, content=b'{"id":"%s"}' % id_.encode())


class Sent:
    """A campaign that was sent, and what that took.

    Attributes:
        calls: Python functions called on the child's loop.
        commands: Of Redis, by name; those that scripts called are among them.
    """

    def __init__(self, url: str, directory: Path) -> None:
        self.settings = _settings(url, directory)
        with Dispatcher(self.settings) as dispatcher:
            self.run = _submit(dispatcher)
            self.server = redis.Redis.from_url(ledger_url(url))
            self.server.config_resetstat()
            self.calls = _counted(lambda: uvloop.run(self._send(url)))
            self.commands = _commands(self.server)
            self.progress = self.run.progress()

    async def _send(self, url: str) -> None:
        ledger = AsyncLedger(url)
        client = Bandwidth.from_settings(self.settings, transport=Instant())
        crew = Crew("child:1:cost", ledger, client, self.settings, lambda: False)
        await crew.shift()
        await crew.close()
        await client.aclose()
        await ledger.aclose()


def _settings(url: str, directory: Path) -> Settings:
    return Settings.load(
        redis_url=url,
        data_dir=directory / "data",
        account_id="5555555",
        username="user",
        password="pass",
        application_id="app",
        account_rate=None,
        base_url="http://127.0.0.1:1",
    )


def _submit(dispatcher: Dispatcher) -> Run:
    campaign = Campaign(sender=SENDER, text=TEXT, tag="cost")
    return dispatcher.submit(campaign, numbers(RECIPIENTS), id="cost")


def _counted(action: Callable[[], object]) -> int:
    """Python functions called on this thread while something is done."""
    calls = 0

    def note(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(note)
    try:
        action()
    finally:
        sys.setprofile(None)
    return calls


def _commands(server: redis.Redis) -> dict[str, int]:
    stats: Any = server.info("commandstats")
    return {n.removeprefix("cmdstat_"): int(s["calls"]) for n, s in stats.items()}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with EmbeddedServer(tmp_path_factory.mktemp("redis")) as server:
        yield server.url


@pytest.fixture(scope="module")
def sent(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sent]:
    """A campaign sent by a child that logs what workers log by default."""
    before = structlog.get_config()
    level = structlog.make_filtering_bound_logger(logging.INFO)
    structlog.configure(wrapper_class=level)
    try:
        yield Sent(url, tmp_path_factory.mktemp("client"))
    finally:
        structlog.configure(**before)


def test_all_was_sent(sent: Sent) -> None:
    assert sent.progress.state == "done"
    assert sent.progress.counts["accepted"] == GROUPS


def test_scripts_called_for_a_group(sent: Sent) -> None:
    """Claims, gates and outcomes of many groups go together: 0.05 scripts each."""
    assert sent.commands["evalsha"] / GROUPS < 0.07


def test_commands_of_redis_for_a_group(sent: Sent) -> None:
    """What clients send and what scripts call, all in one: 0.7."""
    assert sum(sent.commands.values()) / GROUPS < 0.8


def test_functions_called_for_a_group(sent: Sent) -> None:
    """Python's own, from the claim to the outcome, without those of HTTP: 233."""
    assert sent.calls / GROUPS < 260


def test_bytes_of_redis_for_a_recipient(sent: Sent) -> None:
    """Finished, with message ids, and without the locks, which soon go: 10.6."""
    server = sent.server
    kept = [name for name in server.scan_iter() if name != key("locks").encode()]
    bytes_ = sum(server.memory_usage(name, samples=0) or 0 for name in kept)
    assert bytes_ / RECIPIENTS < 11.5


def test_writes_of_a_submission(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 10,000 recipients: chunks go in pipelines, so 14."""
    writes = 0
    connection = redis.connection.AbstractConnection
    send: Any = connection.send_packed_command

    def counting(self: object, command: object, **options: bool) -> None:
        nonlocal writes
        writes += 1
        send(self, command, **options)

    monkeypatch.setattr(connection, "send_packed_command", counting)
    with Dispatcher(_settings(url, tmp_path)) as dispatcher:
        campaign = Campaign(sender=SENDER, text=TEXT)
        dispatcher.submit(campaign, numbers(10_000), id="few")
    assert writes < 18


def test_functions_called_for_a_request() -> None:
    """Python's own, from a message to the outcome, over a real connection: 73."""
    with Answerer(forever) as provider:
        calls = _counted(lambda: uvloop.run(_requests(provider.url)))
    assert calls / REQUESTS < 84


async def _requests(url: str) -> None:
    client = Bandwidth(
        base_url=url,
        credentials=Credentials("5555555", "user", "pass"),
        transport=Transport(size=1),
        deadline=10.0,
    )
    message = Message(
        application_id="app", sender=SENDER, to=tuple(numbers(10)), text=TEXT
    )
    for _ in range(REQUESTS):
        outcome = await client.send(message)
        assert outcome.message_id
    await client.aclose()
