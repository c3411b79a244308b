"""Calls of the command line that end before Redis is asked: one line, right code."""

from __future__ import annotations

import socket
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import pytest

from dispatcher.cli.entry import run
from dispatcher.settings import Settings


class Answer(NamedTuple):
    """What a call left behind."""

    code: int
    out: str
    err: str


Cli = Callable[..., Answer]

NUMBER = "+19195550100"


@pytest.fixture
def cli(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Cli:
    """The command line in an empty folder and with no setting set."""
    for field in Settings.model_fields.values():
        monkeypatch.delenv(str(field.alias), raising=False)
    monkeypatch.setenv("DISPATCHER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    Path("good.csv").write_text("name,phone\nA,+19195550101\nB,+19195550102\n")
    Path("two.csv").write_text("phone,mobile\n+19195550101,+19195550102\n")
    Path("empty.csv").touch()

    def call(*arguments: str) -> Answer:
        code = run(arguments)
        return Answer(code, *capsys.readouterr())

    return call


SUBMIT = ("submit", "good.csv", "--sender", NUMBER, "--text", "hi")

#: A wrong call, and words of the one line that says so.
WRONG = [
    (("submit",), "missing argument 'LIST'"),
    (("submit", "good.csv", "--text", "hi"), "--sender or set BW_NUMBER"),
    (("submit", "good.csv", "--sender", NUMBER), "--text or --media: write"),
    (("submit", "good.csv", "--sender", "555", "--text", "x"), "--sender: write"),
    ((*SUBMIT, "--group-size", "ten"), "--group-size: write a whole number"),
    ((*SUBMIT, "--group-size", "11"), "--group-size: pass a whole number from 1"),
    ((*SUBMIT, "--pace", "fast"), "--pace: write a number"),
    ((*SUBMIT, "--pace", "0"), "--pace: pass units per second"),
    ((*SUBMIT, "--media", "ftp://x"), "--media: pass"),
    ((*SUBMIT, "--at", "soon"), "--at: write a time such as"),
    ((*SUBMIT, "--expires-at", "0001-01-01"), "--expires-at: write a time such as"),
    (
        (*SUBMIT, "--at", "2030-01-02", "--expires-at", "2030-01-01"),
        "--expires-at: choose a time after --at",
    ),
    ((*SUBMIT, "--hours", "9 to 5"), "--hours: write hours as two different times"),
    ((*SUBMIT, "--stop-after", "0"), "--stop-after: write a number greater than"),
    ((*SUBMIT, "--id", "no spaces"), "an id has 1 to 64"),
    ((*SUBMIT, "--region", "ZZ"), "region"),
    ((*SUBMIT, "--column", "fone"), "there is no column fone"),
    ((*SUBMIT, "--group-by", "family"), "there is no column family"),
    (("submit", "two.csv", "--sender", NUMBER, "--text", "x"), "--column"),
    ((*SUBMIT, "more.csv"), "unexpected extra argument(s) (more.csv)"),
    ((*SUBMIT, "--sendre", "x"), "no such option: --sendre; did you mean --sender"),
    ((*SUBMIT, "--text"), "'--text' requires an argument"),
    (("sumbit",), "no such command 'sumbit'; did you mean 'submit'"),
    (("status", "no spaces"), "no Redis: set DISPATCHER_REDIS_URL"),
    (("status",), "no Redis: set DISPATCHER_REDIS_URL"),
    (("results", "x", "--format", "xml"), "--format: 'xml' is not one of"),
    (("results", "x", "--by", "name"), "--by: 'name' is not one of"),
    (("resolve", "x", "1"), "either --sent MESSAGE_ID or --not-sent"),
    (("resolve", "x", "1", "--sent", "m", "--not-sent"), "either --sent"),
    (("resolve", "x", "1", "--sent", " "), "--sent: write"),
    (("resolve", "x", "1", "--sent", "m" * 257), "--sent: write"),
    (("resolve", "x", "one", "--not-sent"), "GROUP: write a whole number"),
    (("worker", "--concurrency", "0"), "--concurrency: write a number greater"),
    (("worker", "--log-level", "loud"), "--log-level: 'loud' is not one of"),
    (("simulator", "--port", "99999"), "port"),
    (("simulator", "--rate", "fast"), "--rate: write"),
    (("simulator", "--fault", "500"), "KIND=SHARE"),
    (("simulator", "--fault", "oops=1"), "unknown fault 'oops'"),
    (("serve", "--port", "70000"), "--port: write a number"),
    (("serve", "--host", "0.0.0.0"), "the callback receiver on 0.0.0.0 needs a pass"),
    (("serve", "--host", "::"), "DISPATCHER_CALLBACK_USERNAME and DISPATCHER_CALLB"),
    (("serve",), "no Redis: set DISPATCHER_REDIS_URL"),
    (("demo", "--recipients", "0"), "--recipients: write a number greater"),
    (("--json",), "no such option: --json"),
]


@pytest.mark.parametrize(("arguments", "words"), WRONG)
def test_a_wrong_call_is_told_in_one_line(
    cli: Cli, arguments: tuple[str, ...], words: str
) -> None:
    """Exit code 2, nothing on stdout, one line on stderr that says what to do."""
    answer = cli(*arguments)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("dispatcher: ")
    assert answer.err.count("\n") == 1
    assert words in answer.err


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nobody.csv", "there is no file nobody.csv"),
        ("empty.csv", "is empty"),
        (".", "is a folder"),
    ],
)
def test_a_list_that_cannot_be_read_is_a_failed_job(
    cli: Cli, name: str, words: str
) -> None:
    """Exit code 1: the call is right, the list is not."""
    answer = cli("submit", name, "--sender", NUMBER, "--text", "hi")
    assert (answer.code, answer.out, answer.err.count("\n")) == (1, "", 1)
    assert words in answer.err


