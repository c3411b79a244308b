"""OAuth2: one shared token, replaced in good time, and what follows without one."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.unit.canned import MESSAGE, OAUTH, TAKEN, Provider, client, run, sent, token
from workers.outcomes import Kind, Outcome

if TYPE_CHECKING:
    from tests.unit.canned import Reply


def test_a_token_is_fetched_once() -> None:
    """Client credentials as a form; the token serves further sends."""
    provider = Provider(TAKEN, TAKEN, tokens=(token(),))
    outcomes = sent(provider, OAUTH, times=2)
    assert [outcome.kind for outcome in outcomes] == [Kind.ACCEPTED] * 2
    fetch, *sends = provider.requests
    assert fetch.content == b"grant_type=client_credentials"
    assert fetch.headers["content-type"] == "application/x-www-form-urlencoded"
    assert fetch.headers["authorization"] == (
        "Basic " + base64.b64encode(b"client:s3cret").decode()
    )
    assert [send.headers["authorization"] for send in sends] == ["Bearer t0ken-1"] * 2


def test_concurrent_sends_share_one_fetch() -> None:
    """Many sends without a token ask for one together."""
    provider = Provider(*[TAKEN] * 20, tokens=(token(),))

    async def many() -> None:
        bandwidth = client(provider, OAUTH)
        await asyncio.gather(*(bandwidth.send(MESSAGE) for _ in range(20)))

    run(many())
    assert len(provider.requests) == 21


def test_a_cancelled_send_does_not_take_the_token_along() -> None:
    """The fetch goes on for those who still wait for it."""
    provider = Provider(TAKEN, tokens=(token(),))

    async def two() -> Outcome:
        bandwidth = client(provider, OAUTH)
        first = asyncio.create_task(bandwidth.send(MESSAGE))
        second = asyncio.create_task(bandwidth.send(MESSAGE))
        await asyncio.sleep(0)
        first.cancel()
        return await second

    assert run(two()).kind is Kind.ACCEPTED


@pytest.mark.parametrize(
    ("expires_in", "age", "fetches"),
    [(3600, 3539, 1), (3600, 3541, 2), (100, 49, 1), (100, 51, 2)],
)
def test_a_token_is_replaced_in_good_time(
    monkeypatch: pytest.MonkeyPatch, expires_in: int, age: float, fetches: int
) -> None:
    """A minute before its end; a short one after half its life."""
    time = 1000.0
    grants = (token(expires_in=expires_in), token("t0ken-2"))
    provider = Provider(TAKEN, TAKEN, tokens=grants)
    bandwidth = client(provider, OAUTH)
    monkeypatch.setattr(bandwidth._tokens, "_clock", lambda: time)

    async def two() -> None:
        nonlocal time
        await bandwidth.send(MESSAGE)
        time += age
        await bandwidth.send(MESSAGE)

    run(two())
    assert len(provider.requests) == 2 + fetches


def test_a_token_that_ran_out_is_replaced() -> None:
    """401 with a token that used to work: try again, the next send has a new one."""
    refused = httpx.Response(401, json={"type": "unauthorized"})
    provider = Provider(TAKEN, refused, TAKEN, tokens=(token(), token("t0ken-2")))
    kinds = [outcome.kind for outcome in sent(provider, OAUTH, times=3)]
    assert kinds == [Kind.ACCEPTED, Kind.TOKEN_REFRESHED, Kind.ACCEPTED]
    assert provider.requests[-1].headers["authorization"] == "Bearer t0ken-2"


def test_a_new_token_that_is_refused_stops() -> None:
    """A second 401 in a row is a matter of settings; each send asks anew."""
    refused = [httpx.Response(401), httpx.Response(401), httpx.Response(401)]
    provider = Provider(TAKEN, *refused, tokens=(token(), token(), token()))
    kinds = [outcome.kind for outcome in sent(provider, OAUTH, times=4)]
    assert kinds == [Kind.ACCEPTED, Kind.TOKEN_REFRESHED, Kind.STOPPED, Kind.STOPPED]


def test_basic_credentials_that_are_refused_stop() -> None:
    """There is nothing to refresh."""
    provider = Provider(TAKEN, httpx.Response(401))
    kinds = [outcome.kind for outcome in sent(provider, times=2)]
    assert kinds == [Kind.ACCEPTED, Kind.STOPPED]


@pytest.mark.parametrize(
    ("reply", "kind", "code"),
    [
        (httpx.Response(400), Kind.STOPPED, "token: 400"),
        (httpx.Response(401), Kind.STOPPED, "token: 401"),
        (httpx.Response(429), Kind.UNREACHABLE, "token: 429"),
        (httpx.Response(503), Kind.UNREACHABLE, "token: 503"),
        (httpx.Response(302), Kind.UNREACHABLE, "token: 302"),
        (httpx.Response(200, html="<p>"), Kind.UNREACHABLE, "token: bad-answer"),
        (token("a\r\nb: c"), Kind.UNREACHABLE, "token: bad-answer"),
        (httpx.ReadTimeout("x"), Kind.UNREACHABLE, "token: timeout"),
        (httpx.ConnectError("x"), Kind.UNREACHABLE, "token: connect-failed"),
        (RuntimeError("x"), Kind.UNREACHABLE, "token: internal-error"),
    ],
)
def test_no_token(reply: Reply, kind: Kind, code: str) -> None:
    """Without a token no permit is asked for; the next send asks for a token again."""
    provider = Provider(TAKEN, tokens=(reply, token()))
    first, second = sent(provider, OAUTH, times=2)
    assert first == Outcome(kind, code)
    assert second.kind is Kind.ACCEPTED
    assert len(provider.permits) == 1


def test_closing() -> None:
    """A fetch under way ends, and the transport is closed."""
    provider = Provider(tokens=(token(),))

    async def close() -> None:
        bandwidth = client(provider, OAUTH)
        send = asyncio.create_task(bandwidth.send(MESSAGE))
        await asyncio.sleep(0)
        await bandwidth.aclose()
        with pytest.raises(asyncio.CancelledError):
            await send

    run(close())
    assert provider.closed
