"""What the pages say of a campaign: words for every state, no more than is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from dispatcher.codes import Action
from dispatcher.explain import Explanation, Reason
from dispatcher.ledger.codec import Record
from dispatcher.ledger.history import Slot
from dispatcher.ledger.mishaps import Mishap
from dispatcher.ledger.rows import CampaignRow, GroupRow
from dispatcher.ledger.states import CampaignState, DeliveryState, GroupState
from dispatcher.pauses import in_words
from dispatcher.results import progress
from dispatcher.web.doubts import doubt
from dispatcher.web.notices import NAMED, notice
from dispatcher.web.views import ORDERS, Sight, item, view
from dispatcher.words import DELIVERIES, DELIVERY_STATES

BEGAN = 1_800_000_000_000.0
NOW = BEGAN + 60_000
COUNTS = dict.fromkeys(GroupState, 0)
ROW = CampaignRow(
    *("c", CampaignState.RUNNING),
    sender="+19195551212",
    recipients=1000,
    groups=100,
    units=1000,
    gated_units=600,
    counts=COUNTS | {GroupState.ACCEPTED: 60, GroupState.PENDING: 40},
    created_at=BEGAN - 5000,
    started_at=BEGAN,
)
EVEN = tuple(Slot(at, 100, 10.0) for at in range(0, 60, 10))


def sight(row: CampaignRow = ROW, now: float = NOW, **more: object) -> Sight:
    fields: dict[str, Any] = {"history": EVEN, **more}
    return Sight(row, progress(row, now), now, **fields)


def facts(seen: Sight) -> dict[str, str]:
    return dict(view(seen, callbacks=False).facts)


# -- how far and how fast ----------------------------------------------------------


def test_a_campaign_that_runs() -> None:
    """How far it is, how fast it goes against what it may, and for how long yet."""
    shown = item(sight())
    assert (shown.percent, shown.settled, shown.groups) == (60, 60, 100)
    assert shown.rate == "10.0 units/s in the last 10 s, permitted 10"
    assert shown.left == "40 s"
    assert (shown.why, shown.advice) == ("", "")


def test_what_is_read_aloud_changes_rarely() -> None:
    """Every tenth of the way, not every group."""
    told = {
        item(sight(replace(ROW, counts=COUNTS | {GroupState.ACCEPTED: done}))).status
        for done in range(60, 70)
    }
    assert told == {"running, 60 % of 100 groups"}


def test_a_burst_does_not_last() -> None:
    """Time left is by the permitted rate when it went faster than that."""
    fast = (*EVEN[:-1], Slot(50, 200, 10.0))
    assert item(sight(history=fast)).left == "40 s"


def test_nothing_sent_of_late() -> None:
    """No rate is no time left."""
    assert item(sight(now=NOW + 60_000)).rate.startswith("0.0 units/s")
    assert item(sight(now=NOW + 60_000)).left == "not known yet"


def test_no_limit() -> None:
    """Is told as such."""
    free = tuple(replace(slot, permitted=None) for slot in EVEN)
    assert item(sight(history=free)).rate.endswith("no limit is set")


@pytest.mark.parametrize(
    "state", ["scheduled", "paused", "done", "cancelled", "loading"]
)
def test_only_what_runs_has_a_rate(state: str) -> None:
    """Others stand still, whatever their history."""
    row = replace(ROW, state=CampaignState(state))
    assert (item(sight(row)).rate, item(sight(row)).left) == ("", "")


def test_before_the_first_send() -> None:
    """No plot, no rate, and no division by nothing."""
    row = replace(ROW, started_at=0, groups=0, counts=COUNTS)
    shown = view(sight(row, history=()), callbacks=False)
    assert (shown.plot, shown.begins, shown.item.percent) == (None, None, 0)


def test_the_plot_ends_with_the_campaign() -> None:
    """Not at the time when somebody looks."""
    row = replace(ROW, state=CampaignState.DONE, ended_at=NOW)
    shown = view(sight(row, now=NOW + 3_600_000), callbacks=False)
    assert shown.plot
    assert shown.plot.seconds == 60
    assert shown.ends is not None
    assert shown.ends.timestamp() == NOW / 1000


# -- why ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "why", "advice"),
    [
        ("by hand", "somebody paused it", "resume it when you like"),
        ("canary", "(canary)", "look at the first groups"),
        ("error threshold", "share of the groups failed", "find out why"),
        ("the provider answered 401 x", "the provider answered 401", "credentials"),
        ("code 4476: unregistered", "code 4476: unregistered", "mend the cause"),
        ("ledger", "the ledger was set back", "run dispatcher verify"),
        ("ledger, verified", "verified since", "a second time"),
        ("of tomorrow's version", "of tomorrow's version", "resume it"),
    ],
)
def test_a_pause_in_words(reason: str, why: str, advice: str) -> None:
    """What it means, and what to do."""
    shown = item(sight(replace(ROW, state=CampaignState.PAUSED, reason=reason)))
    assert why in shown.why
    assert advice in shown.advice
    assert in_words("") == ""


@pytest.mark.parametrize(
    ("reason", "why"),
    [
        ("by hand", "somebody cancelled it"),
        ("expired", "its time had passed"),
        ("new", "new"),
    ],
)
def test_an_end_in_words(reason: str, why: str) -> None:
    """Why it was cancelled is another thing than why it was paused."""
    row = replace(ROW, state=CampaignState.CANCELLED, reason=reason)
    assert (item(sight(row)).why, item(sight(row)).advice) == (why, "")


def test_what_stands_in_its_way() -> None:
    """Kind, time and advice; only while it goes, for else its head says why."""
    reason = Reason("throttled", "waits", "the provider answered 429", "lower it", 2.5)
    held = Reason("held", "stops", "a person is asked elsewhere on the page")
    found = Explanation("c", "running", (reason, held))
    (shown,) = view(sight(explanation=found), callbacks=False).obstacles
    assert (shown.kind, shown.left, shown.advice) == ("waiting", "3 s", "lower it")
    paused = replace(ROW, state=CampaignState.PAUSED, reason="by hand")
    assert view(sight(paused, explanation=found), callbacks=False).obstacles == ()


def test_every_state_has_its_orders() -> None:
    """What is over takes none; nothing is both paused and resumed."""
    assert set(ORDERS) == {"scheduled", "running", "paused"}
    assert all(
        ("pause" in orders) != ("resume" in orders) for orders in ORDERS.values()
    )


# -- tables ------------------------------------------------------------------------


def test_states_that_are_none_are_left_out() -> None:
    """A table of what there is."""
    shown = view(sight(), callbacks=False).states
    assert [(line.number, line.name) for line in shown] == [
        *((40, "pending"), (60, "accepted")),
    ]


def test_every_delivery_state_has_words() -> None:
    """A new one would be a blank in a table."""
    assert set(DELIVERY_STATES) == set(DELIVERIES) == {s.word for s in DeliveryState}


def test_deliveries_and_codes() -> None:
    """What is final first, the most frequent code first, what was done about it."""
    row = replace(
        ROW,
        delivery={DeliveryState.DELIVERED: 50, DeliveryState.FAILED: 3},
        codes={4720: 1, 4770: 2, 0: 1},
        actions={(Action.SUPPRESS, 4775): 1, (Action.PAUSE, 4470): 2},
        rejected={"too_short": 2},
        dropped={"duplicate": 1},
        doubled=1,
        slow_pace=2.5,
        slow_until=NOW + 60_000,
    )
    shown = view(sight(row), callbacks=False)
    assert [line.name for line in shown.deliveries] == ["delivered", "failed"]
    assert [line.name for line in shown.undelivered] == ["4770", "4720", "none"]
    assert shown.actions[0].startswith("opted out: 1 recipient, code 4775: ")
    assert shown.actions[1].startswith("paused: 2 times, code 4470: ")
    assert [line.name for line in shown.left_out] == ["too_short", "duplicate"]
    assert facts(sight(row))["Doubled"] == "1 message reached somebody twice"
    assert facts(sight(row))["Slowed down"].startswith("to 2.5 units/s until ")


def test_times() -> None:
    """In UTC, and which ones there are."""
    seen = facts(sight(replace(ROW, state=CampaignState.DONE, ended_at=NOW)))
    assert seen["First send"] == "2027-01-15 08:00:00 UTC"
    assert seen["Ended"] == "2027-01-15 08:01:00 UTC"
    assert seen["Average rate"] == "10.0 units/s"
    later = replace(ROW, state=CampaignState.SCHEDULED, starts_at=NOW)
    assert facts(sight(later))["Begins"] == "2027-01-15 08:01:00 UTC"


# -- nothing private ---------------------------------------------------------------


def test_what_comes_from_elsewhere_is_scrubbed() -> None:
    """A provider's word, a tag, a reason: whatever looks like a number is none."""
    spec = '{"text": "Doors open at six", "tag": "call +1 919 555 1234"}'
    row = replace(ROW, reason="the provider answered 403 +19195551234", spec=spec)
    mishap = Mishap(NOW, 7, "failed", "400 to:+19195551234")
    shown = repr(
        view(
            sight(row, mishaps=[mishap], errors={"400 +19195551234": 1}),
            callbacks=False,
        )
    )
    assert "400 to:***" in shown
    assert "call ***" in shown
    assert "555" not in shown
    assert "Doors" not in shown
    assert "+1919***1212" in shown


