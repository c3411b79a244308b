"""The settings: every variable, all faults at once, and no secret anywhere."""

from __future__ import annotations

import os
import re
import traceback
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from dispatcher import settings as module
from dispatcher.codes import TAKEN, Action
from dispatcher.errors import ConfigError
from dispatcher.settings import Settings

#: Field, its variable, what is written there, what is read, what it is without.
VARIABLES: list[tuple[str, str, str, object, object]] = [
    ("redis_url", "DISPATCHER_REDIS_URL", "redis://h/0", "redis://h/0", None),
    ("ledger_url", "DISPATCHER_LEDGER_URL", "redis://l/1", "redis://l/1", None),
    (
        "data_dir",
        "DISPATCHER_DATA_DIR",
        "/srv/data",
        Path("/srv/data"),
        Path("~/.local/share/dispatcher"),
    ),
    ("account_id", "BW_ACCOUNT_ID", "9900123", "9900123", None),
    ("username", "BW_USERNAME", "token", "token", None),
    ("password", "BW_PASSWORD", "s3cret", SecretStr("s3cret"), None),
    ("client_id", "BW_CLIENT_ID", "client", "client", None),
    ("client_secret", "BW_CLIENT_SECRET", "s3cret", SecretStr("s3cret"), None),
    ("application_id", "BW_APPLICATION_ID", "app-1", "app-1", None),
    ("number", "BW_NUMBER", "+19195551212", "+19195551212", None),
    (
        "base_url",
        "BW_BASE_URL",
        "http://localhost:1/v2",
        "http://localhost:1/v2",
        "https://messaging.bandwidth.com/api/v2",
    ),
    (
        "token_url",
        "BW_TOKEN_URL",
        "https://id.test/token",
        "https://id.test/token",
        "https://api.bandwidth.com/api/v1/oauth2/token",
    ),
    ("account_rate", "DISPATCHER_ACCOUNT_RATE", "2.5", 2.5, 1.0),
    ("daily_units", "DISPATCHER_DAILY_UNITS", "5000", 5000, None),
    ("sender_rate", "DISPATCHER_SENDER_RATE", "0.25", 0.25, None),
    ("slots", "DISPATCHER_SLOTS", "8", 8, 64),
    ("http_deadline", "DISPATCHER_HTTP_DEADLINE", "3", 3.0, 15.0),
    ("unknown_grace", "DISPATCHER_UNKNOWN_GRACE", "0", 0.0, 300.0),
    ("hours_margin", "DISPATCHER_HOURS_MARGIN", "60", 60.0, 900.0),
    ("unknown_policy", "DISPATCHER_UNKNOWN_POLICY", "resend", "resend", "hold"),
    ("unconfirmed_after", "DISPATCHER_UNCONFIRMED_AFTER", "60", 60.0, 10_800.0),
    (
        "code_actions",
        "DISPATCHER_CODE_ACTIONS",
        "Suppress, pause",
        frozenset({Action.SUPPRESS, Action.PAUSE}),
        TAKEN,
    ),
    ("flower_username", "DISPATCHER_FLOWER_USERNAME", "boss", "boss", None),
    (
        "flower_password",
        "DISPATCHER_FLOWER_PASSWORD",
        "s3cret",
        SecretStr("s3cret"),
        None,
    ),
    ("callback_username", "DISPATCHER_CALLBACK_USERNAME", "bw", "bw", None),
    (
        "callback_password",
        "DISPATCHER_CALLBACK_PASSWORD",
        "s3cret",
        SecretStr("s3cret"),
        None,
    ),
    ("pages_username", "DISPATCHER_PAGES_USERNAME", "ann", "ann", None),
    (
        "pages_password",
        "DISPATCHER_PAGES_PASSWORD",
        "s3cret",
        SecretStr("s3cret"),
        None,
    ),
    (
        *("flower_url", "DISPATCHER_FLOWER_URL"),
        *("https://flower.example", "https://flower.example", None),
    ),
    ("allow_unsafe_redis", "DISPATCHER_ALLOW_UNSAFE_REDIS", "1", True, False),
    ("log_format", "DISPATCHER_LOG_FORMAT", "json", "json", "auto"),
    ("log_level", "DISPATCHER_LOG_LEVEL", "debug", "debug", "info"),
]
SECRETS = [name for name, *_, read, _ in VARIABLES if isinstance(read, SecretStr)]


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An environment that says nothing to us, but much to others."""
    for name in os.environ:
        if name.upper().startswith(("BW_", "DISPATCHER_")):
            monkeypatch.delenv(name)
    for name in ("USERNAME", "PASSWORD", "NUMBER", "SLOTS", "REDIS_URL", "ACCOUNT_ID"):
        monkeypatch.setenv(name, "from-the-shell")
    monkeypatch.setattr(module, "SECRETS", tmp_path / "none")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("row", VARIABLES, ids=lambda row: row[1])
def test_every_variable(
    monkeypatch: pytest.MonkeyPatch, row: tuple[str, str, str, object, object]
) -> None:
    """Each is read from its variable, or has its default; nothing else changes."""
    field, variable, text, read, default = row
    bare = Settings.load()
    assert getattr(bare, field) == default
    monkeypatch.setenv(variable, text)
    told = Settings.load()
    assert getattr(told, field) == read
    assert told.model_copy(update={field: default}) == bare


def test_no_variable_is_forgotten() -> None:
    """The table above has all of them, and the right names."""
    aliases = {name: info.alias for name, info in Settings.model_fields.items()}
    assert aliases == {name: variable for name, variable, *_ in VARIABLES}


@pytest.mark.parametrize(
    ("text", "actions"),
    [("none", set()), (" NONE ", set()), ("slow", {Action.SLOW})],
)
def test_code_actions(
    monkeypatch: pytest.MonkeyPatch, text: str, actions: set[Action]
) -> None:
    """A comma list, or none at all."""
    monkeypatch.setenv("DISPATCHER_CODE_ACTIONS", text)
    assert Settings.load().code_actions == actions


@pytest.mark.parametrize("text", ["media", "none,pause", "stop", "pause,"])
def test_no_such_code_action(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """A slip must not switch off what protects people."""
    monkeypatch.setenv("DISPATCHER_CODE_ACTIONS", text)
    with pytest.raises(ConfigError, match="DISPATCHER_CODE_ACTIONS"):
        Settings.load()


def test_the_shell_s_own_variables_are_not_ours() -> None:
    """$USERNAME is somebody's login, not the account's user."""
    assert "from-the-shell" not in repr(Settings.load().model_dump())


@pytest.mark.parametrize("variable", ["BW_USERNAME", "DISPATCHER_ACCOUNT_RATE"])
def test_an_empty_variable_is_one_that_is_not_set(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """As compose files and shell scripts leave them."""
    bare = Settings.load()
    monkeypatch.setenv(variable, "")
    assert Settings.load() == bare


@pytest.mark.parametrize("text", ["none", "None", "NONE", " none "])
@pytest.mark.parametrize("which", ["ACCOUNT", "SENDER"])
def test_none_switches_a_rate_off(
    monkeypatch: pytest.MonkeyPatch, which: str, text: str
) -> None:
    """In any case."""
    monkeypatch.setenv(f"DISPATCHER_{which}_RATE", text)
    assert getattr(Settings.load(), f"{which.lower()}_rate") is None


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("DISPATCHER_ACCOUNT_RATE", "0"),
        ("DISPATCHER_ACCOUNT_RATE", "-1"),
        ("DISPATCHER_ACCOUNT_RATE", "fast"),
        ("DISPATCHER_SENDER_RATE", "0"),
        ("DISPATCHER_SLOTS", "0"),
        ("DISPATCHER_SLOTS", "1001"),
        ("DISPATCHER_SLOTS", "2.5"),
        ("DISPATCHER_HTTP_DEADLINE", "0"),
        ("DISPATCHER_HTTP_DEADLINE", "16"),
        ("DISPATCHER_UNKNOWN_GRACE", "-1"),
        ("DISPATCHER_UNKNOWN_POLICY", "forget"),
        ("DISPATCHER_LOG_LEVEL", "loud"),
        ("DISPATCHER_LOG_FORMAT", "xml"),
        ("BW_BASE_URL", "messaging.bandwidth.com"),
        ("BW_TOKEN_URL", "ftp://id.test"),
    ],
)
def test_a_bad_value(monkeypatch: pytest.MonkeyPatch, variable: str, text: str) -> None:
    """It is refused by the variable's name, in one line."""
    monkeypatch.setenv(variable, text)
    with pytest.raises(ConfigError) as told:
        Settings.load()
    assert str(told.value).startswith(f"{variable}: ")
    assert "\n" not in str(told.value)


