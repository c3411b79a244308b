"""`dispatcher serve` as a process: who it lets in, what it says, how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from dispatcher.settings import Settings
from tests.integration.program import Program

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

EVENT = {"type": "message-delivered", "to": "+19195551201"}
CREDENTIALS = {
    "DISPATCHER_CALLBACK_USERNAME": "bandwidth",
    "DISPATCHER_CALLBACK_PASSWORD": "let,me:in",
}
AUTH = ("bandwidth", "let,me:in")


@pytest.fixture
def program(server_url: str, tmp_path: Path) -> Program:
    """Commands with a Redis and without any other setting."""
    known = {str(field.alias) for field in Settings.model_fields.values()}
    environment = {n: v for n, v in os.environ.items() if n not in known}
    here = {"DISPATCHER_REDIS_URL": server_url, "DISPATCHER_DATA_DIR": str(tmp_path)}
    return Program({**environment, **here, "DISPATCHER_LOG_LEVEL": "debug"})


@contextmanager
def serve(
    program: Program, *flags: str
) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
    """One on a free port, and a client of it; ended if it still runs."""
    with program.start("serve", "--port", "0", *flags) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().removeprefix("callbacks: ").strip()
            with httpx.Client(base_url=address.removesuffix("/callbacks")) as client:
                yield process, client
        finally:
            if process.poll() is None:
                process.kill()


def test_it_takes_callbacks_and_ends_when_asked(program: Program) -> None:
    """On this machine without credentials; SIGTERM is an orderly end, and it is."""
    with serve(program) as (process, client):
        assert client.post("/callbacks", json=[EVENT]).status_code == 202
        assert client.post("/callbacks", json="no").status_code == 400
        assert client.get("/healthz").text == "ok\n"
        # Not from `communicate`: it does not see what came with the first line.
        assert process.stdout is not None
        assert process.stdout.readline().startswith("pages: http://127.0.0.1:")
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (0, "")
    told = {entry["event"]: entry for entry in map(json.loads, err.splitlines())}
    # The server of these tests asks nothing of the disk, which is told.
    expected = {"callback.refused", "callbacks.applied", "redis.unsafe"}
    assert set(told) <= expected
    assert told["callback.refused"]["length"] == 4


def test_open_to_others_while_redis_is_away(program: Program) -> None:
    """It asks for credentials and starts; the provider is told to come again."""
    more = {**CREDENTIALS, "DISPATCHER_REDIS_URL": "redis://127.0.0.1:1/0"}
    asking = Program({**program.environment, **more})
    with serve(asking, "--host", "0.0.0.0") as (_, client):
        assert client.get("/healthz").status_code == 503
        assert client.post("/callbacks", json=[EVENT]).status_code == 401
        answer = client.post("/callbacks", json=[EVENT], auth=AUTH)
        assert answer.status_code == 503
