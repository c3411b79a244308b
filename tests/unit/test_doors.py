"""Who may come in: both settings or neither, and nobody from elsewhere unasked."""

from __future__ import annotations

import pytest

from dispatcher.doors import check_address, is_here, is_plain, wanted
from dispatcher.errors import ConfigError
from dispatcher.settings import Settings


def test_nothing_set_asks_nobody() -> None:
    """Neither door has credentials of its own accord."""
    settings = Settings.load()
    assert wanted(settings, "flower") is None
    assert wanted(settings, "callback") is None


def test_each_door_has_its_own() -> None:
    """Who may look at Flower may not send callbacks."""
    settings = Settings.load(callback_username="bw", callback_password="p:w")
    asked = wanted(settings, "callback")
    assert asked
    assert (asked.username, asked.password.get_secret_value()) == ("bw", "p:w")
    assert "p:w" not in repr(asked)
    assert wanted(settings, "flower") is None


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"callback_username": "bw"}, "set both DISPATCHER_CALLBACK_USERNAME and"),
        ({"callback_password": "pw"}, "set both DISPATCHER_CALLBACK_USERNAME and"),
        (
            {"callback_username": "b:w", "callback_password": "pw"},
            "DISPATCHER_CALLBACK_USERNAME: it cannot hold a colon",
        ),
    ],
)
def test_half_a_password_is_none(fields: dict[str, str], words: str) -> None:
    """An error, not an open door."""
    with pytest.raises(ConfigError, match=words):
        wanted(Settings.load(**fields), "callback")


@pytest.mark.parametrize(
    ("host", "here"),
    [
        *[(host, True) for host in ("127.0.0.1", "127.9.9.9", "::1", "localhost")],
        *[(host, False) for host in ("0.0.0.0", "::", "", "10.0.0.1", "a.example")],
    ],
)
def test_without_a_password_only_this_machine(host: str, *, here: bool) -> None:
    """Any other address is refused, every address at once too."""
    assert is_here(host) == here
    if here:
        check_address(host, "callback", None, "it")
    else:
        with pytest.raises(ConfigError, match="DISPATCHER_CALLBACK_PASSWORD"):
            check_address(host, "callback", None, "it")


def test_with_a_password_any_address_will_do() -> None:
    """It is asked for, so anybody may knock."""
    fields = {"callback_username": "bw", "callback_password": "pw"}
    asked = wanted(Settings.load(**fields), "callback")
    check_address("0.0.0.0", "callback", asked, "it")


@pytest.mark.parametrize(
    ("host", "plain"),
    [("localhost", True), ("127.0.0.1", True), ("[::1]", True), ("a.test", False)],
)
def test_plain_names(host: str, *, plain: bool) -> None:
    """What no name server can make lead elsewhere."""
    assert is_plain(host) == plain
