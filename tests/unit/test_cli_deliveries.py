"""What people read about deliveries: counts, codes in words, what was done."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from dispatcher import words
from dispatcher.cli import report
from dispatcher.cli.watching import Look, View
from dispatcher.ledger.states import DeliveryState
from dispatcher.pauses import what_to_do
from dispatcher.results import CodeAction
from tests.unit.progresses import progress

NOW = replace(
    progress(accepted=10),
    delivery={state.word: 0 for state in DeliveryState}
    | {"delivered": 90, "awaiting": 7, "failed": 3},
    codes={4720: 1, 4781: 2},
    actions=(CodeAction("slow", 4781, 1), CodeAction("suppress", 4475, 2)),
    slow_pace=0.5,
    slow_until=datetime(2027, 1, 15, 8, tzinfo=UTC),
)


def test_status(capsys: pytest.CaptureFixture[str]) -> None:
    """What is final first; each code and each action in plain words."""
    report.progress(NOW, {})
    shown = " ".join(capsys.readouterr().out.split())
    assert "recipients 90 delivered, 3 failed, 7 awaiting" in shown
    assert (
        "slowed down 1 time, code 4781: faster than AT&T lets this campaign send"
        in shown
    )
    assert "opted out 2 recipients, code 4475: this person opted out" in shown
    assert "held to 0.5 units/s until" in shown
    assert "2 4781 faster than AT&T lets this campaign send" in shown
    assert "1 4720 this number is not valid for messages" in shown


def test_nothing_to_say() -> None:
    """Before the first message was taken there are no deliveries."""
    bare = replace(NOW, delivery={}, actions=(), slow_pace=None, slow_until=None)
    assert list(report.deliveries(bare)) == []


def test_every_state_has_its_place() -> None:
    """No delivery state is left out of the line."""
    every = {state.word: 1 for state in DeliveryState}
    assert len(words.deliveries(every).split(", ")) == len(DeliveryState)


def test_a_failure_without_a_code() -> None:
    """The provider named none: that is said."""
    assert words.explain_delivery_code(0) == "the provider gave no code"


def test_a_pause_by_a_code_says_what_to_do() -> None:
    """The reason names the code; the advice is not the one for a wrong password."""
    assert what_to_do("code 4476: the sender ...").startswith("mend the cause")


def test_watching_in_a_pipe() -> None:
    """The line tells both ends; news about deliveries are a change."""
    look = Look(0.0, 100, NOW)
    view = View(look, None, 0, seen_change=True, limit=None, limited_by="")
    assert "90 delivered  3 undelivered" in view.line()
    more = replace(NOW, delivery={**NOW.delivery, "delivered": 91, "awaiting": 6})
    assert not look.same_as(Look(1.0, 100, more))