def test_a_group_that_is_held() -> None:
    """Its members masked, but for those whom it was not sent to."""
    members = (19195551201, 19195551202, 19195551203)
    record = Record(GroupState.HELD, 1, 0, 0, 0b010, 1, BEGAN, "timeout")
    shown = doubt(ROW, GroupRow(5, members, record))
    assert shown.members == ("+1919***1201", "+1919***1203")
    assert (shown.group, shown.state, shown.open) == (5, "held", True)
    assert shown.why == "no usable answer came, so it may have been taken"
    assert "5551" not in repr(shown)


# -- notices -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({}, ""),
        ({"done": "<b>"}, ""),
        ({"done": "resumed"}, "It goes on."),
        ({"done": "cancelled"}, "It is cancelled: nothing more of it is sent."),
        ({"done": "paused"}, "It is paused. Nothing of it was on its way any more."),
        (
            {"done": "paused", "left": "3,14", "more": "1200"},
            (
                "It is paused. Still without an answer, and may arrive: groups 3, 14 "
                "and 1,200 more."
            ),
        ),
        ({"done": "retried", "groups": "1"}, "1 group will be sent again."),
        ({"done": "sent", "groups": "7"}, "Group 7 is recorded as sent."),
        ({"done": "unsent", "groups": "7"}, "Group 7 will be sent again."),
        ({"done": "sent"}, ""),
        ({"done": "sent", "groups": "<b>7</b>"}, ""),
        ({"done": "sent", "groups": "9" * 400}, ""),
    ],
)
def test_notices(query: Mapping[str, str], told: str) -> None:
    """Fixed sentences with whole numbers in them, whatever an address says."""
    assert notice(query) == told


def test_a_notice_is_short() -> None:
    """However long somebody makes the address."""
    left = ",".join(map(str, range(1000)))
    assert notice({"done": "paused", "left": left}).count(",") < NAMED + 2
