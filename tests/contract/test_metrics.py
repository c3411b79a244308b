"""Metrics: what a scrape shows of a real ledger, to whom, and how often it is read."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from starlette.applications import Starlette

from dispatcher.doors import Pass
from dispatcher.ledger import suppressions, totals
from dispatcher.ledger.async_ledger import AsyncLedger
from dispatcher.ledger.graves import bury
from dispatcher.ledger.keys import key
from dispatcher.ledger.latency import Latencies
from dispatcher.ledger.ledger import Ledger
from dispatcher.ledger.suppressions import Entry, Source
from dispatcher.settings import Settings
from dispatcher.web.metrics import FRESH_S, LedgerCollector, metrics_route
from tests.bench import SENDER, Bench

Shown = dict[tuple[str, str], float]


def scrape(
    collector: LedgerCollector,
    asked: Pass | None = None,
    given: tuple[str, str] | None = None,
) -> httpx.Response:
    """The answer to one scrape."""
    site = Starlette(routes=[metrics_route(collector, asked)])

    async def get() -> httpx.Response:
        transport = httpx.ASGITransport(site)
        async with httpx.AsyncClient(transport=transport) as client:
            return await client.get("http://test/metrics", auth=given)

    return asyncio.run(get())


class Scraped:
    """The metrics' page over a ledger, with a clock that a test turns."""

    def __init__(self, bench: Bench) -> None:
        self.now = 0.0
        self.counts: Counter[str] = Counter()
        settings = Settings.load(account_rate=400.0, sender_rate=None)
        self.collector = LedgerCollector(
            bench.ledger, settings, self.counts, clock=lambda: self.now
        )

    def text(self, later: float = FRESH_S) -> str:
        self.now += later
        return scrape(self.collector).text

    def shown(self) -> Shown:
        return {
            (
                sample.name.removeprefix("dispatcher_"),
                "".join(v for _, v in sorted(sample.labels.items())),
            ): (sample.value)
            for family in text_string_to_metric_families(self.text())
            for sample in family.samples
        }


def test_groups_units_and_recipients(bench: Bench) -> None:
    """Sums over all campaigns, as the books have them."""
    bench.load("b", groups=4)
    bench.sent(id_="a")
    bench.settle("accepted", detail="m1", id_="a")
    shown = Scraped(bench).shown()
    assert shown["groups", "accepted"] == 1
    assert shown["groups", "pending"] == 4
    assert shown["recipients", "awaiting"] == 10
    assert (shown["campaigns", "running"], shown["campaigns", "done"]) == (1, 1)
    assert shown["units_total", ""] == 10
    assert shown["permitted_units_per_second", "account"] == 400
    assert ("permitted_units_per_second", "sender") not in shown


def test_archived_campaigns_are_still_counted(bench: Bench) -> None:
    """What only grows does not fall when a campaign goes; the rest goes with it."""
    bench.sent(2)
    for group in range(2):
        bench.settle("accepted", group, detail=f"m{group}")
    scraped = Scraped(bench)
    before = scraped.shown()
    bench.loaded.clear()
    assert bench.ledger.run(bury(bench.row(), "archive")) == "buried"
    now = scraped.shown()
    assert now["units_total", ""] == before["units_total", ""] == 20
    assert (now["campaigns", "archived"], now["campaigns", "done"]) == (1, 0)
    assert (before["groups", "accepted"], now["groups", "accepted"]) == (2, 0)


def test_what_holds_everything_up(bench: Bench) -> None:
    """A group that is due, a pause, workers, callbacks, doubts, opt-outs."""
    bench.load(groups=2)
    bench.claimed(1)
    bench.settle("back", 0, 0)
    bench.clock.forward(3000)
    bench.redis.hset(key("throttle"), "until", bench.clock.ms + 1500)
    bench.redis.zadd(key("children"), {"a": bench.clock.ms, "dead": 0})
    bench.redis.zadd(key("down"), {"a": bench.clock.ms + 1})
    bench.redis.rpush(key("inbox"), "x", "y")
    bench.run(suppressions.add([Entry(12125550000, Source.HAND)]))
    shown = Scraped(bench).shown()
    assert shown["oldest_due_seconds", ""] == 3
    assert shown["throttled_seconds", ""] == 1.5
    assert shown["worker_children", ""] == 1
    assert shown["unreachable_children", ""] == 1
    assert shown["callbacks_waiting", ""] == 2
    assert shown["suppressed_numbers", ""] == 1


