"""The provider's store of media against canned answers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from dispatcher import Campaign, ConfigError, MediaError, Settings
from dispatcher.media import LIFE, MediaFile
from dispatcher.uploads import MediaStore, StoredMedia, kept_until

BASIC: dict[str, Any] = {
    "base_url": "https://bw.test/api/v2/",
    "account_id": "55/1",
    "username": "user",
    "password": "pa55",
}
OAUTH: dict[str, Any] = {
    "base_url": "https://bw.test/api/v2",
    "token_url": "https://id.test/token",
    "account_id": "551",
    "client_id": "client",
    "client_secret": "s3cret",
}
FILE = MediaFile(Path("poster.png"), "2cf24d.png", "image/png", b"png")
NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)

Answer = Callable[[httpx.Request], httpx.Response]


class Provider:
    """Keeps what it is asked, and answers by a rule."""

    def __init__(self, answer: Answer, settings: dict[str, Any] = BASIC) -> None:
        self.requests: list[httpx.Request] = []
        self._answer = answer
        self.store = MediaStore(
            Settings.load(**settings), httpx.MockTransport(self._handle)
        )

    def _handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self._answer(request)


def test_an_upload_is_the_documented_call() -> None:
    """Raw bytes under a name, with their type and length."""
    provider = Provider(lambda _: httpx.Response(204))
    url = provider.store.put(FILE)
    (request,) = provider.requests
    assert url == str(request.url)
    assert url == "https://bw.test/api/v2/users/55%2F1/media/2cf24d.png"
    assert (request.method, request.content) == ("PUT", b"png")
    assert request.headers["Content-Type"] == "image/png"
    assert request.headers["Content-Length"] == "3"
    assert request.headers["Authorization"] == "Basic dXNlcjpwYTU1"


def test_one_token_serves_all_calls() -> None:
    """It is asked for before the first."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.host == "id.test":
            return httpx.Response(200, json={"access_token": "t0ken"})
        return httpx.Response(204)

    provider = Provider(answer, OAUTH)
    provider.store.put(FILE)
    provider.store.delete("a.png")
    assert [r.method for r in provider.requests] == ["POST", "PUT", "DELETE"]
    tokens = {r.headers["Authorization"] for r in provider.requests[1:]}
    assert tokens == {"Bearer t0ken"}


def test_the_list_goes_on_to_its_last_page() -> None:
    """With the token of each page."""
    pages = {
        None: ([{"mediaName": "a.png", "contentLength": 5}], "next"),
        "next": ([{"mediaName": "b c.png", "content": "x"}], None),
    }

    def answer(request: httpx.Request) -> httpx.Response:
        rows, token = pages[request.headers.get("Continuation-Token")]
        headers = {"Continuation-Token": token} if token else {}
        return httpx.Response(200, json=rows, headers=headers)

    root = "https://bw.test/api/v2/users/55%2F1/media"
    assert list(Provider(answer).store.list()) == [
        StoredMedia("a.png", 5, f"{root}/a.png"),
        StoredMedia("b c.png", 0, f"{root}/b%20c.png"),
    ]


def test_a_list_without_end_has_one() -> None:
    """A token that comes again leads nowhere."""
    provider = Provider(
        lambda _: httpx.Response(200, json=[], headers={"Continuation-Token": "x"})
    )
    assert list(provider.store.list()) == []
    assert len(provider.requests) == 2


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (400, "refuses"),
        (401, "credentials"),
        (403, "may not"),
        (404, "no such file"),
        (429, "try again"),
        (500, "answered 500: try again"),
        (302, "answered 302"),
    ],
)
def test_a_refusal_says_what_to_do(status: int, said: str) -> None:
    """And which file it is about."""
    provider = Provider(lambda _: httpx.Response(status, headers={"Location": "/"}))
    with pytest.raises(MediaError, match=said) as caught:
        provider.store.put(FILE)
    assert str(caught.value).startswith("poster.png: ")
    assert len(provider.requests) == 1


@pytest.mark.parametrize("content", [b"", b"{}", b"[{}]", b"\xff", b"[" * 100_000])
def test_a_list_that_cannot_be_read_is_told(content: bytes) -> None:
    """Not by a traceback."""
    provider = Provider(lambda _: httpx.Response(200, content=content))
    with pytest.raises(MediaError, match="cannot be read"):
        list(provider.store.list())


@pytest.mark.parametrize("settings", [BASIC, OAUTH])
def test_a_provider_that_is_away(settings: dict[str, Any]) -> None:
    """It or its token endpoint."""

    def away(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no route")

    with pytest.raises(MediaError, match=r"cannot be reached \(ConnectError\)"):
        Provider(away, settings).store.put(FILE)


def test_a_client_that_gets_no_token() -> None:
    """The secret is in no error."""
    with pytest.raises(MediaError, match="credentials") as caught:
        Provider(lambda _: httpx.Response(400), OAUTH).store.put(FILE)
    assert "s3cret" not in str(caught.value)


def test_without_credentials_nothing_is_asked() -> None:
    """All that is missing is named."""
    with pytest.raises(ConfigError, match="BW_ACCOUNT_ID, BW_USERNAME, BW_PASSWORD"):
        MediaStore(Settings.load())


@pytest.mark.parametrize(
    ("media", "expires"),
    [
        ([], False),
        (["https://example.org/a.png"], False),
        (["https://example.org/a.png", "/tmp/a.png"], True),
        (["https://bw.test/api/v2/users/55%2F1/media/a.png"], True),
        (["https://bw.test/api/v2/users/55%2F1/messages"], False),
    ],
)
def test_what_lies_at_the_provider_expires(media: list[str], *, expires: bool) -> None:
    """Uploaded now or before; what lies elsewhere stays."""
    campaign = Campaign(sender="+19195551212", text="Hello", media=media)
    until = kept_until(campaign, Settings.load(**BASIC), NOON)
    assert until == (NOON + timedelta(hours=48) if expires else None)
    assert timedelta(hours=48) == LIFE