def test_all_faults_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line names every variable that is wrong, sorted, and shows no value."""
    wrong = {
        "DISPATCHER_SLOTS": "value-1",
        "BW_BASE_URL": "value-2",
        "DISPATCHER_ACCOUNT_RATE": "value-3",
        "DISPATCHER_LOG_LEVEL": "value-4",
    }
    for variable, text in wrong.items():
        monkeypatch.setenv(variable, text)
    with pytest.raises(ConfigError) as told:
        Settings.load()
    line = str(told.value)
    named = [fault.partition(":")[0] for fault in line.split("; ")]
    assert named == sorted(wrong)
    shown = "".join(traceback.format_exception(told.value))
    assert "value-" not in shown


def test_overrides_win(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a program says goes before what the environment says."""
    monkeypatch.setenv("DISPATCHER_SLOTS", "5")
    assert Settings.load(slots=7).slots == 7
    with pytest.raises(ConfigError, match="DISPATCHER_SLOTS"):
        Settings.load(slots=0)


def test_it_is_frozen() -> None:
    """Read once, changed never."""
    with pytest.raises(ValidationError):
        Settings.load().slots = 3  # type: ignore[misc]


@pytest.mark.parametrize("field", SECRETS)
def test_secrets_show_in_nothing(field: str) -> None:
    """Not in its repr, text or dump; only when asked for by name."""
    told = Settings.load(**{field: "s3cret"})
    shown = f"{told!r} {told} {told.model_dump()} {told.model_dump_json()}"
    assert "s3cret" not in shown
    assert getattr(told, field).get_secret_value() == "s3cret"


