"""What `dispatcher doctor` finds, by table; servers and provider are written down."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from dispatcher.cli import account, doctor, findings, findings_redis
from dispatcher.cli.account import Answer
from dispatcher.cli.entry import run as command_line
from dispatcher.cli.findings import Finding
from dispatcher.cli.findings_redis import RedisFacts
from dispatcher.cli.up_note import Note, leave, only_one
from dispatcher.cli.vitals import plain_address
from dispatcher.ledger.server import Facts
from dispatcher.results import Progress
from dispatcher.settings import Settings
from tests.unit.progresses import progress

GOOD: dict[str, Any] = {
    "redis_version": "7.4.1",
    "role": "master",
    "cluster_enabled": 0,
    "aof_enabled": 1,
    "maxmemory_policy": "noeviction",
    "maxmemory": 0,
    "used_memory": 2_000_000,
}
ALWAYS = {"appendfsync": "always", "save": ""}
IDLE = progress("fair", groups=0)


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting is set."""
    for field in Settings.model_fields.values():
        monkeypatch.delenv(str(field.alias), raising=False)


def of_redis(
    config: Mapping[str, str] | None = ALWAYS, skew: float = 0.0, **info: object
) -> dict[str, Finding]:
    """What is found of a good server with these differences, by check."""
    facts = RedisFacts(Facts(GOOD | info, config), skew)
    return {finding.check: finding for finding in findings_redis.examine_redis(facts)}


def test_a_good_server_is_all_right() -> None:
    """Every check says ok, and none gives advice."""
    found = of_redis()
    assert {finding.level for finding in found.values()} == {"ok"}
    assert not any(finding.advice for finding in found.values())
    assert found.keys() == {
        *("version", "role", "durability", "eviction", "memory", "clock"),
    }


@pytest.mark.parametrize(
    ("given", "check", "level", "words"),
    [
        ({"redis_version": "6.2.14"}, "version", "fault", "Redis 6.2.14"),
        ({"valkey_version": "8.0.1"}, "version", "ok", "Valkey 8.0.1"),
        ({"redis_version": "?"}, "version", "fault", "?"),
        ({"cluster_enabled": 1}, "role", "fault", "cluster"),
        ({"role": "slave"}, "role", "fault", "replica"),
        ({"aof_enabled": 0}, "durability", "fault", "keeps nothing"),
        (
            {"aof_enabled": 0, "config": {"save": "3600 1"}},
            *("durability", "warning", "since the last snapshot; groups sent"),
        ),
        ({"aof_enabled": 0, "config": None}, "durability", "warning", "snapshot"),
        (
            {"config": {"appendfsync": "no"}},
            *("durability", "warning", "the last half minute"),
        ),
        ({"maxmemory_policy": None}, "eviction", "warning", "not shown"),
        (
            {"config": {"appendfsync": "everysec"}},
            *("durability", "warning", "appendfsync everysec: a crash"),
        ),
        ({"config": None}, "durability", "warning", "more is not shown"),
        ({"maxmemory_policy": "allkeys-lru"}, "eviction", "fault", "vanish"),
        ({"maxmemory": 9_000_000}, "memory", "ok", "2.0 MB used of 9.0 MB"),
        ({"maxmemory": 2_500_000}, "memory", "warning", "of 2.5 MB"),
        ({"maxmemory": 2_000_000}, "memory", "fault", "of 2.0 MB"),
        ({"skew": 1.9}, "clock", "ok", "agree"),
        ({"skew": 30.0}, "clock", "warning", "30.0 s ahead"),
        ({"skew": -30.0}, "clock", "warning", "30.0 s behind"),
    ],
)
def test_what_a_server_lacks(
    given: dict[str, Any], check: str, level: str, words: str
) -> None:
    """Each difference is told once, with what to do about it."""
    found = of_redis(**given)[check]
    assert found.level == level
    assert words in found.found
    assert bool(found.advice) == (level != "ok")


# -- the provider --------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "step", "level", "words"),
    [
        (200, "search", "ok", "takes the credentials"),
        (401, "search", "fault", "refuses them (401)"),
        (403, "token", "fault", "refuses them (403)"),
        (404, "search", "fault", "account or address"),
        (None, "search", "fault", "cannot be reached"),
        (429, "search", "warning", "(429)"),
        (302, "search", "warning", "(302)"),
        (500, "token", "warning", "(500)"),
    ],
)
def test_what_an_answer_means(
    status: int | None, step: str, level: str, words: str
) -> None:
    """Only an answer about the credentials says that they are wrong."""
    found = findings.provider(status, step)
    assert found.level == level
    assert words in found.found


