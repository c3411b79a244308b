"""Orders of faults: how they are read, and how often they strike."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from dispatcher.errors import InvalidInput
from dispatcher.simulator import Fault, parse_faults
from dispatcher.simulator.faults import FaultPlan, named_faults


@pytest.mark.parametrize(
    ("orders", "expected"),
    [
        ([], {}),
        (["429=0.1"], {Fault.QUEUE_FULL: 0.1}),
        (["hang=0", "drop-after=1"], {Fault.HANG: 0.0, Fault.DROP_AFTER: 1.0}),
        ([" slow = .5 "], {Fault.SLOW: 0.5}),
        (["slow=0.5", "slow=0.2"], {Fault.SLOW: 0.2}),
        ([f"{kind}=0.0625" for kind in Fault], dict.fromkeys(Fault, 0.0625)),
        (["500=0.1"] * 3 + ["429=0.9"], {Fault.SERVER_ERROR: 0.1, Fault("429"): 0.9}),
    ],
)
def test_orders_are_read(orders: list[str], expected: dict[Fault, float]) -> None:
    """Of two orders for one kind the last counts."""
    assert parse_faults(orders) == expected


@pytest.mark.parametrize(
    ("orders", "said"),
    [
        (["504=0.1"], "unknown fault '504'; the kinds are 429, 500"),
        (["=0.1"], "unknown fault ''"),
        (["hang"], "'hang' is not KIND=SHARE"),
        (["hang=often"], "'hang=often' is not KIND=SHARE"),
        (["hang=1.1"], "share of fault hang must be from 0 to 1"),
        (["hang=-0.1"], "share of fault hang must be from 0 to 1"),
        (["hang=nan"], "share of fault hang must be from 0 to 1"),
        (["hang=0.6", "slow=0.6"], "must not exceed 1"),
    ],
)
def test_bad_orders_are_told(orders: list[str], said: str) -> None:
    """The message names what is wrong and, for a kind, all that there are."""
    with pytest.raises(InvalidInput, match="^.*" + said.replace("(", r"\(")):
        parse_faults(orders)


def test_an_unknown_kind_lists_every_known_one() -> None:
    """Nobody has to look them up."""
    with pytest.raises(InvalidInput) as caught:
        named_faults({"nonsense": 0.5})
    assert all(kind in str(caught.value) for kind in Fault)


def test_tenths_may_add_up_to_one() -> None:
    """Binary fractions do not get in the way."""
    kinds = list(Fault)[:10]
    assert len(parse_faults(f"{kind}=0.1" for kind in kinds)) == 10


def test_shares_are_kept_over_many_draws() -> None:
    """Each kind strikes as often as ordered, and most requests meet none."""
    plan = FaultPlan({Fault.HANG: 0.1, Fault.SLOW: 0.3, Fault.REFUSE: 0}, Random(5))
    drawn = Counter(plan.draw() for _ in range(10_000))
    assert drawn.keys() == {None, Fault.HANG, Fault.SLOW}
    assert 900 < drawn[Fault.HANG] < 1100
    assert 2800 < drawn[Fault.SLOW] < 3200


def test_the_same_seed_gives_the_same_faults() -> None:
    """Run after run."""
    shares = {Fault.HANG: 0.2, Fault.DROP_AFTER: 0.2}
    first, second = (FaultPlan(shares, Random(7)) for _ in range(2))
    draws = [(first.draw(), first.coin()) for _ in range(500)]
    assert draws == [(second.draw(), second.coin()) for _ in range(500)]


@pytest.mark.parametrize(("share", "expected"), [(0, None), (1, Fault.HANG)])
def test_never_and_always_are_exact(share: float, expected: Fault | None) -> None:
    """No chance is left at either end."""
    plan = FaultPlan({Fault.HANG: share}, Random(3))
    assert {plan.draw() for _ in range(1000)} == {expected}


def test_a_new_order_replaces_the_old_one() -> None:
    """Kinds that it does not name strike no more."""
    plan = FaultPlan({Fault.HANG: 1}, Random(3))
    plan.order({})
    assert plan.draw() is None
    with pytest.raises(InvalidInput):
        plan.order({Fault.HANG: 2})
