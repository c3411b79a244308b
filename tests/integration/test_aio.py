"""The async client on a running system: what it does, and that the loop never waits."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
)
from itertools import count, islice
from typing import Any, TypeVar

import pytest
from redis.connection import AbstractConnection

from dispatcher import (
    AsyncDispatcher,
    AsyncRun,
    Campaign,
    ContentConflict,
    GroupResult,
    ListRejected,
    Refused,
    UnknownCampaign,
)
from tests.stack import SENDER, TEXT, Stack, numbers

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

T = TypeVar("T")

CAMPAIGN = Campaign(sender=SENDER, text=TEXT)
#: A campaign of which nothing is sent while a test lasts.
SLOW = Campaign(sender=SENDER, text=TEXT, pace=0.001)
#: Seconds until a test gives up.
PATIENCE = 60
#: The provider refuses it, and with it the group it is in.
REFUSED = "+49 30 12"
#: A group of its own: one that was just sent may not be sent again at once.
OTHERS = [*islice(numbers(10_000), 9_990, 10_000)]
MANY = 200_000
#: Rows between two looks whether the loop lives.
STRIDE = 5_000


def on(stack: Stack, work: Callable[[AsyncDispatcher], Awaitable[T]]) -> T:
    """Run on a loop, with a client of that system."""

    async def go() -> T:
        async with (
            asyncio.timeout(PATIENCE),
            AsyncDispatcher(stack.dispatcher.settings) as dispatcher,
        ):
            return await work(dispatcher)

    return asyncio.run(go())


async def upload(rows: Iterable[str]) -> AsyncIterator[str]:
    """Rows as they come from a web client."""
    for row in rows:
        yield row


# -- the whole way -----------------------------------------------------------------


def test_a_campaign_makes_its_way(stack: Stack) -> None:
    """Submitted, waited for, read and recounted."""

    async def work(dispatcher: AsyncDispatcher) -> None:
        rows = upload(numbers(1_234))
        run = await dispatcher.submit(CAMPAIGN, rows, id="aio-way")
        done = await run.wait(timeout=PATIENCE)
        assert (done.state, done.counts["accepted"]) == ("done", 124)
        assert [group.number async for group in run.results()] == list(range(124))
        people = [person.number async for person in run.results(by="recipient")]
        assert people == list(numbers(1_234))
        assert (await run.verify()).balanced
        assert "aio-way" in [each.id for each in await dispatcher.campaigns()]

    on(stack, work)


def test_a_repeated_submit_changes_nothing(stack: Stack) -> None:
    """An upload and a list, in the loop and without one: the same campaign."""
    stack.dispatcher.submit(CAMPAIGN, numbers(50), id="aio-again")

    async def work(dispatcher: AsyncDispatcher) -> list[AsyncRun]:
        again = (
            dispatcher.submit(CAMPAIGN, upload(numbers(50)), id="aio-again"),
            dispatcher.submit(CAMPAIGN, numbers(50), id="aio-again"),
        )
        return list(await asyncio.gather(*again))

    for run in on(stack, work):
        assert run.submission is not None
        assert (run.submission.existing, run.submission.groups) == (True, 5)


def test_groups_that_failed_are_found_and_tried_again(stack: Stack) -> None:
    """Their errors, their results, their retry."""

    async def work(dispatcher: AsyncDispatcher) -> None:
        recipients = [*OTHERS, REFUSED]
        run = await dispatcher.submit(CAMPAIGN, recipients, id="aio-failed")
        await run.wait(timeout=PATIENCE)
        (failed,) = [group async for group in run.results(state="failed")]
        assert failed.to == ("+493012",)
        assert failed.error is not None
        assert await run.errors() == {failed.error.code: 1}
        assert await dispatcher.retry("aio-failed", failed=True) == 1
        assert (await run.wait(timeout=PATIENCE)).counts["failed"] == 1
        with pytest.raises(Refused, match="only an unknown or held"):
            await run.resolve(failed.number, message_id=None)

    on(stack, work)


def test_a_campaign_is_steered(stack: Stack) -> None:
    """Paused, which ends waiting; resumed; cancelled for good."""

    async def work(dispatcher: AsyncDispatcher) -> None:
        run = await dispatcher.submit(SLOW, numbers(100), id="aio-steered")
        assert await dispatcher.pause(run.id) == []
        assert (await run.wait(timeout=PATIENCE)).state == "paused"
        await dispatcher.resume(run.id)
        with pytest.raises(TimeoutError):
            await run.wait(timeout=0)
        await dispatcher.cancel(run.id)
        assert (await run.wait(timeout=PATIENCE)).state == "cancelled"
        with pytest.raises(Refused):
            await run.resume()

    on(stack, work)


def test_waiting_can_be_cancelled(stack: Stack) -> None:
    """As any sleep in the loop; the campaign goes on."""

    async def work(dispatcher: AsyncDispatcher) -> str:
        run = await dispatcher.submit(SLOW, numbers(100), id="aio-waiting")
        waiting = asyncio.create_task(run.wait())
        await run.progress()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        state = (await run.progress()).state
        await run.cancel()
        return state

    assert on(stack, work) == "running"


def test_errors_are_those_of_the_blocking_client(stack: Stack) -> None:
    """Taken id, unknown id, nobody to send to."""

    async def work(dispatcher: AsyncDispatcher) -> None:
        await dispatcher.submit(CAMPAIGN, numbers(10), id="aio-taken")
        with pytest.raises(ContentConflict):
            await dispatcher.submit(CAMPAIGN, upload(numbers(11)), id="aio-taken")
        with pytest.raises(UnknownCampaign):
            await dispatcher.campaign("aio-nobody-has-this")
        with pytest.raises(ListRejected):
            await dispatcher.submit(CAMPAIGN, upload(["no number"]))

    on(stack, work)


def test_results_may_be_left_half_way(stack: Stack) -> None:
    """Some are fetched, the rest is not; nothing complains."""
    stack.dispatcher.submit(SLOW, numbers(20_000), id="aio-half")

    async def first(run: AsyncRun) -> GroupResult:
        async for group in run.results():
            return group
        raise AssertionError("there are results")

    async def work(dispatcher: AsyncDispatcher) -> int:
        run = await dispatcher.campaign("aio-half")
        group = await first(run)
        await run.cancel()
        return group.number

    assert on(stack, work) == 0


# -- nothing half-done -------------------------------------------------------------


async def _broken() -> AsyncIterator[str]:
    for number in numbers(5_000):
        yield number
    raise ConnectionResetError("the client went away")


def test_an_upload_that_breaks_off_leaves_nothing(stack: Stack) -> None:
    """No campaign; its id is free."""

    async def work(dispatcher: AsyncDispatcher) -> bool:
        with pytest.raises(ConnectionResetError):
            await dispatcher.submit(CAMPAIGN, _broken(), id="aio-broken")
        with pytest.raises(UnknownCampaign):
            await dispatcher.campaign("aio-broken")
        run = await dispatcher.submit(CAMPAIGN, numbers(20), id="aio-broken")
        assert run.submission is not None
        return run.submission.existing

    assert on(stack, work) is False


def _endless(begun: threading.Event) -> Iterator[str]:
    for number in count(2_000_000):
        begun.set()
        yield f"+1919{number}"


async def _endless_upload(begun: threading.Event) -> AsyncIterator[str]:
    for number in _endless(begun):
        yield number


@pytest.mark.parametrize("rows", [_endless, _endless_upload])
def test_a_cancelled_submit_leaves_nothing(
    stack: Stack, rows: Callable[[threading.Event], Any]
) -> None:
    """Whether the list is read in a thread or in the loop."""
    begun = threading.Event()

    async def work(dispatcher: AsyncDispatcher) -> None:
        submit = dispatcher.submit(CAMPAIGN, rows(begun), id="aio-cancelled")
        submitting = asyncio.create_task(submit)
        assert await asyncio.to_thread(begun.wait, PATIENCE)
        submitting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await submitting
        with pytest.raises(UnknownCampaign):
            await dispatcher.campaign("aio-cancelled")

    on(stack, work)


# -- the loop never waits ----------------------------------------------------------


class Heart:
    """A coroutine that beats at each turn of the loop."""

    def __init__(self) -> None:
        self.beat = threading.Event()
        self.rows_between = 0
        self.most_rows_between = 0

    async def __call__(self) -> None:
        while True:
            self.beat.set()
            self.rows_between = 0
            await asyncio.sleep(0)

    def slow(self, rows: Iterable[str]) -> Iterator[str]:
        """Rows that go on only while it beats."""
        for place, row in enumerate(rows):
            if place % STRIDE == 0:
                self.beat.clear()
                assert self.beat.wait(PATIENCE), "the loop stands still"
            yield row

    async def counted(self, rows: Iterable[str]) -> AsyncIterator[str]:
        """Rows of the loop's own, counted from beat to beat."""
        for row in rows:
            self.rows_between += 1
            self.most_rows_between = max(self.most_rows_between, self.rows_between)
            yield row


