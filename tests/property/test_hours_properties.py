"""Sending hours against the tz database itself: in Python, and in the real scripts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dispatcher.hours import DAY_MS, Hours, Rule
from dispatcher.lanes import Lane
from dispatcher.zones import timeline
from tests.bench import SENDER, Bench

START = datetime(2027, 1, 1, tzinfo=UTC)
ZONES = st.sampled_from(
    [
        *("America/New_York", "America/Chicago", "America/Denver", "America/Phoenix"),
        *("America/Los_Angeles", "Pacific/Honolulu", "America/St_Johns"),
        *("Europe/London", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Auckland"),
    ]
)
TIMES = st.integers(0, 24 * 60 - 1)
HOURS = st.builds(Hours, TIMES, TIMES).filter(lambda hours: hours.opens != hours.closes)
MOMENTS = st.integers(0, 700 * 24 * 60).map(lambda m: START + timedelta(minutes=m))


def is_open(hours: Hours, zone: str, at: datetime) -> bool:
    """By the local clock alone: what a person would say."""
    local = at.astimezone(ZoneInfo(zone))
    minutes = local.hour * 60 + local.minute
    if hours.opens < hours.closes:
        return hours.opens <= minutes < hours.closes
    return minutes >= hours.opens or minutes < hours.closes


@given(HOURS, st.sets(ZONES, min_size=1, max_size=3), MOMENTS)
def test_a_rule_says_what_the_clocks_say(
    hours: Hours, zones: set[str], at: datetime
) -> None:
    """Open now, open at the opening, and closed in every minute before it."""
    rule = Rule(hours, frozenset(timeline(zone, START) for zone in zones))
    wait = rule.opens_in(int(at.timestamp() * 1000))
    if wait is None:
        assert not rule.has_common_hours
        return
    opening = at + timedelta(milliseconds=wait)
    assert all(is_open(hours, zone, opening) for zone in zones)
    for minute in range(0, wait // 60_000, 7):
        before = at + timedelta(minutes=minute)
        assert not all(is_open(hours, zone, before) for zone in zones)


@given(HOURS, st.sets(ZONES, min_size=1, max_size=2), MOMENTS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_the_scripts_say_what_the_rule_says(
    bench: Bench, hours: Hours, zones: set[str], at: datetime
) -> None:
    """A claim gives groups exactly when their lane is open, and says when else."""
    rule = Rule(hours, frozenset(timeline(zone, START) for zone in zones))
    bench.redis.flushall()
    bench.loaded.clear()
    bench.clock.us = int(at.timestamp() * 1_000_000)
    bench.put("load-c", 2)
    bench.ledger.put_lanes("load-c", [Lane(0, 2, rule)])
    assert bench.commit("c", 2, lanes=1, sender=SENDER) == ""
    reply = bench.claim()
    wait = rule.opens_in(bench.clock.ms)
    if wait == 0:
        assert [claimed.group for claimed in reply.groups] == [0, 1]
    else:
        assert reply.groups == []
        assert reply.wait_ms == (DAY_MS if wait is None else wait)
