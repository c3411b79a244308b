"""Connections to Redis, one way for everybody, and what their faults mean.

redis-py repeats commands by itself unless told not to; a repeated script could
do its work twice, so every connection here is told not to.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import SplitResult, parse_qs, urlsplit

import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.retry import Retry

from dispatcher.errors import (
    ConfigError,
    LedgerCorrupt,
    LedgerError,
    LedgerUnreachable,
)
from dispatcher.ledger import sentinel
from dispatcher.ledger.sentinel import Watched
from dispatcher.ledger.server import ASKED, Facts

#: Seconds to wait for an answer. A frozen server is told from a slow one here.
ANSWER_TIMEOUT_S: Final = 10.0
CONNECT_TIMEOUT_S: Final = 3.0
SCHEMES: Final = ("redis", "rediss", "redis+socket", "unix", sentinel.SCHEME)


def ledger_url(url: str) -> str:
    """The address as redis-py wants it.

    Raises:
        ConfigError: The scheme is not one of `SCHEMES`, or the login is in the query.
    """
    parts = _split(url)
    if parts.scheme != "redis+socket":
        return url
    database = parse_qs(parts.query).get("virtual_host", ["0"])[0]
    return f"unix://{parts.netloc}{parts.path}?db={database}"


def broker_url(url: str) -> str:
    """The address as Celery wants it.

    Raises:
        ConfigError: The scheme is not one of `SCHEMES`, or the login is in the query.
    """
    parts = _split(url)
    if parts.scheme == sentinel.SCHEME:
        return sentinel.parse(url).broker_url()
    if parts.scheme != "unix":
        return url
    database = parse_qs(parts.query).get("db", ["0"])[0]
    return f"redis+socket://{parts.netloc}{parts.path}?virtual_host={database}"


def _split(url: str) -> SplitResult:
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES:
        raise ConfigError(
            "the Redis address must begin with one of "
            + ", ".join(f"{scheme}://" for scheme in SCHEMES)
        )
    if parse_qs(parts.query).keys() & {"username", "password"}:
        # Our libraries do not agree on them there, and Celery would show them.
        raise ConfigError(
            "write user and password of the Redis address before the host: "
            "redis://user:password@host"
        )
    return parts


def _options() -> dict[str, Any]:
    return {
        "retry": Retry(NoBackoff(), 0),
        "socket_timeout": ANSWER_TIMEOUT_S,
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
        "client_name": "dispatcher",
    }


def connect(url: str) -> redis.Redis:
    """A blocking connection pool; nothing is opened yet."""
    if not sentinel.is_watched(url):
        return redis.Redis.from_url(ledger_url(url), **_options())
    watched = sentinel.parse(url)
    sentinels = redis.Sentinel(  # type: ignore[no-untyped-call]
        watched.hosts, sentinel_kwargs=_options(), **_options_of(watched)
    )
    client: redis.Redis = sentinels.master_for(watched.service)  # type: ignore[no-untyped-call]
    return client


def connect_async(url: str) -> redis.asyncio.Redis:
    """The same for an event loop."""
    own = {"retry": redis.asyncio.retry.Retry(NoBackoff(), 0)}
    if not sentinel.is_watched(url):
        return redis.asyncio.Redis.from_url(ledger_url(url), **_options() | own)
    watched = sentinel.parse(url)
    sentinels = redis.asyncio.Sentinel(  # type: ignore[no-untyped-call]
        watched.hosts,
        sentinel_kwargs=_options() | own,
        **_options_of(watched) | own,
    )
    client: redis.asyncio.Redis = sentinels.master_for(watched.service)
    return client


def _options_of(watched: Watched) -> dict[str, Any]:
    """Options of connections to the Redis, not to those who watch it."""
    login = {"username": watched.username, "password": watched.password}
    return _options() | login | {"db": watched.db}


def facts_of(client: redis.Redis) -> Facts:
    """What a server says about itself."""
    info: Any = client.info("all")
    try:
        answer: Any = client.config_get(*ASKED)
    except redis.ResponseError:
        # Managed servers forbid it.
        return Facts(info, None)
    return Facts(info, {_text(name): _text(value) for name, value in answer.items()})


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


@contextmanager
def faults() -> Iterator[None]:
    """Turn redis-py's errors into ours. Their texts may hold an address: cut.

    Raises:
        LedgerUnreachable: Refused, cut, timed out, still loading its file.
        LedgerCorrupt: A script found a rule broken.
        LedgerError: Anything else the server answered.
    """
    try:
        yield
    except (redis.ConnectionError, redis.TimeoutError) as error:
        raise LedgerUnreachable(
            f"Redis does not answer ({type(error).__name__}); "
            "is it running at the address in DISPATCHER_REDIS_URL?"
        ) from None
    except redis.ResponseError as error:
        raise _response_error(str(error)) from None
    except redis.RedisError as error:
        raise LedgerError(f"Redis failed: {type(error).__name__}") from None


def _response_error(text: str) -> LedgerError:
    if "ILLEGAL" in text:
        return LedgerCorrupt(text[text.index("ILLEGAL") :].partition(",")[0][:120])
    if "MISSING" in text:
        return LedgerError("the list took too long to load and expired; submit again")
    if "OOM" in text or "maxmemory" in text:
        return LedgerError("Redis is out of memory (maxmemory); give it more")
    # A script's own fault names a line of ours and no value of the user's.
    return LedgerError(f"Redis refused: {text[:200]}")
