"""The provider client against canned answers: what it asks, and what it makes of it."""

from __future__ import annotations

import base64
import json
import os
from typing import TYPE_CHECKING

import httpx
import pytest

from dispatcher.credentials import Credentials
from dispatcher.errors import ConfigError
from dispatcher.settings import Settings
from tests.unit.canned import (
    MESSAGE,
    OAUTH,
    TAKEN,
    Provider,
    client,
    run,
    sent,
    token,
)
from workers.bandwidth import Bandwidth, Message
from workers.connection import NotWritten
from workers.outcomes import Kind, Outcome

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.unit.canned import Reply

SECRETS = ("s3cret", "pa55word", "t0ken", "+19195551201", "Doors open")


# -- the request ---------------------------------------------------------------


def test_the_request() -> None:
    """Address, headers, credentials and body are those of the documented call."""
    provider = Provider(TAKEN)
    sent(provider)
    (request,) = provider.requests
    assert request.method == "POST"
    assert str(request.url) == "https://bw.test/api/v2/users/9900123/messages"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["accept"] == "application/json"
    assert request.headers["user-agent"].startswith("group-dispatcher/")
    assert request.headers["authorization"] == (
        "Basic " + base64.b64encode(b"user:pa55word").decode()
    )
    assert json.loads(request.read()) == {
        "applicationId": "app-1",
        "from": "+19195551200",
        "to": ["+19195551201", "+19195551202"],
        "text": "Doors open.",
    }


def test_optional_fields() -> None:
    """What a message has is sent, what it lacks is left out."""
    provider = Provider(TAKEN)
    message = Message(
        "app", "+1", ("+2",), media=("https://a.test/b.png",), tag="t", expiration="e"
    )
    run(client(provider).send(message))
    assert json.loads(provider.requests[0].read()) == {
        "applicationId": "app",
        "from": "+1",
        "to": ["+2"],
        "media": ["https://a.test/b.png"],
        "tag": "t",
        "expiration": "e",
    }


def test_limits() -> None:
    """The answer has the whole deadline; what comes before has limits of its own."""
    provider = Provider(TAKEN)
    sent(provider)
    extensions = provider.requests[0].extensions
    assert extensions["deadline"] == 15.0
    assert extensions["timeout"] == {"connect": 5.0, "pool": 5.0}


def test_account_id_is_quoted() -> None:
    """An odd account id cannot change the path."""
    provider = Provider(TAKEN)
    sent(provider, Credentials("a/../b?c", "u", "p"))
    assert provider.requests[0].url.raw_path == (
        b"/api/v2/users/a%2F..%2Fb%3Fc/messages"
    )


# -- the outcome ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "kind", "code"),
    [
        (TAKEN, Kind.ACCEPTED, "202"),
        (httpx.Response(400, json={"type": "bad"}), Kind.REFUSED, "400 bad"),
        (httpx.Response(401), Kind.STOPPED, "401"),
        (httpx.Response(307, headers={"location": "/x"}), Kind.UNKNOWN, "307"),
        (httpx.Response(502, html="<p>"), Kind.UNKNOWN, "502"),
        (httpx.ConnectError("x"), Kind.UNREACHABLE, "connect-failed"),
        (httpx.ConnectTimeout("x"), Kind.UNKNOWN, "connect-timeout"),
        (NotWritten("x"), Kind.NOT_WRITTEN, "not-written"),
        (httpx.ReadError("x"), Kind.UNKNOWN, "connection-lost"),
        (RuntimeError("x"), Kind.UNKNOWN, "internal-error"),
    ],
)
def test_outcomes(reply: Reply, kind: Kind, code: str) -> None:
    """Each answer or failure becomes an outcome, after one request."""
    provider = Provider(reply)
    (outcome,) = sent(provider)
    assert (outcome.kind, outcome.code) == (kind, code)
    assert len(provider.requests) == 1


def test_retry_after_is_read() -> None:
    """Header names are found in any case."""
    full = httpx.Response(429, headers={"Retry-After": "7"})
    assert sent(Provider(full)) == [Outcome(Kind.THROTTLED, "429", retry_after=7.0)]


def test_a_body_that_cannot_be_decoded() -> None:
    """A 202 counts even if its body is broken."""
    broken = httpx.Response(
        202, headers={"content-encoding": "gzip"}, stream=httpx.ByteStream(b"x")
    )
    assert sent(Provider(broken)) == [Outcome(Kind.ACCEPTED, "202")]


