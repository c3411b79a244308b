"""What a worker looks at before it starts, on a real server."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from dispatcher import logs
from dispatcher.queue import make_app
from dispatcher.settings import Settings
from tests.bench import Bench
from workers.app import Engine

#: A server that keeps nothing, and may evict.
UNFIT = {"appendonly": "no", "save": "", "maxmemory_policy": "allkeys-lru"}
FIT = {"appendonly": "yes", "appendfsync": "always", "maxmemory_policy": "noeviction"}

Configure = Callable[..., None]


def start(bench: Bench, *, insisted: bool) -> None:
    settings = Settings.load(
        redis_url=bench.url,
        account_id="1",
        username="u",
        password="p",
        allow_unsafe_redis=insisted,
    )
    Engine(make_app(bench.url), settings, bench.url)._check({"pool": "prefork"})


def test_an_unfit_redis_is_refused(bench: Bench, configure: Configure) -> None:
    """The worker ends at once, with one line that says what to set."""
    configure(**UNFIT)
    with pytest.raises(SystemExit) as ended:
        start(bench, insisted=False)
    line = str(ended.value)
    assert line.startswith("dispatcher: this Redis keeps nothing")
    assert "appendonly yes" in line
    assert "noeviction" in line
    assert "\n" not in line


def test_whoever_insists_is_warned(
    bench: Bench, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At each start, of everything that may be lost."""
    monkeypatch.setattr(
        logs, "configure", lambda *_: None
    )  # it would undo capture_logs
    configure(**UNFIT)
    with capture_logs() as told:
        start(bench, insisted=True)
    assert [entry["event"] for entry in told] == ["redis.unsafe"] * 2
    assert {entry["log_level"] for entry in told} == {"warning"}


def test_a_fit_redis_is_not_spoken_of(bench: Bench, configure: Configure) -> None:
    """Nothing is logged of a server that keeps everything."""
    configure(**FIT)
    with capture_logs() as told:
        start(bench, insisted=False)
    assert told == []
