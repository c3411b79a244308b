"""What people meet on the command line: waiting, questions, verdicts."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import cast

import pytest
import typer

from dispatcher.books import Verification
from dispatcher.cli import reading, report, steering, waiting
from dispatcher.cli.entry import run as command_line
from dispatcher.errors import LedgerUnreachable
from dispatcher.recipients import Row, read_recipients
from dispatcher.results import Progress
from dispatcher.run import Run
from tests.unit.progresses import progress

RUNNING = progress()
DONE = replace(RUNNING, state="done")
#: Codes of failed groups: the provider never judged it; it refused it.
SPENT = "attempts used up: 500 internal"
REFUSED = "400 request-validation"


def counting(progress: Progress, **counts: int) -> Progress:
    return replace(progress, counts={**progress.counts, **counts})


class FakeRun:
    """A campaign whose looks are written down beforehand."""

    id = "c"

    def __init__(self, *looks: Progress | Exception) -> None:
        self._looks = list(looks)
        self.retried: list[tuple[bool, bool]] = []
        self.codes: set[str] = set()
        self.failed = {SPENT: 3}
        self.found = Verification("c", 10, 100, {}, [])

    def progress(self) -> Progress:
        look = self._looks.pop(0) if len(self._looks) > 1 else self._looks[0]
        if isinstance(look, Exception):
            raise look
        return look

    def retry(self, *, failed: bool, held: bool, codes: Collection[str]) -> int:
        self.retried.append((failed, held))
        self.codes = set(codes)
        return 2

    def verify(self) -> Verification:
        return self.found

    def errors(self) -> dict[str, int]:
        return self.failed


def given(monkeypatch: pytest.MonkeyPatch, run: FakeRun) -> FakeRun:
    """The command line finds this campaign, whatever the id."""

    @contextmanager
    def campaign(_id: str) -> Iterator[Run]:
        yield cast("Run", run)

    monkeypatch.setattr(steering, "campaign", campaign)
    monkeypatch.setattr(reading, "campaign", campaign)
    return run


# -- waiting -------------------------------------------------------------------


def watch(run: FakeRun) -> list[str]:
    """The states seen, by a clock on which ten seconds pass between two looks."""
    seconds = iter(range(0, 10_000, 10))
    looks = waiting.looks(
        cast("Run", run), sleep=lambda _: None, now=lambda: float(next(seconds))
    )
    return [progress.state for progress in looks]


@pytest.mark.parametrize("state", ["done", "cancelled", "paused"])
def test_a_wait_ends_with_the_campaign(state: str) -> None:
    """Also when it pauses: nothing more happens by itself."""
    end = replace(RUNNING, state=state)
    assert watch(FakeRun(RUNNING, RUNNING, end)) == ["running", "running", state]


def test_a_wait_bears_a_redis_that_restarts() -> None:
    """A short absence is not even told."""
    assert watch(FakeRun(RUNNING, LedgerUnreachable("away"), DONE)) == [
        "running",
        "done",
    ]


def test_a_wait_does_not_bear_a_redis_that_stays_away() -> None:
    """After a minute it says so."""
    with pytest.raises(LedgerUnreachable):
        watch(FakeRun(RUNNING, LedgerUnreachable("away")))


@pytest.mark.parametrize(
    ("progress", "expected"),
    [
        (RUNNING, ""),
        (replace(RUNNING, rate=12.4, eta=61.0), "12 units/s, 1 min 1 s left"),
        (replace(DONE, rate=12.4), "12 units/s"),
        (counting(RUNNING, retry=1), "1 group to be tried again later"),
        (replace(counting(RUNNING, retry=1, sending=1), rate=3.0), "3 units/s"),
    ],
)
def test_speed_in_words(progress: Progress, expected: str) -> None:
    """Nothing is said that is not known."""
    assert waiting.speed(progress) == expected


def test_a_watched_list_is_the_same_list() -> None:
    """Watching changes neither rows nor region nor grouping."""
    plain = read_recipients(__file__, column=1, region="GB")
    watched = waiting.Watched(plain)
    assert isinstance(next(iter(watched)), Row)
    assert list(watched) == list(plain)
    assert (watched.region, watched.grouped) == (plain.region, plain.grouped)


@pytest.mark.parametrize(
    ("end", "told"),
    [
        (counting(DONE, accepted=10), ""),
        (counting(DONE, accepted=9, cancelled=1), ""),
        (counting(DONE, failed=1), "campaign c is done, 1 group failed"),
        (
            counting(DONE, unknown=2, held=1),
            "campaign c is done, 2 groups unknown, 1 group held",
        ),
        (
            replace(RUNNING, state="paused", reason="canary"),
            "campaign c is paused (canary)",
        ),
    ],
)
def test_a_wait_succeeds_only_when_all_were_accepted(end: Progress, told: str) -> None:
    """Opted-out groups are no failure; anything else that was not sent is one."""
    assert report.shortfall(end) == told


# -- retry ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "asked"),
    [
        ((), (True, False)),
        (("--failed",), (True, False)),
        (("--held", "--yes"), (False, True)),
        (("--failed", "--held", "--yes"), (True, True)),
    ],
)
def test_retry_takes_what_it_is_told(
    monkeypatch: pytest.MonkeyPatch, flags: tuple[str, ...], asked: tuple[bool, bool]
) -> None:
    """Failed groups if nothing is named: those cannot reach anybody twice."""
    run = given(monkeypatch, FakeRun(counting(RUNNING, held=3)))
    assert command_line(["retry", "c", *flags]) == 0
    assert run.retried == [asked]


@pytest.mark.parametrize(
    ("flags", "codes", "told"),
    [
        (("--failed",), {SPENT}, "2 groups (400 request-validation): not sent again"),
        (("--refused",), {SPENT, REFUSED}, "request-validation): to be sent again"),
        (("--held", "--refused", "--yes"), {SPENT, REFUSED}, "to be sent again"),
        (("--held", "--yes"), set(), ""),
    ],
)
def test_what_was_refused_is_left_alone(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    flags: tuple[str, ...],
    codes: set[str],
    told: str,
) -> None:
    """It is told first; only who says so sends it again."""
    run = given(monkeypatch, FakeRun(RUNNING))
    run.failed = {SPENT: 3, REFUSED: 2}
    assert command_line(["retry", "c", *flags]) == 0
    assert run.codes == codes
    assert told in capsys.readouterr().err


def test_nothing_but_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then nothing is sent again, and nobody is asked."""
    run = given(monkeypatch, FakeRun(RUNNING))
    run.failed = {REFUSED: 2}
    assert command_line(["retry", "c"]) == 0
    assert run.retried == [(False, False)]