async def _submitted(
    dispatcher: AsyncDispatcher,
    heart: Heart,
    rows: Iterable[str] | AsyncIterable[str],
    id_: str,
) -> int:
    beating = asyncio.create_task(heart())
    run = await dispatcher.submit(SLOW, rows, id=id_)
    beating.cancel()
    await run.cancel()
    assert run.submission is not None
    return run.submission.recipients


def test_the_loop_turns_while_a_long_list_is_read(stack: Stack) -> None:
    """The list waits for the loop every so often; a loop that waits would never end."""
    heart = Heart()
    rows = heart.slow(numbers(MANY))
    assert on(stack, lambda d: _submitted(d, heart, rows, "aio-heart")) == MANY


def test_the_loop_turns_while_it_reads_a_long_upload(stack: Stack) -> None:
    """Even of an upload that never pauses, few rows pass between two turns."""
    heart = Heart()
    rows = heart.counted(numbers(MANY))
    assert on(stack, lambda d: _submitted(d, heart, rows, "aio-upload")) == MANY
    assert heart.most_rows_between <= STRIDE


def test_nothing_is_asked_of_redis_in_the_loop(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not by any call, nor by the wake-ups they publish."""
    threads: set[int] = set()
    send: Any = AbstractConnection.send_packed_command

    def spy(*arguments: object, **options: object) -> None:
        threads.add(threading.get_ident())
        send(*arguments, **options)

    async def work(dispatcher: AsyncDispatcher) -> None:
        run = await dispatcher.submit(SLOW, upload(numbers(100)), id="aio-spied")
        await run.pause()
        await run.resume()
        await run.retry(failed=True, held=True)
        await run.progress()
        await run.errors()
        await run.verify()
        async for _ in run.results():
            pass
        await run.cancel()
        await run.wait()
        await dispatcher.campaigns()

    monkeypatch.setattr(AbstractConnection, "send_packed_command", spy)
    on(stack, work)
    assert threads
    assert threading.get_ident() not in threads
