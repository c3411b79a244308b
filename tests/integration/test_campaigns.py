"""Whole campaigns through real workers, with the provider's record as witness."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dispatcher import Campaign, ContentConflict
from tests.stack import SENDER, TEXT, Stack, eventually, numbers, worst_window

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

FAULTS = ("429=0.02", "500=0.02", "refuse=0.02")


@pytest.fixture
def debian_redis(tmp_path: Path) -> Iterator[str]:
    """Address of a redis-server as Debian ships it, set up as the README says."""
    program = shutil.which("redis-server")
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("redis-server is not installed")
        pytest.skip("redis-server is not installed")
    socket = tmp_path / "debian.sock"
    process = subprocess.Popen(
        [
            *(program, "--port", "0", "--unixsocket", str(socket), "--save", ""),
            *("--dir", str(tmp_path), "--appendonly", "yes"),
            *("--appendfsync", "always", "--maxmemory-policy", "noeviction"),
        ],
        stdout=subprocess.DEVNULL,
    )
    eventually(socket.exists, 10, "redis-server listens")
    yield f"unix://{socket}?db=0"
    process.terminate()
    process.wait(10)


def _assert_each_group_once(stack: Stack, count: int) -> None:
    run = stack.submit(count)
    stack.worker()
    stack.worker()
    done = run.wait(timeout=150)
    witness = stack.witness(run)
    assert (done.state, done.counts["accepted"]) == ("done", count // 10)
    assert (witness.doubled, witness.missing, witness.foreign) == (0, [], 0)
    assert witness.misbooked == []
    assert run.verify().differences == []


def test_each_group_is_sent_once_despite_faults(tmp_path: Path) -> None:
    """100,000 people, two workers, 2 % each of 429, 500 and refused connections."""
    with Stack(tmp_path, latency_ms=50, faults=FAULTS) as stack:
        _assert_each_group_once(stack, 100_000)


def test_each_group_is_sent_once_on_debians_redis(
    tmp_path: Path, debian_redis: str
) -> None:
    """The same on the oldest server that is supported."""
    with Stack(tmp_path, latency_ms=50, faults=FAULTS, redis_url=debian_redis) as stack:
        _assert_each_group_once(stack, 20_000)


@pytest.mark.parametrize(("rate", "count"), [(400, 6000), (20, 300)])
def test_rate_is_never_exceeded(tmp_path: Path, rate: int, count: int) -> None:
    """In no window does the provider see more than rate x t + one second + a group."""
    with Stack(tmp_path, rate=str(rate)) as stack:
        run = stack.submit(count)
        stack.worker()
        stack.worker()
        run.wait(timeout=90)
        assert worst_window(stack, rate) <= rate + 10


def test_submitting_again_changes_nothing(tmp_path: Path) -> None:
    """The same id and content again, also several at once: each group once."""
    with Stack(tmp_path) as stack, ThreadPoolExecutor(4) as pool:
        clients = [stack.client() for _ in range(4)]
        campaign = Campaign(sender=SENDER, text=TEXT)

        def submit(client: int) -> bool:
            run = clients[client].submit(campaign, numbers(3000), id="same")
            assert run.submission is not None
            return run.submission.existing

        existing = list(pool.map(submit, range(4)))
        assert sorted(existing) == [False, True, True, True]
        run = stack.dispatcher.submit(campaign, numbers(3000), id="same")
        assert run.submission is not None
        assert run.submission.existing
        stack.worker()
        run.wait(timeout=60)
        assert stack.witness(run).doubled == 0
        with pytest.raises(ContentConflict):
            stack.dispatcher.submit(campaign, numbers(2999), id="same")
        for client in clients:
            client.close()


def test_a_killed_submit_is_simply_repeated(tmp_path: Path) -> None:
    """A client that died half-way leaves nothing that is sent."""
    with Stack(tmp_path) as stack:
        stack.worker()
        reader, writer = os.pipe()
        client = subprocess.Popen(
            [
                *(sys.executable, "-m", "dispatcher", "submit", "-", "--id", "test"),
                *("--sender", SENDER, "--text", TEXT),
            ],
            env={**os.environ, **stack.env},
            stdin=reader,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(reader)
        half = "".join(f"{number}\n" for number in numbers(20_000)).encode()
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(half)
            pipe.flush()
            client.kill()
            client.wait()
        assert stack.dispatcher.campaign("test").progress().state == "loading"
        run = stack.submit(30_000)
        run.wait(timeout=60)
        witness = stack.witness(run)
        assert (witness.doubled, witness.missing, witness.foreign) == (0, [], 0)
