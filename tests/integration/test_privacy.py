"""Promise 6 on a whole system: what leaks is searched for, byte by byte."""

from __future__ import annotations

from pathlib import Path

import pytest
import redis

from dispatcher.ledger.connection import ledger_url
from tests.stack import PASSWORD, SENDER, TEXT, Stack, eventually, numbers

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]


def _everything(client: redis.Redis, pattern: str) -> bytes:
    """Names and contents of all keys that match."""
    names = list(client.scan_iter(pattern, count=1000))
    dumps = [client.dump(name) or b"" for name in names]
    return b"\n".join([*names, *dumps])


def test_nothing_private_outside_the_ledger(tmp_path: Path) -> None:
    """No number, text or credential in Celery's keys and results or in any log."""
    settings = {"DISPATCHER_LOG_LEVEL": "debug"}
    faults = ["500=0.1", "429=0.1", "drop-after=0.05", "hang=0.01", "502=0.05"]
    with Stack(tmp_path, faults=faults, settings=settings) as stack:
        run = stack.submit(500)
        stack.worker()
        eventually(lambda: run.progress().settled >= 40, 60, "40 groups are settled")
        client = redis.Redis.from_url(ledger_url(stack.env["DISPATCHER_REDIS_URL"]))
        run.pause()
        celery = _everything(client, "dispatcher:celery:*")
        haystack = celery.decode("latin-1") + stack.logs()
        secrets = [TEXT, PASSWORD, SENDER[1:], *(n[1:] for n in numbers(500))]
        assert "send.ended" in haystack
        assert [secret for secret in secrets if secret in haystack] == []
        client.close()
