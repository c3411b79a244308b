"""A Sentinel's address: how it is read, and how our libraries get it."""

from __future__ import annotations

import pytest

from dispatcher.cli.vitals import plain_address
from dispatcher.errors import ConfigError
from dispatcher.ledger.connection import broker_url, connect, connect_async
from dispatcher.ledger.sentinel import Watched, parse
from dispatcher.queue import celery_settings

URL = "sentinel://app:p%40ss@one,two:26380/ledger/3"


@pytest.mark.parametrize(
    ("url", "hosts", "service", "db", "login"),
    [
        (URL, (("one", 26379), ("two", 26380)), "ledger", 3, ("app", "p@ss")),
        ("sentinel://a:1/s", (("a", 1),), "s", 0, (None, None)),
        ("sentinel://:pw@[::1]:5/my.db-1/", (("::1", 5),), "my.db-1", 0, (None, "pw")),
    ],
)
def test_parse(
    url: str,
    hosts: tuple[tuple[str, int], ...],
    service: str,
    db: int,
    login: tuple[str | None, str | None],
) -> None:
    """Hosts with their ports, the service, and the login to the Redis."""
    assert parse(url) == Watched(hosts, service, db, *login)


@pytest.mark.parametrize(
    "url",
    [
        *("sentinel://", "sentinel://one", "sentinel://one/", "sentinel://one/s/x"),
        *("sentinel://one,/s", "sentinel://one:port/s", "sentinel://s3cret@/s"),
    ],
)
def test_another_form_is_refused(url: str) -> None:
    """With the form that it should have, and nothing of what was written."""
    with pytest.raises(ConfigError, match="sentinel://host:26379") as told:
        parse(url)
    assert "s3cret" not in str(told.value)


def test_the_broker_gets_one_address_for_each() -> None:
    """With the login in each, for kombu uses whichever answers; and the service."""
    expected = "sentinel://app:p%40ss@one:26379/3;sentinel://app:p%40ss@two:26380/3"
    assert broker_url(URL) == expected
    made = celery_settings(URL)
    assert made["broker_url"] == made["result_backend"] == expected
    assert made["broker_transport_options"]["master_name"] == "ledger"
    assert made["broker_transport_options"]["visibility_timeout"] == 60
    assert made["result_backend_transport_options"]["master_name"] == "ledger"
    assert "master_name" not in celery_settings("redis://h")["broker_transport_options"]


def test_the_ledger_s_connections() -> None:
    """To the database and with the login; neither repeats, neither shows the login."""
    for client in (connect(URL), connect_async(URL)):
        options = client.connection_pool.connection_kwargs
        assert (options["db"], options["password"]) == (3, "p@ss")
        assert options["retry"]._retries == 0
        assert options["socket_timeout"] == 10
        assert "p@ss" not in repr(client)


def test_what_is_shown_of_it() -> None:
    """Neither user nor password."""
    assert plain_address(URL) == "sentinel://one:26379,two:26380/ledger"
    assert "p@ss" not in repr(parse(URL))