def asked(
    settings: dict[str, Any], answer: Callable[[httpx.Request], httpx.Response]
) -> tuple[Answer, list[httpx.Request]]:
    requests: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return answer(request)

    transport = httpx.MockTransport(handle)
    return account.ask(Settings.load(**settings), transport), requests


BASIC = {
    "base_url": "https://bw.test/api/v2/",
    "account_id": "55/1",
    "username": "user",
    "password": "pa55",
}
OAUTH = {
    "base_url": "https://bw.test/api/v2",
    "token_url": "https://id.test/token",
    "account_id": "551",
    "client_id": "client",
    "client_secret": "s3cret",
}


def test_the_question_sends_nothing() -> None:
    """It is a search for one message, with the worker's credentials."""
    answer, (request,) = asked(BASIC, lambda _: httpx.Response(200, json={}))
    assert answer == Answer(200)
    assert (request.method, request.content) == ("GET", b"")
    assert str(request.url) == (
        "https://bw.test/api/v2/users/55%2F1/messages?messageDirection=OUTBOUND&limit=1"
    )
    assert request.headers["Authorization"] == "Basic dXNlcjpwYTU1"


def test_with_oauth_a_token_comes_first() -> None:
    """And the search goes with it."""
    answer, requests = asked(
        OAUTH, lambda _: httpx.Response(200, json={"access_token": "t0ken"})
    )
    assert answer == Answer(200)
    assert [request.url.host for request in requests] == ["id.test", "bw.test"]
    assert requests[1].headers["Authorization"] == "Bearer t0ken"


@pytest.mark.parametrize(("status", "told"), [(400, 401), (401, 401), (503, 503)])
def test_a_client_that_gets_no_token(status: int, told: int) -> None:
    """The account is not asked; 400 means an unknown client here."""
    answer, requests = asked(OAUTH, lambda _: httpx.Response(status))
    assert answer == Answer(told, "token")
    assert len(requests) == 1


@pytest.mark.parametrize(("fields", "step"), [(BASIC, "search"), (OAUTH, "token")])
def test_a_provider_that_is_away(fields: dict[str, Any], step: str) -> None:
    """No answer is no status; it is known who did not answer."""

    def away(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    assert asked(fields, away)[0] == Answer(None, step)


@pytest.mark.parametrize(
    ("fields", "missing"),
    [
        (BASIC, ""),
        (OAUTH, ""),
        (BASIC | {"password": None}, "not set: BW_PASSWORD"),
        ({}, "not set: BW_ACCOUNT_ID, BW_USERNAME, BW_PASSWORD"),
    ],
)
def test_what_is_missing_is_named(fields: dict[str, Any], missing: str) -> None:
    """As the worker would name it."""
    assert account.lacking(Settings.load(**fields)) == missing


# -- rates, workers, campaigns -------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "level", "words"),
    [
        ({}, "warning", "1 unit/s for the account, the default"),
        ({"account_rate": None}, "warning", "not limited"),
        ({"account_rate": 50.0}, "ok", "50 units/s for the account"),
        ({"account_rate": 50.0, "sender_rate": 2.0}, "ok", "2 for each sender"),
    ],
)
def test_rates(fields: dict[str, Any], level: str, words: str) -> None:
    """A rate that somebody chose is all right; the default is worth a word."""
    found = findings.rates(Settings.load(**fields))
    assert found.level == level
    assert words in found.found


def test_the_rate_of_what_is_up_counts() -> None:
    """This terminal's settings are not those of the workers then."""
    note = Note(
        pid=1,
        flower="",
        simulator="",
        callbacks="",
        account_rate=7.0,
        sender_rate=None,
    )
    found = findings.rates(Settings.load(), running=note)
    assert (found.level, found.found) == ("ok", "7 units/s, as `dispatcher up` has it")


@pytest.mark.parametrize(
    ("children", "ready", "level"),
    [(2, 0, "ok"), (2, 5, "ok"), (0, 0, "warning"), (0, 1, "fault")],
)
def test_workers(children: int, ready: int, level: str) -> None:
    """No worker is a fault when something waits for one."""
    assert findings.workers(children, ready).level == level


@pytest.mark.parametrize(("wake_ups", "level"), [(0, "ok"), (5000, "warning")])
def test_queue(wake_ups: int, level: str) -> None:
    """Wake-ups that nobody takes are a sign that nobody listens here."""
    assert findings.queue(wake_ups).level == level


