"""A child's memory of the ledger, against a fake one."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.unit.worker_fakes import AWAY, FakeLedger
from workers.memory import Memory

#: A comparison that finds nothing wrong.
WELL = [b"nonce", 5, b"h", b"", 0]


def remembered(*replies: Any, gates: int = 0) -> tuple[FakeLedger, list[Any]]:  # noqa: ANN401
    """A memory that compares once for each reply; the ledger, and what was logged."""
    ledger = FakeLedger(identify=list(replies))

    async def live() -> None:
        memory = Memory("child", ledger)
        for _ in replies:
            await memory.compare()
            if gates:
                memory.passed(gates)

    with capture_logs() as logs:
        asyncio.run(live())
    return ledger, logs


def test_a_server_started_anew_is_told_of() -> None:
    """Not the first one that it sees; one with another history, or one in doubt."""

    async def live() -> list[bool]:
        memory = Memory("child", ledger)
        return [await memory.compare() for _ in range(4)]

    other = [b"nonce", 5, b"i", b"", 0]
    doubted = [b"nonce", 5, b"i", b"set back", 0]
    ledger = FakeLedger(identify=[WELL, WELL, other, doubted])
    assert asyncio.run(live()) == [False, False, True, True]


def told(ledger: FakeLedger) -> list[list[Any]]:
    """What was remembered at each comparison."""
    return [arguments[1:] for script, arguments in ledger.asked if script == "identify"]


def test_it_remembers_the_highest_count() -> None:
    """Nothing at first; then what the ledger or a gate told, whichever is more."""
    ledger, logs = remembered(WELL, WELL, [b"nonce", 12, b"h", b"", 0], WELL, gates=9)
    assert told(ledger) == [["", 0], ["nonce", 9], ["nonce", 9], ["nonce", 12]]
    assert logs == []


@pytest.mark.parametrize(
    ("reply", "events"),
    [
        ([b"nonce", 3, b"h", b"set back", 2], ["ledger.set_back"]),
        ([b"other", 3, b"h", b"another ledger", 1], ["ledger.set_back"]),
        ([b"nonce", 3, b"h", b"another primary", 0], ["ledger.set_back"]),
        ([b"nonce", 3, b"h", b"set back", 0], []),
    ],
)
def test_a_set_back_is_told_once(reply: list[Any], events: list[str]) -> None:
    """By whoever paused the campaigns; from then on the ledger is as it is."""
    ledger, logs = remembered(WELL, reply, [reply[0], 3, b"h", b"", 0])
    assert [entry["event"] for entry in logs] == events
    assert told(ledger)[-1] == [reply[0].decode(), 3]


@pytest.mark.parametrize("fault", [AWAY, KeyError("odd")])
def test_a_ledger_that_is_away_is_compared_later(fault: Exception) -> None:
    """Nothing is forgotten meanwhile, and nothing raised."""
    ledger, logs = remembered(WELL, fault, WELL)
    assert told(ledger) == [["", 0], ["nonce", 5], ["nonce", 5]]
    assert [entry["event"] for entry in logs] == ["ledger.not_compared"]
