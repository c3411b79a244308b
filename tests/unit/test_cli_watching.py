"""What `dispatcher watch` shows: rates, time left, words; no clock and no terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from dispatcher.cli.watching import Look, Pulse, View, lowest, window
from dispatcher.ledger.rows import CampaignRow
from dispatcher.ledger.states import CampaignState, GroupState
from dispatcher.results import Progress
from dispatcher.words import used_up
from tests.unit.progresses import progress

LIMITLESS = "5.0 units/s, no limit is set"
RUNNING = progress(groups=100, pending=100)
MIDNIGHT = datetime(2027, 1, 16, tzinfo=UTC)


def counting(**counts: int) -> Progress:
    return progress(groups=100, **counts)


def view(
    progress: Progress = RUNNING,
    *,
    rate: float | None = 20.0,
    limit: float | None = 50.0,
    quiet: float = 0.0,
    seen_change: bool = True,
    workers: int | None = None,
) -> View:
    return View(
        look=Look(at=100.0, sent_units=0, progress=progress),
        rate=rate,
        quiet=quiet,
        seen_change=seen_change,
        limit=limit,
        limited_by="account" if limit else "",
        workers=workers,
    )


def pulse(*looks: tuple[float, int], window_s: float = 10.0) -> Pulse:
    made = Pulse()
    for at, units in looks:
        made.see(Look(at=at, sent_units=units, progress=RUNNING), window_s)
    return made


# -- rates ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("looks", "rate"),
    [
        ([(0, 0)], None),
        ([(0, 0), (1, 10)], None),
        ([(0, 0), (5, 100)], 20),
        ([(0, 100), (5, 100)], 0),
        # What is older than the window says nothing about now.
        ([(0, 0), (10, 1000), (15, 1010), (20, 1020)], 2),
        # The look that begins the window stays, however old it is.
        ([(0, 0), (30, 60)], 2),
    ],
)
def test_the_rate_is_that_of_the_last_seconds(
    looks: Sequence[tuple[float, int]], rate: float | None
) -> None:
    """Nothing is said before there is something to say."""
    assert pulse(*looks).rate == rate


@pytest.mark.parametrize(
    ("looks", "quiet", "seen"),
    [
        ([(5, 0)], 0, False),
        ([(5, 0), (9, 0)], 4, False),
        ([(5, 0), (9, 1)], 0, True),
        ([(5, 0), (9, 1), (29, 1)], 20, True),
    ],
)
def test_quiet_is_the_time_since_the_last_change(
    looks: Sequence[tuple[float, int]],
    quiet: float,
    seen: bool,  # noqa: FBT001 - a case of the table
) -> None:
    """Or since the first look, if nothing changed since."""
    made = pulse(*looks)
    assert (made.quiet, made.seen_change) == (quiet, seen)


@pytest.mark.parametrize(
    ("limit", "seconds"), [(None, 10), (500, 10), (2.5, 20), (0.01, 60)]
)
def test_the_window_holds_several_groups(limit: float | None, seconds: float) -> None:
    """At a low rate a group is a lump; a longer window makes it even."""
    assert window(limit) == seconds


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        ((None, None, None), (None, "")),
        ((1.0, None, None), (1.0, "account")),
        ((9.0, 3.0, 4.0), (3.0, "sender")),
        ((9.0, None, 0.5), (0.5, "pace")),
    ],
)
def test_the_lowest_rate_counts(
    rates: tuple[float | None, float | None, float | None],
    expected: tuple[float | None, str],
) -> None:
    """It is told whose it is."""
    assert lowest(*rates) == expected


def test_a_look_knows_the_campaigns_own_pace() -> None:
    """The pace stands in what was stored at submission."""
    row = CampaignRow(
        id="c",
        state=CampaignState.RUNNING,
        spec='{"pace": 2.5}',
        gated_units=7,
        counts=dict.fromkeys(GroupState, 0),
        starts_at=9000,
    )
    look = Look.of(row, now_ms=12_000)
    assert (look.at, look.sent_units, look.pace, look.starts_at) == (12, 7, 2.5, 9)


# -- words ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shown", "facts"),
    [
        (
            view(),
            {
                "rate": "20.0 units/s, at most 50 (account)",
                "time left": "50 s",
                "last change": "just now",
            },
        ),
        (
            view(rate=None, limit=None, seen_change=False, quiet=3),
            {
                "rate": "..., no limit is set",
                "time left": "not known yet",
                "last change": "none for 3 s",
            },
        ),
        # A burst above the limit does not last.
        (
            view(rate=400.0, quiet=7.2),
            {
                "rate": "400.0 units/s, at most 50 (account)",
                "time left": "20 s",
                "last change": "8 s ago",
            },
        ),
        (
            view(counting(retry=2, accepted=98), rate=0.0, workers=2),
            {
                "rate": "0.0 units/s, at most 50 (account)",
                "time left": "2 groups to be tried again later",
                "last change": "just now",
            },
        ),
        (
            view(rate=0.0, quiet=40, workers=0),
            {
                "rate": "0.0 units/s, at most 50 (account)",
                "time left": "not known yet",
                "last change": "40 s ago",
                "no worker": "nothing is sent until one runs: dispatcher worker",
            },
        ),
        (
            view(replace(RUNNING, capped_until=MIDNIGHT)),
            {
                "rate": "20.0 units/s, at most 50 (account)",
                "time left": "50 s",
                "last change": "just now",
                "waits": used_up(MIDNIGHT),
            },
        ),
        (view(replace(RUNNING, state="paused", reason="canary")), {}),
        (
            view(replace(RUNNING, state="done", doubled=1)),
            {"doubled": "1 message reached somebody twice"},
        ),
    ],
)
def test_facts(shown: View, facts: dict[str, str]) -> None:
    """Only what is so now, and what is known."""
    assert dict(shown.facts()) == facts


@pytest.mark.parametrize(
    ("shown", "line"),
    [
        (
            view(counting(pending=5, failed=2), rate=5.0, limit=None),
            f"running    2 of 100 groups  {LIMITLESS}  time left: 10 s  2 failed",
        ),
        (
            view(replace(counting(accepted=99, held=1), state="done")),
            "done       100 of 100 groups  1 held",
        ),
        (
            view(replace(RUNNING, state="paused", reason="canary")),
            "paused (canary)  0 of 100 groups",
        ),
    ],
)
def test_a_line_for_a_pipe(shown: View, line: str) -> None:
    """The same facts, in one line."""
    assert shown.line() == line


@pytest.mark.parametrize(
    ("state", "reason", "words"),
    [
        ("done", "", "dispatcher results c"),
        ("cancelled", "by hand", "cancelled (by hand)"),
        ("paused", "canary", "look at the first groups"),
        ("paused", "the provider answered 401", "correct account or credentials"),
        ("paused", "something new", "dispatcher resume c"),
    ],
)
def test_the_end_says_what_to_do(state: str, reason: str, words: str) -> None:
    """A reason, and the command that comes next."""
    assert words in view(replace(RUNNING, state=state, reason=reason)).verdict()


def test_json_holds_the_rate_of_now() -> None:
    """Beside everything that `status --json` holds."""
    row = view(quiet=1.5).as_row()
    assert row.keys() > RUNNING.as_row().keys()
    assert (row["rate_now"], row["rate_permitted"]) == (20, 50)
    assert row["seconds_since_change"] == 1.5