@pytest.mark.parametrize(
    ("body", "lag"),
    [
        (b'[{"message":{},"time":"%s"},{"message":{},"time":"2001-01-01T00:00Z"}]', 9),
        (b'{"message":{},"time":"%s"}', 9),
        (b'[{"message":{}}]', 0),
        (b'[{"message":{},"time":"soon"}]', 0),
        (b"[]", 0),
        (b"[7]", 0),
        (b"nonsense", 0),
    ],
)
def test_how_far_callbacks_lag(bench: Bench, body: bytes, lag: int) -> None:
    """By the first event that waits; nothing where none does, or none can be read."""
    assert Scraped(bench).shown()["callback_lag_seconds", ""] == 0
    then = datetime.fromtimestamp(bench.clock.ms / 1000 - 9, UTC).isoformat().encode()
    bench.redis.rpush(key("inbox"), body.replace(b"%s", then), b"[]")
    assert Scraped(bench).shown()["callback_lag_seconds", ""] == pytest.approx(lag)


def report(bench: Bench, *seen: tuple[str, float]) -> None:
    """What a worker child does every few seconds."""
    latencies = Latencies()
    for outcome, seconds in seen:
        latencies.observe(outcome, seconds)

    async def add_up() -> None:
        ledger = AsyncLedger(bench.url)
        await ledger.add_up(key("latency"), latencies.take())
        await ledger.aclose()

    asyncio.run(add_up())


def test_how_long_answers_take(bench: Bench) -> None:
    """All children's answers in one histogram for each outcome."""
    assert "provider_answer_seconds_count" not in Scraped(bench).text()
    report(bench, ("accepted", 0.08), ("accepted", 0.3), ("throttled", 0.002))
    report(bench, ("accepted", 0.08))
    report(bench)
    shown = Scraped(bench).shown()
    assert shown["provider_answer_seconds_bucket", "0.05accepted"] == 0
    assert shown["provider_answer_seconds_bucket", "0.1accepted"] == 2
    assert shown["provider_answer_seconds_bucket", "+Infaccepted"] == 3
    assert shown["provider_answer_seconds_count", "accepted"] == 3
    assert shown["provider_answer_seconds_sum", "accepted"] == pytest.approx(0.46)
    assert shown["provider_answer_seconds_count", "throttled"] == 1


def test_callbacks_of_this_process(bench: Bench) -> None:
    """By kind; never older than now."""
    scraped = Scraped(bench)
    scraped.counts.update({"bodies": 7, "unknown type": 2})
    shown = scraped.shown()
    assert shown["callbacks_applied_total", "unknown_type"] == 2


def test_the_ledger_is_not_read_at_every_scrape(bench: Bench) -> None:
    """Whoever scrapes often costs Redis nothing."""
    scraped = Scraped(bench)
    scraped.text()
    bench.load(groups=3)
    assert 'groups{state="pending"} 0.0' in scraped.text(later=1)
    assert 'groups{state="pending"} 3.0' in scraped.text()


def test_a_submission_that_is_given_up_meanwhile(bench: Bench) -> None:
    """Its id is listed, and is nobody's any more."""
    bench.load(groups=3)
    bench.redis.zadd(key("campaigns"), {"given-up": bench.clock.ms})
    shown = Scraped(bench).shown()
    assert shown["groups", "pending"] == 3
    assert shown["campaigns", "running"] == 1


def test_more_campaigns_than_are_summed_at_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each counts once, and also the last page's group may be the one that is due."""
    monkeypatch.setattr(totals, "PAGE", 2)
    for place in range(4):
        bench.load(f"c{place}", groups=2)
        bench.clock.forward(1)
    bench.claimed()
    bench.settle("back", 0, 0, id_="c3")
    bench.clock.forward(2000)
    shown = Scraped(bench).shown()
    assert (shown["campaigns", "running"], shown["groups", "claimed"]) == (4, 7)
    assert shown["oldest_due_seconds", ""] == 2


def test_nothing_private_and_no_campaign(bench: Bench) -> None:
    """Labels are states and kinds: few, and the same for ever."""
    bench.load("open-house", groups=3)
    text = Scraped(bench).text()
    assert "open-house" not in text
    assert SENDER not in text
    assert "1919" not in text


@pytest.mark.parametrize(
    ("given", "status"), [(None, 401), (("who", "wrong"), 401), (("who", "pass"), 200)]
)
def test_who_may_see_them(
    bench: Bench, given: tuple[str, str] | None, status: int
) -> None:
    """Whoever may bring callbacks; nobody else."""
    asked = Pass("who", SecretStr("pass"))
    answer = scrape(Scraped(bench).collector, asked, given)
    assert answer.status_code == status
    assert ("www-authenticate" in answer.headers) == (status == 401)


def test_a_redis_that_is_away() -> None:
    """Is told as such, not with old figures."""
    settings = Settings.load(account_rate=None)
    collector = LedgerCollector(Ledger("redis://127.0.0.1:1/0"), settings, {})
    answer = scrape(collector)
    assert (answer.status_code, "Redis does not answer" in answer.text) == (503, True)
