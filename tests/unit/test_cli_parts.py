"""The command line's parts: errors, times, words, forecast."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Annotated

import pytest
import typer

from dispatcher import errors, words
from dispatcher.cli import options, report
from dispatcher.cli.failures import CODES, judge
from dispatcher.errors import CampaignError
from dispatcher.forecast import forecast
from dispatcher.ledger.states import GroupState
from dispatcher.numbers import Reason

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)


# -- errors --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.ColumnError("no column"), 2),
        (errors.ListError("empty"), 1),
        (errors.ConfigError("no Redis"), 2),
        (errors.InvalidInput("wrong"), 2),
        (errors.LedgerUnreachable("away"), 1),
        (errors.UnknownCampaign("none"), 1),
        (errors.ContentConflict("other"), 1),
        (errors.ListRejected("nobody"), 1),
        (errors.DispatchError("failed"), 1),
        (FileNotFoundError(2, "No such file", "x"), 1),
        (KeyboardInterrupt(), 130),
        (typer.Abort(), 130),
    ],
)
def test_each_error_has_its_exit_code(error: BaseException, code: int) -> None:
    """Wrong calls are told from failed jobs; an interruption is quiet."""
    judgement = judge(error)
    assert judgement.code == code
    assert bool(judgement.line) == (code != 130)


def test_every_error_of_ours_is_judged() -> None:
    """None ends as a traceback."""
    ours = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    assert all(any(base in CODES for base in kind.__mro__) for kind in ours)


def test_a_line_is_one_line() -> None:
    """Line breaks inside a message are folded."""
    assert judge(errors.DispatchError("one\n  two")).line == "one two"


def test_fields_are_told_as_options() -> None:
    """Who typed --at is not told of starts_at; words that are no fields stay."""
    faults = ["starts_at: text, or a time", "expires_at: choose one after starts_at"]
    assert judge(CampaignError(faults)).line == (
        "--at: text, or a time; --expires-at: choose one after --at"
    )


def test_a_system_error_names_its_file() -> None:
    """What failed, and on what."""
    assert judge(OSError(28, "No space left", "/data/x")).line == (
        "/data/x: No space left"
    )


# -- options -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-12-01T18:00-05:00", "2026-12-01T23:00:00+00:00"),
        ("2026-12-01T18:00Z", "2026-12-01T18:00:00+00:00"),
        ("2026-12-01 18:00:30+00:00", "2026-12-01T18:00:30+00:00"),
    ],
)
def test_times_with_an_offset(text: str, expected: str) -> None:
    """The offset counts, whatever this machine's is."""
    moment = options.parse_time(text, "--at")
    assert moment == datetime.fromisoformat(expected)


def test_a_time_without_an_offset_is_local() -> None:
    """It is what the clock on the wall shows."""
    local = datetime(2026, 12, 1, 18).astimezone()
    assert options.parse_time("2026-12-01T18:00", "--at") == local


def test_no_time_is_none() -> None:
    """An option left out stays left out."""
    assert options.parse_time(None, "--at") is None


@dataclass(frozen=True, kw_only=True)
class Sized:
    """Options of a command made for a test."""

    name: Annotated[str, typer.Argument()]
    size: Annotated[int, options.option("--size N", "How big.")] = 3


def test_a_commands_options_can_be_a_dataclass() -> None:
    """Typer reads them from the dataclass, and the command gets one object."""
    given: list[Sized] = []

    @options.taking(Sized)
    def command(sized: Sized) -> None:
        given.append(sized)

    app = typer.Typer()
    app.command()(command)
    app(["box", "--size", "4"], standalone_mode=False)
    assert given == [Sized(name="box", size=4)]


# -- words ---------------------------------------------------------------------


def test_every_state_has_its_words() -> None:
    """A new state cannot be forgotten."""
    assert set(words.STATES) == {state.word for state in GroupState}


@pytest.mark.parametrize(
    "code",
    [
        *("400 request-validation", "429 x", "503", "timeout", "connection-lost"),
        *("attempts used up: 500 x", "connect-failed", "worker fault", "expired"),
    ],
)
def test_error_codes_are_explained(code: str) -> None:
    """Each code that a group can end with says something to a person."""
    assert words.explain_code(code)


def test_an_unheard_of_code_is_not_explained() -> None:
    """No explanation is better than a wrong one."""
    assert words.explain_code("??") == ""


def test_reasons_of_rejections_are_explained() -> None:
    """By their own sentence; an unknown one stands for itself."""
    assert words.explain_rejection("empty") == Reason.EMPTY.explanation
    assert words.explain_rejection("new") == "new"


@pytest.mark.parametrize(
    ("number", "expected"), [(0, "0 rows"), (1, "1 row"), (12345, "12,345 rows")]
)
def test_counts(number: int, expected: str) -> None:
    """One is not several."""
    assert words.count(number, "row") == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0 s"),
        (0.1, "1 s"),
        (59.2, "1 min 0 s"),
        (61, "1 min 1 s"),
        (3599.5, "1 h 0 min"),
        (7384, "2 h 3 min"),
    ],
)
def test_durations_are_rounded_up(seconds: float, expected: str) -> None:
    """A forecast is never too short."""
    assert words.duration(seconds) == expected


# -- forecast ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rates", "seconds"),
    [((10.0, None, None), 10), ((10.0, 5.0, 2.0), 50), ((None, None, None), 0)],
)
def test_the_tightest_rate_decides(
    rates: tuple[float | None, ...], seconds: float
) -> None:
    """No limit at all is no time at all."""
    assert forecast(100, rates, now=NOON).seconds == seconds


@pytest.mark.parametrize(("hours", "starts"), [(2, 2), (-2, 0)])
def test_a_forecast_starts_when_it_may(hours: int, starts: int) -> None:
    """In the future when that is asked for, else now."""
    asked = NOON + timedelta(hours=hours)
    outlook = forecast(60, [1.0], now=NOON, starts_at=asked)
    assert outlook.starts_at == NOON + timedelta(hours=starts)
    assert outlook.ends_at - outlook.starts_at == timedelta(minutes=1)


def test_forecast_as_json_keeps_the_zone() -> None:
    """Times in JSON have an offset."""
    local = NOON.astimezone(timezone(timedelta(hours=-5)))
    assert forecast(3, [2.0], now=local).as_row() == {
        "starts_at": "2026-12-01T07:00:00-05:00",
        "ends_at": "2026-12-01T07:00:01-05:00",
        "seconds": 1.5,
    }


# -- what is shown of numbers --------------------------------------------------


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("(919) 555-1212", "+1919***1212"),
        ("call the office", "ca***ce"),
        ("919-555", "***"),
        ("\x1b[2J and more", "?[***re"),
    ],
)
def test_rejected_values_are_masked(value: str, shown: str) -> None:
    """Good numbers as numbers, the rest mostly hidden, nothing for the terminal."""
    assert report.masked(value, "US") == shown
