"""The demo's parts that need no process: its list, its settings, its orderly end."""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path

import pytest

from dispatcher.cli.demo_list import opted_out, write_list
from dispatcher.cli.demo_parts import Interrupts, _defaults, _environment
from dispatcher.errors import DispatchError
from dispatcher.intake import Intake
from dispatcher.numbers import Reason, e164, normalise
from dispatcher.recipients import read_recipients
from dispatcher.settings import Settings


def intake_of(path: Path) -> tuple[Intake, list[str]]:
    intake = Intake(read_recipients(path))
    return intake, [e164(number) for number, _ in intake]


@pytest.mark.parametrize("rows", [1, 10, 1000, 20_000])
def test_the_sample_list_has_as_many_rows_as_asked(tmp_path: Path, rows: int) -> None:
    """Good, bad and doubled ones together."""
    write_list(tmp_path / "demo" / "list.csv", rows)
    intake, _ = intake_of(tmp_path / "demo" / "list.csv")
    assert intake.rows == rows


def test_the_sample_list_has_what_real_lists_have(tmp_path: Path) -> None:
    """Bad numbers of several kinds, duplicates, and numbers the provider refuses."""
    write_list(tmp_path / "list.csv", 1000)
    intake, numbers = intake_of(tmp_path / "list.csv")
    assert intake.dropped[Reason.DUPLICATE] > 5
    assert len(intake.rejected) == 6
    lengths = Counter(map(len, numbers))
    assert lengths == {12: len(numbers) - lengths[7], 7: 2}


@pytest.mark.parametrize(("rows", "people"), [(69, 0), (70, 1), (1000, 7)])
def test_some_in_the_sample_list_have_opted_out(
    tmp_path: Path, rows: int, people: int
) -> None:
    """Each is in it once, and nobody else has such a number."""
    write_list(tmp_path / "list.csv", rows)
    _, numbers = intake_of(tmp_path / "list.csv")
    gone = [f"+{normalise(number)}" for number in opted_out(rows)]
    assert len(gone) == people
    assert [numbers.count(number) for number in gone] == [1] * people


def test_nobody_real_is_in_the_sample_list(tmp_path: Path) -> None:
    """Every number of usual length is of the fictional exchange."""
    write_list(tmp_path / "list.csv", 20_000)
    _, numbers = intake_of(tmp_path / "list.csv")
    assert {number[5:8] for number in numbers if len(number) == 12} == {"555"}


def test_the_demo_knows_no_setting_of_its_user(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither a real account nor a real ledger can reach a part of it."""
    monkeypatch.setenv("BW_CLIENT_ID", "real")
    monkeypatch.setenv("DISPATCHER_LEDGER_URL", "redis://real")
    monkeypatch.setenv("HOME", "/home/somebody")
    environment = _environment({"username": "demo", "account_rate": 250.0})
    settings = Settings.load(**_defaults())
    assert environment["HOME"] == "/home/somebody"
    assert environment["DISPATCHER_ACCOUNT_RATE"] == "250.0"
    assert not {"BW_CLIENT_ID", "DISPATCHER_LEDGER_URL"} & environment.keys()
    assert (settings.client_id, settings.ledger_url) == (None, None)


def run_parts(steps: list[str], *signals: int, failure: str = "") -> None:
    """Start and play; the signals come during the start."""
    with Interrupts() as interrupts:
        for number in signals:
            os.kill(os.getpid(), number)
        steps.append("started")
        if failure:
            raise DispatchError(failure)
        with interrupts.allowed():
            steps.append("played")


def play_until(number: int) -> None:
    """A signal comes while the demo plays."""
    with Interrupts() as interrupts, interrupts.allowed():
        os.kill(os.getpid(), number)
        pytest.fail("went on after the signal")


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
)
def test_a_signal_ends_what_may_be_interrupted(number: int, code: int) -> None:
    """With the code that says which signal it was."""
    with pytest.raises(SystemExit) as ended:
        play_until(number)
    assert ended.value.code == code


def test_a_signal_during_the_start_waits_for_its_end() -> None:
    """A process that is being started is noted before the demo ends."""
    steps: list[str] = []
    with pytest.raises(SystemExit):
        run_parts(steps, signal.SIGTERM)
    assert steps == ["started"]


def test_a_signal_during_the_clean_up_does_not_cut_it_off() -> None:
    """The impatient cannot leave a process behind."""
    steps: list[str] = []
    with Interrupts():
        os.kill(os.getpid(), signal.SIGINT)
        steps.append("cleaned up")
    assert steps == ["cleaned up"]


def test_what_fails_after_a_signal_failed_of_it() -> None:
    """A part that got the same Ctrl-C is not reported as a fault."""
    with pytest.raises(SystemExit) as ended:
        run_parts([], signal.SIGINT, failure="the simulator did not start")
    assert ended.value.code == 130


def test_what_fails_without_a_signal_is_a_fault() -> None:
    """It is reported as what it is."""
    with pytest.raises(DispatchError, match="did not start"):
        run_parts([], failure="the simulator did not start")


def test_handlers_are_put_back() -> None:
    """After the demo, Ctrl-C means what it meant before."""
    before = signal.getsignal(signal.SIGINT)
    run_parts([])
    assert signal.getsignal(signal.SIGINT) == before
