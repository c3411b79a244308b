"""Live parts of a page, over a real server: what changed, and how streams end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from dispatcher.errors import LedgerUnreachable
from dispatcher.web import live
from tests.bench import Bench
from tests.serving import served
from tests.visitor import Site, words

PARTS = {"head", "status", "orders", "figures", "plot", "tables"}


@pytest.fixture
def address(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The pages on a real port; they are looked at ten times a second."""
    monkeypatch.setattr(live, "EVERY_S", 0.1)
    with Site(bench.url) as site:
        pages = site.pages()
        with served(Starlette(routes=[pages.route]), pages.stop) as url:
            yield url


@contextmanager
def events(address: str, path: str) -> Iterator[Iterator[dict[str, Any]]]:
    """The events of a page, as its script sees them."""
    with httpx.stream("GET", address + path, timeout=10) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = (line for line in answer.iter_lines() if line.startswith("data: "))
        yield (json.loads(line.removeprefix("data: ")) for line in lines)


def test_a_campaign(address: str, bench: Bench) -> None:
    """Everything at first, then what changed and nothing else."""
    bench.load(groups=2)
    with events(address, "/campaigns/c/events") as told:
        assert next(told).keys() >= PARTS
        bench.claim()
        bench.gate()
        bench.settle("accepted", detail="m1")
        news: dict[str, Any] = {}
        while "1 of 2 groups are settled" not in words(news.get("head", "")):
            news |= next(told)
        bench.control("pause", "by hand")
        news = {}
        while "Resume" not in news.get("orders", ""):
            news |= next(told)
        assert "somebody paused it" in words(news["head"])
        assert "plot" not in news


def test_the_list(address: str, bench: Bench) -> None:
    """A campaign that is new appears."""
    with events(address, "/events?page=0") as told:
        assert "There are no campaigns yet" in next(told)["campaigns"]
        bench.load("newcomer")
        assert "newcomer" in next(told)["campaigns"]


def test_streams_end_with_the_server(bench: Bench) -> None:
    """Or they would hold it up: the server waits for answers under way."""
    bench.load()
    with Site(bench.url) as site:
        pages = site.pages()
        with served(Starlette(routes=[pages.route]), pages.stop) as url:
            stream = httpx.stream("GET", f"{url}/campaigns/c/events", timeout=10)
            answer = stream.__enter__()
            lines = answer.iter_lines()
            next(lines)
    assert not [line for line in lines if line.startswith("data: ")]
    stream.__exit__(None, None, None)


def test_redis_goes_away(
    address: str, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said, and the figures stay; then it is said no more."""
    bench.load()
    with events(address, "/campaigns/c/events") as told:
        next(told)
        with monkeypatch.context() as patched:
            patched.setattr("dispatcher.web.desk.look", _away)
            news = {"trouble": ""}
            while not news["trouble"]:
                news |= next(told)
            assert "Redis does not answer" in news["trouble"]
            assert "head" not in news
        while news["trouble"]:
            news |= next(told)


def _away(*_: object, **__: object) -> None:
    raise LedgerUnreachable("Redis does not answer")


def test_only_so_many(
    address: str, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Further pages stand still: callbacks come first."""
    bench.load()
    monkeypatch.setattr(live, "MOST", 1)
    with events(address, "/campaigns/c/events") as told:
        next(told)
        assert httpx.get(f"{address}/events").status_code == 503
        assert httpx.get(f"{address}/campaigns/c").status_code == 200
