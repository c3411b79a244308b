"""What decides who may look at Flower; and settings that come from secret files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from flower.options import options  # type: ignore[import-untyped]
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine

from dispatcher import flower_options, settings
from dispatcher.errors import ConfigError
from dispatcher.flower_options import Private
from dispatcher.settings import Settings

OPEN_API = "FLOWER_UNAUTHENTICATED_API"


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Flower's options as they are before anybody set one, and an empty environment."""
    for field in Settings.model_fields.values():
        monkeypatch.delenv(str(field.alias), raising=False)
    # Set first, so that what the code sets is taken back, too.
    monkeypatch.setenv(OPEN_API, "")
    monkeypatch.delenv(OPEN_API)
    names = ("address", "basic_auth", "read_only")
    kept = {name: getattr(options, name) for name in names}
    options.address, options.basic_auth, options.read_only = "127.0.0.1", [], True
    yield
    for name, value in kept.items():
        setattr(options, name, value or type(value)())


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_this_machine_needs_no_password(address: str) -> None:
    """On loopback it starts, and its API can be read."""
    options.address = address
    flower_options._settle(Settings.load())
    assert os.environ[OPEN_API] == "true"


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.0.2.1", "a.example", ""])
def test_other_addresses_need_one(address: str) -> None:
    """Anything that is not surely loopback is refused, and the API stays shut."""
    options.address = address
    with pytest.raises(ConfigError, match="needs a password"):
        flower_options._settle(Settings.load())
    assert OPEN_API not in os.environ


def test_with_a_password_any_address_will_do() -> None:
    """Then Flower asks for it, commas and colons and all; its API asks, too."""
    options.address = "0.0.0.0"
    given = Settings.load(flower_username="viewer", flower_password="a,b:c")
    flower_options._settle(given)
    assert options.basic_auth == ["viewer:a,b:c"]
    assert OPEN_API not in os.environ


def test_an_api_that_can_act_is_not_opened() -> None:
    """Who switches read-only off gets Flower's own rule: no API without a password."""
    options.read_only = False
    flower_options._settle(Settings.load())
    assert OPEN_API not in os.environ


@pytest.mark.parametrize(
    "given",
    [
        {"flower_username": "viewer"},
        {"flower_password": "secret-word"},
        {"flower_username": "a:b", "flower_password": "secret-word"},
    ],
)
def test_half_a_password_is_none(given: dict[str, str]) -> None:
    """It is said, without the word itself, and Flower does not start without."""
    with pytest.raises(ConfigError) as caught:
        flower_options._settle(Settings.load(**given))
    assert "DISPATCHER_FLOWER_USERNAME" in str(caught.value)
    assert "secret-word" not in str(caught.value)


def _private(host: str) -> Private:
    line = RequestStartLine("GET", "/", "HTTP/1.1")
    request = HTTPServerRequest(
        headers=HTTPHeaders({"Host": host}),
        start_line=line,
        connection=None,
    )
    return Private(request)


@pytest.mark.parametrize("host", ["localhost:5555", "127.0.0.1:5555", "[::1]:5555"])
def test_answers_under_plain_names_pass(host: str) -> None:
    """What nobody else's name server can forge is answered."""
    headers = HTTPHeaders({"Access-Control-Allow-Origin": "*", "Etag": "x"})
    answer = _private(host).transform_first_chunk(200, headers, b"text", True)
    assert (answer[0], dict(answer[1]), answer[2]) == (200, {"Etag": "x"}, b"text")


def test_answers_under_other_names_do_not() -> None:
    """Not even the later parts of a long one."""
    private = _private("elsewhere.example")
    first = private.transform_first_chunk(200, HTTPHeaders(), b"first", False)
    assert first[0] == 403
    assert b"first" not in first[2]
    assert private.transform_chunk(b"second", True) == b""


def test_a_sockets_password_is_masked() -> None:
    """The one address that Celery shows whole; the length follows."""
    headers = HTTPHeaders({"Content-Length": "99"})
    text = b'{"hostname": "redis+socket://me:pass@/run/redis.sock"}'
    _, headers, masked = _private("localhost").transform_first_chunk(
        200, headers, text, True
    )
    assert masked == b'{"hostname": "redis+socket://***@/run/redis.sock"}'
    assert headers["Content-Length"] == str(len(masked))


# -- secrets in files ----------------------------------------------------------


@pytest.fixture
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of secrets."""
    monkeypatch.setattr(settings, "SECRETS", tmp_path)
    return tmp_path


def test_a_secret_may_be_a_file(secrets: Path) -> None:
    """Its name is the variable's; the line end is not part of it."""
    (secrets / "BW_PASSWORD").write_text("from-a-file\n")
    (secrets / "DISPATCHER_REDIS_URL").write_text("redis://:pw@redis/0")
    loaded = Settings.load()
    assert loaded.password
    assert loaded.password.get_secret_value() == "from-a-file"
    assert loaded.redis_url == "redis://:pw@redis/0"


@pytest.mark.parametrize(("value", "wins"), [("env", "env"), ("", "file")])
def test_the_environment_wins_unless_empty(
    secrets: Path, monkeypatch: pytest.MonkeyPatch, value: str, wins: str
) -> None:
    """An empty variable is none: compose passes those that nobody set."""
    (secrets / "BW_USERNAME").write_text("file")
    monkeypatch.setenv("BW_USERNAME", value)
    assert Settings.load().username == wins


def test_without_the_directory_nothing_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No warning (here a warning is an error) on machines without secrets."""
    monkeypatch.setattr(settings, "SECRETS", tmp_path / "none")
    assert Settings.load().password is None


def test_a_secret_that_cannot_be_read_is_a_wrong_setting(
    secrets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line, without a path's content."""

    def refuse(_path: Path, **_: object) -> str:
        raise PermissionError(13, "Permission denied")

    (secrets / "BW_PASSWORD").write_text("unreadable")
    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(ConfigError, match="cannot be read"):
        Settings.load()
