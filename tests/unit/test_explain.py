"""Why nothing is sent: one case for each thing that can stand in the way."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dispatcher.explain import Explanation, explain
from dispatcher.ledger.circumstances import Bucket, Circumstances
from dispatcher.ledger.states import CampaignState, GroupState

NOW = 1_800_000_000_000
#: Runs and has work; a worker lives, no rate is set.
WELL = Circumstances(
    CampaignState.RUNNING,
    counts={GroupState.PENDING: 3},
    now=NOW,
    fresh=3,
    ahead=0,
    children=2,
)
TRIED = replace(WELL, counts={GroupState.RETRY: 3}, fresh=0)
ACCOUNT = Bucket("account", 2.0, 0.5, 0)
SENDER = Bucket("sender", 1.0, -3.0, 3000)
PACE = Bucket("campaign", 0.5, 0.1, 0)


def codes(found: Explanation) -> list[str]:
    return [reason.code for reason in found.reasons]


CASES = {
    "nothing": (WELL, []),
    "loading": (Circumstances(CampaignState.LOADING), ["loading"]),
    "done": (replace(WELL, state=CampaignState.DONE, children=0), ["done"]),
    "done, some held": (
        replace(WELL, state=CampaignState.DONE, counts={GroupState.HELD: 1}),
        ["done", "held"],
    ),
    "cancelled, some unknown": (
        replace(WELL, state=CampaignState.CANCELLED, counts={GroupState.UNKNOWN: 1}),
        ["cancelled", "unknown"],
    ),
    "paused": (
        replace(WELL, state=CampaignState.PAUSED, reason="canary"),
        ["paused"],
    ),
    "scheduled": (
        replace(WELL, state=CampaignState.SCHEDULED, starts_at=NOW + 5000),
        ["scheduled"],
    ),
    "due to begin": (replace(WELL, state=CampaignState.SCHEDULED, starts_at=NOW), []),
    "no worker": (replace(WELL, children=0), ["no-worker"]),
    "restarted": (replace(WELL, unsure=900), ["ledger-restarted"]),
    "throttled": (replace(WELL, throttled=400), ["throttled"]),
    "the day is full": (replace(WELL, day_wait=60_000, day_units=500), ["day"]),
    "the day is full, and nothing to send": (
        replace(WELL, day_wait=60_000, fresh=0, counts={GroupState.SENDING: 1}),
        ["last"],
    ),
    "one child down": (replace(WELL, children=4, down=1), ["unreachable-child"]),
    "the only one down": (replace(WELL, children=1, down=1), ["unreachable"]),
    "two down": (replace(WELL, children=4, down=2), ["unreachable"]),
    "hours": (replace(WELL, fresh_wait=60_000), ["hours"]),
    "hours, some to retry": (
        replace(WELL, fresh_wait=60_000, next_due=0),
        ["hours"],
    ),
    "retry": (replace(TRIED, next_due=15_000), ["retry"]),
    "retry is due": (replace(TRIED, next_due=0), []),
    "some wait for a retry": (replace(WELL, next_due=15_000), []),
    "locked": (
        replace(TRIED, next_due=4000, waiting=(1, 2), locked=2),
        ["locked", "retry"],
    ),
    "on the way": (
        replace(WELL, counts={GroupState.SENDING: 1, GroupState.CLAIMED: 1}, fresh=0),
        ["last"],
    ),
    "unknown": (
        replace(WELL, counts={GroupState.UNKNOWN: 1}, fresh=0),
        ["unknown"],
    ),
    "not its turn": (replace(WELL, ahead=2), ["turn"]),
    "the lowest rate": (replace(WELL, buckets=(ACCOUNT, PACE)), ["rate-campaign"]),
    "the one in debt": (replace(WELL, buckets=(PACE, SENDER)), ["rate-sender"]),
    "a rate and nothing to send": (
        replace(WELL, buckets=(ACCOUNT,), fresh=0, counts={GroupState.SENDING: 1}),
        ["last"],
    ),
    "several": (
        replace(WELL, state=CampaignState.PAUSED, children=0, buckets=(ACCOUNT,)),
        ["paused", "no-worker", "rate-account"],
    ),
}


@pytest.mark.parametrize(("facts", "expected"), CASES.values(), ids=CASES)
def test_reasons(facts: Circumstances, expected: list[str]) -> None:
    """Each thing is named, the weightiest first, and nothing else."""
    assert codes(explain("c", facts)) == expected


def test_how_long() -> None:
    """What ends by itself says when."""
    (hours,) = explain("c", replace(WELL, fresh_wait=60_000)).reasons
    assert (hours.kind, hours.seconds) == ("waits", 60)
    (rate,) = explain("c", replace(WELL, buckets=(SENDER,))).reasons
    assert (rate.kind, rate.seconds) == ("limits", 3)
    assert "3.0 units are owed first" in rate.text


@pytest.mark.parametrize(
    ("rate", "told"), [(1, "1 unit/s"), (0.5, "0.5 units/s"), (1200, "1,200 units/s")]
)
def test_how_fast(rate: float, told: str) -> None:
    """One unit is one unit."""
    facts = replace(WELL, buckets=(Bucket("account", rate, 0, 0),))
    (reason,) = explain("c", facts).reasons
    assert f" {told} " in reason.text


def test_sending() -> None:
    """A limit alone does not keep it from sending."""
    assert explain("c", replace(WELL, buckets=(PACE,))).sending
    assert not explain("c", replace(WELL, children=0)).sending


def test_locked_while_others_go() -> None:
    """A lock on some is in the way of those alone."""
    locked = replace(TRIED, next_due=4000, waiting=(1, 2), locked=2)
    assert not explain("c", locked).sending
    assert explain("c", replace(locked, fresh=1, next_due=0)).sending
    assert explain("c", replace(locked, locked=1, next_due=0)).sending


def test_a_pause_says_what_to_do() -> None:
    """The reason of the pause, and the way out."""
    paused = replace(WELL, state=CampaignState.PAUSED, reason="error threshold")
    (reason,) = explain("c", paused).reasons
    assert reason.text.endswith("error threshold")
    assert "find out why" in reason.advice


def test_as_row() -> None:
    """The form of `explain --json`."""
    row = explain("c", replace(WELL, throttled=400)).as_row()
    assert (row["id"], row["state"]) == ("c", "running")
    assert row["reasons"][0]["code"] == "throttled"
    assert row["reasons"][0]["seconds"] == 0.4
