"""A part of the fault matrix with small campaigns; `make chaos` runs all of it."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Final

import pytest

from tests.chaos.rows import ROWS
from tests.chaos.trial import Row, Verdict, play

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]

#: Of each kind: workers, Redis, answers lost and spoilt, refusals, policies, commands.
BOUNDED: Final = (
    "kill-all",
    "kill-child",
    "stop",
    "redis-crash",
    "redis-cut-all",
    "redis-full",
    "drop-before",
    "drop-after",
    "bad-json",
    "reset",
    "tls",
    "revoked",
    "resend-before",
    "kill-submit",
)
GROUPS: Final = 400
#: Starting a worker is the most of what a small trial costs.
WORKERS: Final = 1
#: Trials side by side: they wait most of the time.
JOBS: Final = 4

Trials = Mapping[str, Future[Verdict]]


def _small(row: Row) -> Row:
    return replace(row, groups=GROUPS, workers=min(row.workers, WORKERS))


@pytest.fixture(scope="module")
def trials() -> Trials:
    """All of them, under way or over."""
    pool = ThreadPoolExecutor(JOBS)
    rows = [_small(ROWS[name]) for name in BOUNDED]
    begun = {row.name: pool.submit(play, row) for row in rows}
    pool.shutdown(wait=False)
    return begun


@pytest.mark.parametrize("name", BOUNDED)
def test_promise_is_kept(trials: Trials, name: str) -> None:
    """Whatever the row says must hold, holds."""
    verdict = trials[name].result()
    assert verdict.groups == GROUPS
    assert verdict.broken == ()
