"""The skew: a median of the last answers, and nothing before there are enough."""

from __future__ import annotations

import httpx
import pytest

from tests.unit.canned import MESSAGE, Provider, client, run
from workers.skew import KEPT, Skew


def learnt(*samples: float | None) -> float | None:
    skew = Skew(clock=lambda: 1000.0)
    for sample in samples:
        skew.learn(None if sample is None else 1000.0 + sample)
    return skew.seconds


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        ((), None),
        ((None, None, None), None),
        ((2.0, 2.0), None),
        ((2.0, 2.5, 3.0), 2.5),
        ((2.0, None, 2.0, 2.0), 2.0),
        ((2.0, 86_400.0, 2.0, -13.0, 2.0), 2.0),
    ],
)
def test_skew(samples: tuple[float | None, ...], expected: float | None) -> None:
    """A few odd answers do not move it; too few tell nothing."""
    assert learnt(*samples) == expected


def test_a_clock_that_is_set_right() -> None:
    """Old answers are forgotten."""
    assert learnt(*[60.0] * KEPT, *[0.0] * (KEPT // 2 + 1)) == 0.0


@pytest.mark.parametrize("time", ["1970-01-01T00:16:42Z", None, "noon"])
def test_the_client_learns_it(
    monkeypatch: pytest.MonkeyPatch, time: str | None
) -> None:
    """Every answer that tells the time of acceptance is a sample."""
    answers = [httpx.Response(202, json={"id": "m", "time": time}) for _ in range(3)]
    bandwidth = client(Provider(*answers))
    monkeypatch.setattr(bandwidth.skew, "_clock", lambda: 1000.0)

    async def three() -> None:
        for _ in range(3):
            await bandwidth.send(MESSAGE)

    run(three())
    told = time is not None and time.startswith("1970")
    assert bandwidth.skew.seconds == (2.0 if told else None)
