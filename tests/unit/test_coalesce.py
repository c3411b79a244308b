"""The coalescer: who asks gets their own answer, however the calls go."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from structlog.contextvars import bound_contextvars, get_contextvars

from dispatcher.coalesce import Coalescer
from tests.unit.worker_fakes import now, run, turns


class Recorder:
    """Answers ten times the question, after some turns of the loop."""

    def __init__(self, turns: int = 3) -> None:
        self.turns = turns
        self.batches: list[list[int]] = []
        self.contexts: list[dict[str, object]] = []

    async def __call__(self, items: Sequence[int]) -> Sequence[int | Exception]:
        self.batches.append(list(items))
        self.contexts.append(get_contextvars())
        await turns(self.turns)
        return [10 * item for item in items]


def test_what_comes_during_a_call_goes_together_with_the_next() -> None:
    """One call for the first, one for all that came meanwhile, in their order."""
    call = Recorder()

    async def go() -> list[int]:
        ask = Coalescer(call, 100)
        first = asyncio.create_task(ask(1))
        await turns(3)
        return [await first, *await asyncio.gather(*map(ask, [2, 3, 4]))]

    assert run(go()) == [10, 20, 30, 40]
    assert call.batches == [[1], [2, 3, 4]]


def test_what_is_ready_at_once_goes_together() -> None:
    """An idle coalescer takes along everything of the same turn."""
    call = Recorder()

    async def go() -> None:
        await asyncio.gather(*map(Coalescer(call, 100), range(5)))

    run(go())
    assert call.batches == [[0, 1, 2, 3, 4]]


def test_batches_are_bounded() -> None:
    """No call takes more than the limit."""
    call = Recorder()

    async def go() -> list[int]:
        return await asyncio.gather(*map(Coalescer(call, 2), range(5)))

    assert run(go()) == [0, 10, 20, 30, 40]
    assert call.batches == [[0, 1], [2, 3], [4]]


def test_an_idle_asker_does_not_wait() -> None:
    """No timer: an answer takes no more time than its call."""

    async def go() -> float:
        await Coalescer(Recorder(), 2)(1)
        return now()

    assert run(go()) == 0


def test_a_failed_call_fails_its_batch_only() -> None:
    """Everyone in the batch gets the error; the next ones get their answers."""

    async def call(items: Sequence[int]) -> Sequence[int]:
        if 1 in items:
            raise LookupError
        return items

    async def go() -> None:
        ask = Coalescer(call, 2)
        ended = await asyncio.gather(*map(ask, [1, 2, 3]), return_exceptions=True)
        assert [type(end) for end in ended] == [LookupError, LookupError, int]
        assert await ask(4) == 4

    run(go())


def test_one_answer_may_be_an_error() -> None:
    """It is raised to the one who asked, and to nobody else."""

    async def call(items: Sequence[int]) -> Sequence[int | Exception]:
        return [LookupError() if item == 2 else item for item in items]

    async def go() -> list[int | BaseException]:
        ask = Coalescer(call, 10)
        return await asyncio.gather(*map(ask, [1, 2, 3]), return_exceptions=True)

    one, two, three = run(go())
    assert (one, type(two), three) == (1, LookupError, 3)


def test_too_few_answers_are_an_error() -> None:
    """Nobody is left waiting for an answer that does not come."""

    async def call(items: Sequence[int]) -> Sequence[int]:
        return items[1:]

    async def go() -> None:
        ask = Coalescer(call, 10)
        for end in await asyncio.gather(ask(1), ask(2), return_exceptions=True):
            assert isinstance(end, ValueError)

    run(go())


def test_one_who_gives_up_does_not_stop_the_others() -> None:
    """A cancelled asker's question is asked all the same: it may be a verdict."""
    call = Recorder()

    async def go() -> int:
        ask = Coalescer(call, 10)
        gone, stays = asyncio.create_task(ask(1)), asyncio.create_task(ask(2))
        await turns(2)
        gone.cancel()
        return await stays

    assert run(go()) == 20
    assert call.batches == [[1, 2]]


def test_a_call_that_is_cancelled_leaves_nobody_waiting() -> None:
    """Those it was for, and those who came after, are cancelled with it."""

    async def call(_: Sequence[int]) -> Sequence[int]:
        raise asyncio.CancelledError

    async def go() -> None:
        ask = Coalescer(call, 1)
        asked = [asyncio.create_task(ask(number)) for number in range(3)]
        done, waiting = await asyncio.wait(asked, timeout=1)
        assert not waiting
        assert all(task.cancelled() for task in done)
        # And it is not broken for good.
        with pytest.raises(asyncio.CancelledError):
            await ask(4)

    run(go())


def test_a_call_carries_nobody_s_log_names() -> None:
    """A line logged in a call for many must not name the campaign of the first."""
    call = Recorder()

    async def go() -> None:
        with bound_contextvars(campaign="first"):
            await Coalescer(call, 10)(1)

    run(go())
    assert call.contexts == [{}]