@pytest.mark.parametrize(
    ("waiting", "receiving", "level", "words"),
    [
        (0, True, "ok", "0 callbacks waiting"),
        (9_999, True, "ok", "9,999 callbacks"),
        (10_000, True, "warning", "10,000 callbacks"),
        (1, False, "fault", "no receiver runs, 1 callback waiting"),
        (0, False, "warning", "who wrote STOP, is not heard"),
    ],
)
def test_callbacks(waiting: int, *, receiving: bool, level: str, words: str) -> None:
    """Stored callbacks that nobody applies are a fault; a pile is worth a word."""
    found = findings.callbacks(waiting, receiving=receiving)
    assert (found.level, bool(found.advice)) == (level, level != "ok")
    assert words in found.found


def test_an_archive_that_was_cut_off() -> None:
    """A warning with the command that finishes it; nothing while there is none."""
    assert list(findings.half_archived([])) == []
    (found,) = findings.half_archived(["fair", "other"])
    assert (found.level, found.check) == ("warning", "archive")
    assert found.found.startswith("2 campaigns exported")
    assert found.advice == "finish it: dispatcher archive fair"


def counting(**counts: int) -> Progress:
    return progress("fair", groups=0, **counts)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (replace(IDLE, state="paused", reason="canary"), "dispatcher resume fair"),
        (counting(held=2), "dispatcher resolve fair GROUP"),
        (counting(unknown=1), "wait"),
    ],
)
def test_campaigns_that_wait_for_somebody(row: Progress, words: str) -> None:
    """Each is a warning with what to do."""
    total, found = findings.campaigns([row])
    assert (total.level, total.found) == ("ok", "1 campaign")
    assert (found.level, found.check) == ("warning", "campaign fair")
    assert words in found.advice


def test_many_campaigns_are_not_all_named() -> None:
    """A list that fills the screen hides what matters."""
    *_, last = found = list(findings.campaigns([counting(held=1)] * 25))
    assert len(found) == 12
    assert last.found == "and 15 more like these"


# -- the command ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("levels", "code", "summary"),
    [
        (["ok"], 0, "everything is well"),
        (["ok", "warning"], 0, "0 faults, 1 warning"),
        (["fault", "warning", "fault"], 1, "2 faults, 1 warning"),
    ],
)
def test_only_a_fault_is_a_failure(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    levels: list[Any],
    code: int,
    summary: str,
) -> None:
    """Everything is listed, and the last line counts."""
    found = [Finding(level, "check", "so", "do") for level in levels]
    monkeypatch.setattr(doctor, "examine", lambda: iter(found))
    assert command_line(["doctor"]) == code
    out = capsys.readouterr().out
    assert out.splitlines()[-1] == summary
    assert out.count("-> do") == len(levels)


def test_bad_settings_are_all_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each is a fault of its own."""
    monkeypatch.setenv("DISPATCHER_ACCOUNT_RATE", "fast")
    monkeypatch.setenv("DISPATCHER_SLOTS", "0")
    assert command_line(["doctor"]) == 1
    out = capsys.readouterr().out
    assert out.count("fault  ") == 2
    assert "DISPATCHER_ACCOUNT_RATE" in out
    assert "DISPATCHER_SLOTS" in out


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://user:s3cret@host:6380/0?password=s3cret", "redis://host:6380"),
        ("rediss://:s3cret@host", "rediss://host"),
        ("unix:///run/redis.sock?password=s3cret", "unix:///run/redis.sock"),
        ("redis+socket://:s3cret@/run/redis.sock", "redis+socket:///run/redis.sock"),
    ],
)
def test_an_address_is_shown_without_its_secrets(url: str, shown: str) -> None:
    """Wherever in it they stand."""
    assert plain_address(url) == shown


def test_calls_go_to_the_simulated_provider_while_up_runs_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nowhere else, whatever is set; afterwards to the real one."""
    monkeypatch.setenv("DISPATCHER_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("BW_USERNAME", "somebody")
    own = Settings.load()
    note = Note(
        pid=1,
        flower="",
        simulator="http://127.0.0.1:8080/api/v2",
        callbacks="",
        account_rate=1.0,
        sender_rate=None,
    )
    with only_one(own):
        leave(own, note)
        settings = account.at_provider()
        assert settings.base_url == "http://127.0.0.1:8080/api/v2"
        assert (settings.account_id, settings.username) == ("simulated", "simulated")
        assert settings.data_dir == tmp_path
    assert account.at_provider() == own