def test_all_faults_of_a_call_are_told_together(cli: Cli) -> None:
    """Who mends one fault does not meet the next one only then."""
    answer = cli(*SUBMIT, "--group-size", "0", "--priority", "101", "--pace", "-1")
    assert answer.err.count("\n") == 1
    faults = answer.err.split("; ")
    assert [fault.split(":")[-2].strip() for fault in faults] == [
        "--group-size",
        "--pace",
        "--priority",
    ]


def test_a_number_among_stray_arguments_is_masked(cli: Cli) -> None:
    """A list typed instead of a file does not end up in a terminal's log."""
    answer = cli(*SUBMIT, "+19195550123")
    assert answer.code == 2
    assert "0123" not in answer.err


def test_a_bad_setting_is_told_by_name(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line names the variable, and the code is that of a wrong call."""
    monkeypatch.setenv("DISPATCHER_ACCOUNT_RATE", "fast")
    answer = cli("status")
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert "DISPATCHER_ACCOUNT_RATE" in answer.err


def test_a_redis_that_is_away_is_a_failed_job(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 1 and one line."""
    monkeypatch.setenv("DISPATCHER_REDIS_URL", "unix:///nowhere/redis.sock")
    answer = cli("status")
    assert (answer.code, answer.err.count("\n")) == (1, 1)


def test_worker_names_all_that_is_not_set(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Missing credentials are told before anything of Celery starts."""
    monkeypatch.setenv("DISPATCHER_REDIS_URL", "unix:///nowhere/redis.sock")
    answer = cli("worker")
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert "BW_ACCOUNT_ID" in answer.err


def test_simulator_says_where_it_cannot_listen(cli: Cli) -> None:
    """The line holds the address."""
    answer = cli("simulator", "--host", "192.0.2.1", "--port", "8477")
    assert (answer.code, answer.err.count("\n")) == (1, 1)
    assert "192.0.2.1, port 8477" in answer.err


def test_serve_takes_no_half_credentials(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told before anything listens; the password is not shown."""
    monkeypatch.setenv("DISPATCHER_CALLBACK_PASSWORD", "pass-word")
    answer = cli("serve")
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert "set both DISPATCHER_CALLBACK_USERNAME and" in answer.err
    assert "pass-word" not in answer.err


def test_serve_says_which_port_is_taken(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line that names it, exit code 1."""
    monkeypatch.setenv("DISPATCHER_REDIS_URL", "unix:///nowhere/redis.sock")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        answer = cli("serve", "--port", port)
    assert (answer.code, answer.err.count("\n")) == (1, 1)
    assert f"address 127.0.0.1, port {port}: " in answer.err


def test_version(cli: Cli) -> None:
    """The program's name and the version of what is installed."""
    expected = f"dispatcher {version('group-dispatcher')}\n"
    assert cli("--version") == (0, expected, "")


@pytest.mark.parametrize("arguments", [(), ("--help",)])
def test_the_bare_name_shows_what_there_is(
    cli: Cli, arguments: tuple[str, ...]
) -> None:
    """Every command of this step is listed."""
    answer = cli(*arguments)
    assert answer.code == 0
    for name in ("demo", "submit", "status", "verify", "results", "pause", "resume"):
        assert f"\n  {name} " in answer.out


@pytest.mark.parametrize(
    "name",
    [
        *("demo", "submit", "status", "verify", "results", "pause", "resume", "cancel"),
        *("retry", "resolve", "worker", "simulator", "serve"),
    ],
)
def test_every_command_has_help_that_fits_a_terminal(cli: Cli, name: str) -> None:
    """No line is longer than 80 columns, and every option says what it does."""
    answer = cli(name, "--help")
    assert answer.code == 0
    assert max(map(len, answer.out.splitlines())) <= 80
