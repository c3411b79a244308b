"""Many small campaigns at once: what looks at them costs as much as with a few."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from celery import Celery
from redis.connection import AbstractConnection

from dispatcher import results
from dispatcher.ledger import ledger as module
from dispatcher.ledger import totals
from dispatcher.ledger.calls import Rates
from dispatcher.ledger.totals import read_totals
from dispatcher.settings import Settings
from tests.bench import Bench
from workers.clock import Clock

#: MANY are two full pages of what is read or summed up at once.
FEW, MANY = 4, 400
RATES = Rates(account=1000.0)


@pytest.fixture
def bench(bench: Bench) -> Bench:
    """One that does not look at everything after each step."""
    bench.checked = False
    return bench


def load(bench: Bench, count: int) -> None:
    """So many campaigns of one group, all with work now."""
    for place in range(len(bench.loaded), count):
        bench.load(f"c{place}", groups=1)


def commands(bench: Bench, act: Callable[[], object]) -> int:
    """Redis commands that it takes, those in scripts too."""
    before = bench.redis.info("stats")["total_commands_processed"]
    act()
    return int(bench.redis.info("stats")["total_commands_processed"] - before)


def round_trips(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> int:
    """How often something waits for Redis."""
    sent = []
    send: Any = AbstractConnection.send_packed_command

    def spy(*arguments: object, **options: object) -> None:
        sent.append(arguments)
        send(*arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(AbstractConnection, "send_packed_command", spy)
        act()
    return len(sent)


def acts(bench: Bench) -> dict[str, Callable[[], object]]:
    clock = Clock("child", bench.ledger, Settings.load(account_rate=1000.0), Celery())
    return {
        "a tick": clock.beat,
        "explain": lambda: bench.ledger.circumstances(bench.row("c1"), RATES),
        "status of one": lambda: results.progress(bench.row("c1"), 0),
    }


def test_what_does_not_depend_on_their_number(bench: Bench) -> None:
    """The clock's tick, explain, and a look at one campaign."""
    load(bench, FEW)
    for act in acts(bench).values():
        act()
    few = {name: commands(bench, act) for name, act in acts(bench).items()}
    load(bench, MANY)
    many = {name: commands(bench, act) for name, act in acts(bench).items()}
    assert many == few


def test_a_claim_looks_at_some(bench: Bench) -> None:
    """However many stand in line, a call is short."""
    load(bench, 100)
    bench.claim(want=1, token="first")
    few = commands(bench, lambda: bench.claim(want=1, token="few"))
    load(bench, MANY)
    assert commands(bench, lambda: bench.claim(want=1, token="many")) == few


def test_all_of_them_in_few_round_trips(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`status` and metrics: a page at a time."""
    load(bench, MANY)
    read_totals(bench.ledger)
    rows = round_trips(monkeypatch, lambda: list(results.overview(bench.ledger)))
    assert rows <= 3 + MANY / module.CAMPAIGNS_PAGE
    sums = round_trips(monkeypatch, lambda: read_totals(bench.ledger))
    # And whether some were archived meanwhile, asked before and after.
    assert sums <= 3 + MANY / totals.PAGE


def test_all_of_them_in_order(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over pages as in one; but for those that are known, and loads that died."""
    load(bench, FEW)
    bench.redis.delete("dispatcher:campaign:c2")
    monkeypatch.setattr(module, "CAMPAIGNS_PAGE", 2)
    assert [row.id for row in bench.ledger.campaigns()] == ["c0", "c1", "c3"]
    assert [row.id for row in bench.ledger.campaigns(but={"c0"})] == ["c1", "c3"]
