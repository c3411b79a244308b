"""`rediss://` to a real server: the certificate is checked by everything we open."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis
from kombu import pools

from dispatcher.errors import LedgerUnreachable
from dispatcher.ledger import calls
from dispatcher.ledger.async_ledger import AsyncLedger
from dispatcher.ledger.ledger import Ledger
from dispatcher.queue import make_app, publish_wake_up
from tests.contract.tls import COMMAND
from tests.faults import debian_server, free_port
from tests.stack import eventually


@dataclass(frozen=True)
class Server:
    """A server that speaks TLS only, as `localhost`."""

    port: int
    own: Path
    foreign: Path

    def url(self, authority: Path | None, host: str = "localhost") -> str:
        """Its address, for whoever trusts so; None: as this machine does."""
        query = f"?ssl_ca_certs={authority}" if authority else ""
        return f"rediss://{host}:{self.port}/0{query}"


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate for `localhost` that nobody trusts by itself, and its key."""
    key, made = folder / f"{name}.key", folder / f"{name}.pem"
    command = [*COMMAND.split(), "-keyout", str(key), "-out", str(made)]
    subprocess.run(command, check=True, capture_output=True)
    return made, key


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Valkey's wheel knows no TLS, so it is Debian's Redis."""
    program, folder = debian_server(), tmp_path_factory.mktemp("tls")
    own, key = certificate(folder, "own")
    foreign, _ = certificate(folder, "foreign")
    made = Server(free_port(), own, foreign)
    command = [
        *(program, "--port", "0", "--tls-port", str(made.port), "--bind", "127.0.0.1"),
        *("--tls-cert-file", str(own), "--tls-key-file", str(key)),
        *("--tls-ca-cert-file", str(own), "--tls-auth-clients", "no"),
        *("--dir", str(folder), "--appendonly", "yes", "--save", ""),
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    eventually(lambda: answers(made.url(own)), 20, "redis-server answers")
    yield made
    process.kill()
    process.wait()


def answers(url: str) -> bool:
    with suppress(redis.RedisError), redis.Redis.from_url(url) as client:
        return bool(client.ping())
    return False


# -- everything that we open ---------------------------------------------------


def ledger(url: str) -> None:
    with Ledger(url) as opened:
        opened.check()


def workers_ledger(url: str) -> None:
    async def ask() -> None:
        opened = AsyncLedger(url)
        try:
            await opened.run(calls.lapse())
        finally:
            await opened.aclose()

    asyncio.run(ask())


def broker(url: str) -> None:
    app = make_app(url)
    try:
        publish_wake_up(app)
    finally:
        app.close()
        # kombu's pools know connections by their address, whatever they trust.
        pools.reset()


def results(url: str) -> None:
    app = make_app(url)
    try:
        app.backend.client.ping()  # type: ignore[attr-defined]
    except redis.ConnectionError as error:
        raise LedgerUnreachable(type(error).__name__) from None
    finally:
        app.close()


USERS = [ledger, workers_ledger, broker, results]


@pytest.mark.parametrize("use", USERS)
def test_a_certificate_that_is_trusted(
    server: Server, use: Callable[[str], None]
) -> None:
    """Ledger, broker and results work over TLS."""
    use(server.url(server.own))


@pytest.mark.parametrize("use", USERS)
def test_a_certificate_of_another_authority(
    server: Server, use: Callable[[str], None]
) -> None:
    """Nobody speaks to a server that cannot be trusted."""
    with pytest.raises(LedgerUnreachable):
        use(server.url(server.foreign))


@pytest.mark.parametrize("use", USERS)
def test_a_certificate_for_another_name(
    server: Server, use: Callable[[str], None]
) -> None:
    """Nor to one that is not who its certificate says."""
    with pytest.raises(LedgerUnreachable):
        use(server.url(server.own, "127.0.0.1"))


@pytest.mark.parametrize("use", USERS)
def test_no_authority_is_named(server: Server, use: Callable[[str], None]) -> None:
    """Then those of this machine count, and none of them knows this server."""
    with pytest.raises(LedgerUnreachable):
        use(server.url(None))
