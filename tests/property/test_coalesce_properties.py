"""The coalescer in any interleaving of askers, calls, errors and cancellations."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from dispatcher.coalesce import Coalescer
from tests.unit.worker_fakes import now, run, turns


class Asker(NamedTuple):
    """Comes after so many turns; gives up after so many more, if at all."""

    number: int
    comes: int
    patience: int | None


class Refused(Exception):
    """Raised by a call, or given as one answer."""


ASKERS = st.lists(
    st.tuples(st.integers(0, 12), st.none() | st.integers(0, 12)), max_size=12
).map(lambda drawn: [Asker(number, *rest) for number, rest in enumerate(drawn)])


class Script:
    """Calls that take so many turns; some fail, some answers are errors."""

    def __init__(self, lengths: list[int], fails: set[int], errors: set[int]) -> None:
        self.lengths, self.fails, self.errors = lengths, fails, errors
        self.batches: list[list[int]] = []
        self.under_way = 0

    async def __call__(self, items: Sequence[int]) -> Sequence[int | Exception]:
        assert self.under_way == 0, "two calls at once"
        self.under_way += 1
        number = len(self.batches)
        self.batches.append(list(items))
        await turns(self.lengths[number % len(self.lengths)])
        self.under_way -= 1
        if number in self.fails:
            raise Refused
        return [Refused() if i in self.errors else i * i for i in items]

    def failed(self, item: int) -> bool:
        batch = next(n for n, items in enumerate(self.batches) if item in items)
        return batch in self.fails or item in self.errors


@given(
    askers=ASKERS,
    limit=st.integers(1, 5),
    lengths=st.lists(st.integers(0, 4), min_size=1),
    fails=st.sets(st.integers(0, 6)),
    errors=st.sets(st.integers(0, 11)),
)
def test_everyone_gets_their_own_answer(
    askers: list[Asker],
    limit: int,
    lengths: list[int],
    fails: set[int],
    errors: set[int],
) -> None:
    """Their answer or their error, each question once, in order, and without time."""
    call = Script(lengths, fails, errors)
    asked: list[int] = []

    async def one(asker: Asker, ask: Coalescer[int, int]) -> None:
        await turns(asker.comes)
        asked.append(asker.number)
        task = asyncio.create_task(ask(asker.number))
        if asker.patience is not None:
            await turns(asker.patience)
            task.cancel()
        (end,) = await asyncio.gather(task, return_exceptions=True)
        if isinstance(end, asyncio.CancelledError):
            assert asker.patience is not None
        elif isinstance(end, Refused):
            assert call.failed(asker.number)
        else:
            assert end == asker.number**2
            assert not call.failed(asker.number)

    async def go() -> float:
        ask = Coalescer(call, limit)
        await asyncio.gather(*(one(asker, ask) for asker in askers))
        await turns(100)
        return now()

    assert run(go()) == 0
    # A question given up before it was put is not put.
    put = [item for batch in call.batches for item in batch]
    assert len(set(put)) == len(put)
    assert set(put) >= {asker.number for asker in askers if asker.patience is None}
    assert put == [item for item in asked if item in put]
    assert all(1 <= len(batch) <= limit for batch in call.batches)
