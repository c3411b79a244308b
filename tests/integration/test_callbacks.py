"""Callbacks end to end: every recipient ends as the provider knows it, come what may.

At full size: TEST_CALLBACK_GROUPS=10000 in the environment.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import pytest

from dispatcher import Run
from dispatcher.ledger.connection import connect
from dispatcher.ledger.keys import key
from dispatcher.simulator.fates import Fate
from tests.stack import Stack, eventually

GROUPS: Final = int(os.environ.get("TEST_CALLBACK_GROUPS", "150"))
#: Seconds for everything to come to rest.
PATIENCE: Final = 60 + GROUPS / 10

pytestmark = [pytest.mark.integration, pytest.mark.timeout(3 * PATIENCE)]

DISORDER: Final = (
    *("callback-doubled=0.2", "callback-shuffled=0.3", "callback-late=0.05"),
    *("callback-early=0.05", "callback-sent=0.3", "callback-foreign=0.02"),
    *("callback-unknown-type=0.02", "callback-failed=0.01", "callback-no-final=0.01"),
    "callback-failed-then-delivered=0.02",
    "drop-after=0.1",
)


def test_every_recipient_ends_as_the_provider_knows_it(tmp_path: Path) -> None:
    """Doubled, shuffled, late, early, foreign; the receiver is killed twice.

    A tenth of the answers gets lost, and searches find nothing: those groups are
    settled by the tag of their callbacks alone.
    """
    settings = {"DISPATCHER_UNCONFIRMED_AFTER": "5"}
    with Stack(tmp_path, faults=DISORDER, index_lag=3600, settings=settings) as stack:
        receiver = stack.receiver()
        stack.worker()
        run = stack.submit(GROUPS * 10)
        for share in (1 / 4, 1 / 2):
            told = int(GROUPS * 20 * share)
            eventually(lambda n=told: acknowledged(stack) > n, PATIENCE, "callbacks")  # type: ignore[misc]
            receiver.kill()
            receiver = stack.receiver(receiver.port)
        run.wait(timeout=PATIENCE)
        stack.simulator.settle(PATIENCE)
        eventually(lambda: is_over(stack, run), PATIENCE, "everything applied")
        wrong = differences(run, stack.simulator.truth())
        assert not wrong, wrong[:10]
        witness = stack.witness(run)
        assert (witness.doubled, witness.lost, witness.misbooked) == (0, [], [])
        assert run.verify().differences == []
        assert stack.receiver_log().count("group.proven") > 0
        assert "+1" not in stack.receiver_log()


def test_polling_finds_what_no_callback_tells(tmp_path: Path) -> None:
    """Nobody is called back: the search alone says how far every message got."""
    with Stack(tmp_path, faults=["callback-failed=0.1"]) as stack:
        stack.worker()
        run = stack.submit(1500)
        run.wait(timeout=PATIENCE)
        stack.poller()
        eventually(lambda: is_over(stack, run), PATIENCE, "everything is known")
        wrong = differences(run, stack.simulator.truth())
        assert not wrong, wrong[:10]
        assert run.verify().differences == []
        assert "+1" not in stack.receiver_log()


def acknowledged(stack: Stack) -> int:
    return stack.simulator.callbacks().acknowledged


def is_over(stack: Stack, run: Run) -> bool:
    """Nothing waits in the inbox, and nobody waits for a word."""
    with connect(stack.env["DISPATCHER_REDIS_URL"]) as redis:
        if redis.exists(key("inbox")):
            return False
    delivery = run.progress().delivery
    return not (delivery["awaiting"] or delivery["sending"] or delivery["sent"])


def differences(run: Run, truth: dict[tuple[str, str], Fate]) -> list[str]:
    """Recipients whose row is not what the provider knows."""
    wrong = []
    for row in run.results(by="recipient"):
        fate = truth[row.message_id or "", row.number]
        state = "unconfirmed" if fate.state == "none" else fate.state
        if (row.delivery, row.error_code) != (state, fate.code):
            wrong.append(f"{row.group}: {row.delivery} {row.error_code}, truly {fate}")
    return wrong