def test_a_number_shows_in_no_repr() -> None:
    """The default sender is a phone number, too."""
    told = Settings.load(number="+19195551212")
    assert "9195551212" not in f"{told!r} {told}"


@pytest.mark.parametrize(
    "url", ["redis://:s3cret@h/0", "rediss://user:s3cret@h:6380/1"]
)
@pytest.mark.parametrize("field", ["redis_url", "ledger_url"])
def test_a_password_in_an_address_shows_in_no_repr(field: str, url: str) -> None:
    """Redis takes its password in the address."""
    told = Settings.load(**{field: url})
    assert "s3cret" not in f"{told!r} {told}"
    assert getattr(told, field) == url


def test_the_data_path_is_expanded() -> None:
    """`~` is the home directory of whoever runs it."""
    assert Settings.load().data_path == Path.home() / ".local/share/dispatcher"


# -- secrets in files ------------------------------------------------------------


def secrets(monkeypatch: pytest.MonkeyPatch, path: Path, **files: str) -> None:
    path.mkdir(exist_ok=True)
    for name, text in files.items():
        (path / name).write_text(text)
    monkeypatch.setattr(module, "SECRETS", path)


def test_secrets_may_stand_in_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As container engines give them: by the variable's name, end of line or not."""
    secrets(monkeypatch, tmp_path / "s", BW_PASSWORD="s3cret\n", USERNAME="shell")
    told = Settings.load()
    assert told.password == SecretStr("s3cret")
    assert told.username is None


def test_the_environment_goes_before_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A file is the default of its variable."""
    secrets(monkeypatch, tmp_path / "s", BW_PASSWORD="from-file")
    monkeypatch.setenv("BW_PASSWORD", "from-environment")
    assert Settings.load().password == SecretStr("from-environment")


def test_a_directory_that_is_none_is_no_fault(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Most machines have no such directory, and nobody is warned of it."""
    monkeypatch.setattr(module, "SECRETS", tmp_path / "missing")
    assert Settings.load().password is None


def test_no_file_of_the_working_directory_is_read(tmp_path: Path) -> None:
    """A forgotten .env must not decide which account is used."""
    (tmp_path / ".env").write_text("BW_ACCOUNT_ID=wrong\n")
    assert Settings.load().account_id is None


def test_unreadable_secrets_are_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One line, no traceback of a library."""
    secrets(monkeypatch, tmp_path / "s", BW_PASSWORD="s3cret")

    def refuse(*_: Any, **__: Any) -> str:  # noqa: ANN401
        raise PermissionError(13, "denied", "/run/secrets/BW_PASSWORD")

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(ConfigError, match="cannot be read"):
        Settings.load()


def test_the_readme_s_table_has_them_all() -> None:
    """And names none that is not there."""
    readme = Path(__file__).parents[2].joinpath("README.md").read_text("utf-8")
    table = readme.partition("\n## Settings\n")[2].partition("\n## ")[0]
    named = {
        name
        for line in table.splitlines()
        if line.startswith("| `")
        for name in re.findall(r"`(\w+)`", line.split("|")[1])
    }
    assert named == {field.alias for field in Settings.model_fields.values()}