@pytest.mark.parametrize(("answer", "code"), [(True, 0), (False, 1)])
def test_a_terminal_is_asked_about_failed_groups(
    monkeypatch: pytest.MonkeyPatch,
    answer: bool,  # noqa: FBT001 - a case of the table
    code: int,
) -> None:
    """A person sees the counts before anything happens."""
    run = given(monkeypatch, FakeRun(RUNNING))
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr(typer, "confirm", lambda *_, **__: answer)
    assert command_line(["retry", "c"]) == code
    assert bool(run.retried) == answer


def test_held_groups_are_not_retried_without_a_yes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a terminal to ask on, it says how many may have been taken."""
    run = given(monkeypatch, FakeRun(counting(RUNNING, held=3)))
    assert command_line(["retry", "c", "--held"]) == 2
    assert "3 held groups may have been taken" in capsys.readouterr().err
    assert run.retried == []


@pytest.mark.parametrize(
    ("answer", "code", "retried"), [(True, 0, [(False, True)]), (False, 1, [])]
)
def test_a_terminal_is_asked_about_held_groups(
    monkeypatch: pytest.MonkeyPatch,
    answer: bool,  # noqa: FBT001 - a case of the table
    code: int,
    retried: list[tuple[bool, bool]],
) -> None:
    """Nothing is sent again without a yes."""
    run = given(monkeypatch, FakeRun(counting(RUNNING, held=1)))
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr(typer, "confirm", lambda *_, **__: answer)
    assert command_line(["retry", "c", "--held"]) == code
    assert run.retried == retried


def test_no_held_groups_need_no_yes(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is nothing to be careful about."""
    given(monkeypatch, FakeRun(RUNNING))
    assert command_line(["retry", "c", "--held"]) == 0


def test_a_retry_in_a_paused_campaign_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The groups wait for `resume`."""
    given(monkeypatch, FakeRun(replace(RUNNING, state="paused", reason="by hand")))
    assert command_line(["retry", "c"]) == 0
    assert "dispatcher resume c" in capsys.readouterr().out


# -- verify --------------------------------------------------------------------


def test_books_that_do_not_balance_are_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1, the recount on stdout, all differences in one line on stderr."""
    run = given(monkeypatch, FakeRun(DONE))
    run.found = Verification("c", 9, 90, {"accepted": 9}, ["groups: 10, 9", "more"])
    assert command_line(["verify", "c"]) == 1
    out, err = capsys.readouterr()
    assert "balance" not in out
    assert err == "dispatcher: the books of c do not balance: groups: 10, 9; more\n"


def test_books_that_balance(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 0 and a plain word."""
    given(monkeypatch, FakeRun(DONE))
    assert command_line(["verify", "c"]) == 0
    assert "the books balance" in capsys.readouterr().out
