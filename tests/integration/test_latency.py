"""How long the provider takes, as the children of a real worker count it."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from dispatcher.ledger.keys import key
from dispatcher.ledger.latency import Histogram, histograms
from tests.stack import Stack

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

GROUPS = 50


def told(stack: Stack) -> dict[str, Histogram]:
    return histograms(dict(stack.dispatcher.ledger.pages_of(key("latency"))))


def test_every_answer_counts_once(tmp_path: Path) -> None:
    """Those of all children; the last are told when the worker is asked to end."""
    with Stack(tmp_path, latency_ms=80) as stack:
        run = stack.submit(10 * GROUPS)
        worker = stack.worker()
        assert run.wait(timeout=60).state == "done"
        worker.end()
        (outcome, took), *others = told(stack).items()
    assert (outcome, others) == ("accepted", [])
    assert took.counts[math.inf] == GROUPS
    # None can be faster than the provider is.
    assert took.counts[0.05] == 0
    assert took.seconds > 0.05 * GROUPS
