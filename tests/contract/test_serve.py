"""The callback receiver on a real server and a real Redis."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from dispatcher.doors import Pass
from dispatcher.embedded import EmbeddedServer
from dispatcher.ledger import inbox as inbox_module
from dispatcher.ledger.connection import ledger_url
from dispatcher.ledger.keys import key
from tests.bench import Bench
from tests.serving import serving

ASKED = Pass("bandwidth", SecretStr("pass-word"))
AUTH = ("bandwidth", "pass-word")
EVENT = {"type": "message-delivered", "to": "+19195551201"}
BODY = json.dumps([EVENT]).encode()


def stored(url: str) -> list[bytes]:
    with redis.Redis.from_url(ledger_url(url)) as client:
        bodies: list[bytes] = client.lrange(key("inbox"), 0, -1)
        return bodies


@pytest.fixture
def site(bench: Bench) -> Iterator[str]:
    """A receiver that asks for credentials, over an empty ledger."""
    with serving(bench.url, ASKED) as url:
        yield url


# -- as the provider does it ---------------------------------------------------------


def test_a_callback_by_challenge(site: str, bench: Bench) -> None:
    """Refused without credentials, taken with them, over one connection."""
    with httpx.Client(base_url=site) as client:
        first = client.post("/callbacks", content=BODY)
        assert first.status_code == 401
        assert first.headers["www-authenticate"].startswith('Basic realm="')
        assert stored(bench.url) == []
        again = client.post("/callbacks", content=BODY, auth=AUTH)
    assert (again.status_code, again.content) == (202, b"")
    assert stored(bench.url) == [BODY]


def test_many_at_once_are_all_there(site: str, bench: Bench) -> None:
    """Every one that was answered, once, with far fewer commands."""
    bodies = [json.dumps([{"number": n}]).encode() for n in range(400)]
    bench.commands()
    # Its pool must not close one connection while another thread takes it.
    limits = httpx.Limits(max_connections=32, max_keepalive_connections=32)
    with (
        httpx.Client(base_url=site, auth=AUTH, limits=limits) as client,
        ThreadPoolExecutor(32) as pool,
    ):
        answers = pool.map(lambda b: client.post("/callbacks", content=b), bodies)
        assert {answer.status_code for answer in answers} == {202}
    assert bench.commands() <= len(bodies)
    assert sorted(stored(bench.url)) == sorted(bodies)


def test_other_paths_and_methods(site: str) -> None:
    """405 says what would do, 404 says nothing."""
    with httpx.Client(base_url=site) as client:
        answer = client.get("/callbacks")
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
        assert client.post("/healthz").status_code == 405
        for path in ("/callbacks/", "/callbacks/x", "//callbacks", "/nothing"):
            assert client.post(path, content=BODY, auth=AUTH).status_code == 404


def test_health_is_open_and_says_nothing_else(site: str) -> None:
    """Whoever watches it needs no credentials and learns no secret."""
    answer = httpx.get(f"{site}/healthz")
    assert (answer.status_code, answer.text) == (200, "ok\n")
    assert "server" not in answer.headers


# -- Redis ---------------------------------------------------------------------------


def test_what_was_answered_survives_the_server(tmp_path: Path) -> None:
    """Redis is killed the moment 202 arrives; the callback is there when it is back."""
    with EmbeddedServer(tmp_path) as redis_server, serving(redis_server.url) as url:
        with httpx.Client(base_url=url) as client:
            assert client.post("/callbacks", content=BODY).status_code == 202
            redis_server._server.terminate()
            refused = client.post("/callbacks", content=BODY)
            assert refused.status_code == 503
            assert int(refused.headers["retry-after"]) > 0
            health = client.get("/healthz")
            assert (health.status_code, health.text) == (
                503,
                "Redis does not answer\n",
            )
            redis_server.start()
            assert stored(redis_server.url) == [BODY]
            # And it works again by itself.
            assert client.post("/callbacks", content=BODY).status_code == 202
            assert client.get("/healthz").status_code == 200
        assert stored(redis_server.url) == [BODY] * 2


def test_a_redis_that_hangs_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 in time, for those in the call and those behind it; then it goes on."""
    monkeypatch.setattr(inbox_module, "_PATIENCE_S", 0.3)
    with EmbeddedServer(tmp_path) as redis_server, serving(redis_server.url) as url:
        with redis.Redis.from_url(ledger_url(redis_server.url)) as client:
            pid = int(client.info("server")["process_id"])
        os.kill(pid, signal.SIGSTOP)
        try:
            with ThreadPoolExecutor(4) as pool:
                asked = [
                    pool.submit(httpx.post, f"{url}/callbacks", content=BODY)
                    for _ in range(4)
                ]
                assert {a.result().status_code for a in asked} == {503}
        finally:
            os.kill(pid, signal.SIGCONT)
        assert httpx.post(f"{url}/callbacks", content=BODY).status_code == 202


def test_an_inbox_that_is_full_takes_no_more(bench: Bench) -> None:
    """503 until somebody has taken from it."""
    with (
        serving(bench.url, limit=3) as url,
        httpx.Client(base_url=url) as client,
    ):
        answers = [client.post("/callbacks", content=BODY) for _ in range(5)]
        assert [a.status_code for a in answers] == [202, 202, 202, 503, 503]
        assert client.get("/healthz").text == "the inbox is full\n"
        assert len(stored(bench.url)) == 3
        bench.redis.lpop(key("inbox"))
        # Found out by itself, without anybody's asking for its health.
        assert client.post("/callbacks", content=BODY).status_code == 202
        assert client.get("/healthz").status_code == 503
        bench.redis.delete(key("inbox"))
        assert client.get("/healthz").status_code == 200


def test_a_redis_that_refuses(site: str, bench: Bench) -> None:
    """Full, read-only, another type under the key: never a 2xx, never a 500."""
    bench.redis.set(key("inbox"), "something else")
    answer = httpx.post(f"{site}/callbacks", content=BODY, auth=AUTH)
    assert answer.status_code == 503


# -- anything ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def client(server_url: str) -> Iterator[httpx.Client]:
    """The client of a receiver that asks for nothing, over an empty inbox."""
    with redis.Redis.from_url(ledger_url(server_url)) as store:
        store.delete(key("inbox"))
    with serving(server_url) as url, httpx.Client(base_url=url) as client:
        yield client


HEADERS = st.dictionaries(
    st.sampled_from(
        [
            *("authorization", "content-type", "content-encoding", "expect", "origin"),
            *("x-forwarded-for", "host", "accept", "te", "trailer"),
        ]
    ),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1),
    max_size=4,
)


@settings(max_examples=60, deadline=None)
@given(
    method=st.sampled_from(["POST"] * 5 + ["GET", "HEAD", "PUT", "PATCH", "TRACE"]),
    path=st.sampled_from(["/callbacks"] * 5 + ["/", "/healthz", "/callbacks?x=%"]),
    body=st.binary(max_size=50)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    ).map(lambda value: json.dumps(value).encode()),
    headers=HEADERS,
)
def test_no_request_makes_it_fail(
    client: httpx.Client, method: str, path: str, body: bytes, headers: dict[str, str]
) -> None:
    """Whatever is asked: no 5xx."""
    answer = client.request(method, path, content=body, headers=headers)
    assert answer.status_code < 500
    assert answer.status_code != 202 or path.startswith("/callbacks")