def test_a_text_that_is_not_unicode() -> None:
    """It stops the campaign before anything is asked for."""
    provider = Provider()
    message = Message("app", "+1", ("+2",), text="\ud800")
    outcome = run(client(provider).send(message))
    assert outcome == Outcome(Kind.STOPPED, "message-not-encodable")
    assert provider.requests == []


# -- the permit ----------------------------------------------------------------


def permitting(value: float | Exception) -> Callable[[], Awaitable[float]]:
    async def before_write() -> float:
        if isinstance(value, Exception):
            raise value
        return value

    return before_write


def test_the_permit_reaches_the_transport() -> None:
    """What `before_write` returns is what the transport checks."""
    provider = Provider(TAKEN)
    run(client(provider).send(MESSAGE, permitting(7.5)))
    assert provider.permits == [7.5]


@pytest.mark.parametrize("error", [LookupError(), httpx.ReadError("x"), OSError()])
def test_what_before_write_raises_comes_out(error: Exception) -> None:
    """Unchanged, even if it is of a class that would be an outcome."""
    with pytest.raises(type(error)) as caught:
        run(client(Provider(TAKEN)).send(MESSAGE, permitting(error)))
    assert caught.value is error


# -- settings and privacy ------------------------------------------------------


@pytest.fixture(autouse=True)
def _no_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may have a real account in the environment."""
    for name in os.environ:
        if name.startswith("BW_"):
            monkeypatch.delenv(name)


def settings(**fields: str) -> Settings:
    return Settings.load(**fields)


@pytest.mark.parametrize(
    ("fields", "missing"),
    [
        ({}, "BW_ACCOUNT_ID, BW_USERNAME, BW_PASSWORD"),
        ({"account_id": "1"}, "BW_USERNAME, BW_PASSWORD"),
        ({"account_id": "1", "username": "u"}, "BW_PASSWORD"),
        ({"username": "u", "password": "p"}, "BW_ACCOUNT_ID"),
        ({"account_id": "1", "client_id": "c"}, "BW_CLIENT_SECRET"),
        ({"client_secret": "c"}, "BW_ACCOUNT_ID, BW_CLIENT_ID"),
    ],
)
def test_missing_settings_are_all_named(fields: dict[str, str], missing: str) -> None:
    """One error names everything that is not set."""
    with pytest.raises(ConfigError) as caught:
        Bandwidth.from_settings(settings(**fields))
    assert str(caught.value) == f"not set: {missing}"


def test_from_settings() -> None:
    """Client id and secret mean OAuth2, user name and password Basic."""
    user = {"account_id": "1", "username": "user", "password": "pa55word"}
    both = {**user, "client_id": "client", "client_secret": "s3cret"}
    assert Credentials.from_settings(settings(**user)).token_url is None
    assert Credentials.from_settings(settings(**both)).user == "client"
    provider = Provider(TAKEN)
    bandwidth = Bandwidth.from_settings(settings(**user), transport=provider)
    assert run(bandwidth.send(MESSAGE)).kind is Kind.ACCEPTED


def test_a_base_url_that_is_none() -> None:
    """An address that cannot be parsed is an error of the settings."""
    fields = {"account_id": "1", "username": "u", "password": "p"}
    with pytest.raises(ConfigError):
        Bandwidth.from_settings(settings(base_url="http://[::1", **fields))


def test_nothing_private_is_shown(caplog: pytest.LogCaptureFixture) -> None:
    """No repr, outcome or log holds a secret, a number or the text."""
    caplog.set_level("DEBUG")
    echo = httpx.Response(400, json={"type": "x", "description": "+19195551201"})
    provider = Provider(echo, httpx.ReadError("x"), tokens=(token(),))
    bandwidth = client(provider, OAUTH)

    async def two() -> list[Outcome]:
        return [await bandwidth.send(MESSAGE) for _ in range(2)]

    outcomes = run(two())
    assert bandwidth._tokens is not None
    shown = [OAUTH, MESSAGE, bandwidth, bandwidth._tokens, bandwidth._tokens._token]
    text = repr((shown, outcomes)) + str(vars(bandwidth)) + caplog.text
    assert not [secret for secret in SECRETS if secret in text]
