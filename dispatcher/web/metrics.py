"""Metrics for Prometheus, read from the ledger when they are asked for.

Sums over all campaigns: a label for each would be a series for each, for ever. Nothing
private: states, counts and seconds.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from dispatcher.callbacks import told_at
from dispatcher.doors import Pass
from dispatcher.errors import LedgerError
from dispatcher.ledger.keys import key
from dispatcher.ledger.latency import histograms
from dispatcher.ledger.ledger import Ledger
from dispatcher.ledger.totals import Totals, read_totals
from dispatcher.ledger.vitals import Vitals, vitals
from dispatcher.settings import Settings
from dispatcher.web.basic import Basic, Guarded

#: Seconds that what was read is good for: a scrape that comes sooner costs nothing.
FRESH_S: Final = 5.0


class LedgerCollector(Collector):
    """Reads the ledger; not more often than every `FRESH_S`.

    Args:
        counts: Callbacks applied by this process so far, by kind.
        clock: Seconds, never going backwards.
    """

    def __init__(
        self,
        ledger: Ledger,
        settings: Settings,
        counts: Mapping[str, int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger = ledger
        self._settings = settings
        self._counts = counts
        self._clock = clock
        self._read_at = -FRESH_S
        self._kept: list[Metric] = []

    def collect(self) -> Iterator[Metric]:
        """All metrics.

        Raises:
            LedgerError: Redis does not answer.
        """
        now = self._clock()
        if now - self._read_at >= FRESH_S:
            self._kept = [
                *_totals(read_totals(self._ledger)),
                *_vitals(self._ledger.run(vitals())),
                self._lag(),
                self._answers(),
                *self._limits(),
            ]
            self._read_at = now
        yield from self._kept
        yield _applied(self._counts)

    def _lag(self) -> Metric:
        body, now = self._ledger.first_callback(), self._ledger.now_ms()
        at = told_at(body) if body else None
        return GaugeMetricFamily(
            "dispatcher_callback_lag_seconds",
            "How long ago the event was, by its own time, whose callback waits first.",
            value=0.0 if at is None else max(0.0, now - at) / 1000,
        )

    def _answers(self) -> Metric:
        family = HistogramMetricFamily(
            "dispatcher_provider_answer_seconds",
            "From the write of a send to its whole answer; unknown: or until given up.",
            labels=["outcome"],
        )
        counters = dict(self._ledger.pages_of(key("latency")))
        for outcome, took in histograms(counters).items():
            buckets = [(_bound(at), n) for at, n in took.counts.items()]
            family.add_metric([outcome], buckets, sum_value=took.seconds)
        return family

    def _limits(self) -> Iterator[Metric]:
        permitted = GaugeMetricFamily(
            "dispatcher_permitted_units_per_second",
            "What this process's settings permit; absent: no limit.",
            labels=["scope"],
        )
        for scope, rate in (
            ("account", self._settings.account_rate),
            ("sender", self._settings.sender_rate),
        ):
            if rate is not None:
                permitted.add_metric([scope], rate)
        yield permitted


def _totals(totals: Totals) -> Iterator[Metric]:
    """Sums over all campaigns."""
    yield _by(
        "dispatcher_campaigns",
        "Campaigns by state.",
        {state.value: n for state, n in totals.campaigns.items()},
    )
    yield _by(
        "dispatcher_groups",
        "Groups by state.",
        {state.word: n for state, n in totals.groups.items()},
    )
    yield _by(
        "dispatcher_recipients",
        "Recipients of accepted groups, by how far their message got.",
        {state.word: n for state, n in totals.recipients.items()},
    )
    yield CounterMetricFamily(
        "dispatcher_units",
        "Units permitted to go: one a recipient, each try again.",
        value=totals.units,
    )
    yield GaugeMetricFamily(
        "dispatcher_doubled_messages",
        "Messages beyond the first that the provider took for a group.",
        value=totals.doubled,
    )
    yield GaugeMetricFamily(
        "dispatcher_oldest_due_seconds",
        "How long the first group has been due.",
        value=totals.overdue_ms / 1000,
    )


def _vitals(signs: Vitals) -> Iterator[Metric]:
    """What moves the campaigns, and what holds them up."""
    rest_s = signs.rest_ms / 1000
    for name, text, value in (
        ("throttled_seconds", "How long a 429 pauses the account yet.", rest_s),
        ("worker_children", "Worker processes that live.", signs.children),
        ("unreachable_children", "Those that cannot reach the provider.", signs.down),
        ("callbacks_waiting", "Stored callbacks not yet applied.", signs.inbox),
        ("doubts", "Writes that are looked for at the provider.", signs.doubts),
        ("suppressed_numbers", "Opted-out numbers, of all senders.", signs.suppressed),
    ):
        yield GaugeMetricFamily(f"dispatcher_{name}", text, value=value)


def _applied(counts: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(
        "dispatcher_callbacks_applied",
        "What this process made of stored callbacks, by kind.",
        labels=["kind"],
    )
    # A copy: callbacks are applied meanwhile, in another thread.
    for kind, number in dict(counts).items():
        family.add_metric([kind.replace(" ", "_")], number)
    return family


def _bound(seconds: float) -> str:
    """As Prometheus writes the bound of a bucket."""
    return "+Inf" if math.isinf(seconds) else str(seconds)


def _by(name: str, text: str, values: Mapping[str, int]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=["state"])
    for state, number in values.items():
        family.add_metric([state], number)
    return family


def metrics_route(collector: Collector, asked: Pass | None) -> Route:
    """`/metrics`, behind the same user name and password as the callbacks."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)

    async def metrics(_: Request) -> Response:
        # Reading many campaigns takes a while, and callbacks must not wait for it.
        try:
            text = await asyncio.to_thread(generate_latest, registry)
        except LedgerError as error:
            return PlainTextResponse(f"{error}\n", 503)
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    door = Middleware(Guarded, Basic(asked) if asked else None)
    return Route("/metrics", metrics, middleware=[door])
