"""Lists on their way from an event loop into a thread, and the twins' likeness."""

from __future__ import annotations

import asyncio
import inspect
import io
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from threading import Event
from typing import Any, TypeVar, cast

import pytest
from structlog.contextvars import bound_contextvars, get_contextvars

from dispatcher import (
    AsyncDispatcher,
    AsyncRun,
    Dispatcher,
    InvalidInput,
    LedgerUnreachable,
    Recipients,
    Row,
    Run,
    Settings,
    read_recipients,
)
from dispatcher.bridge import Threads, load
from tests.unit.worker_fakes import turns

T = TypeVar("T")

#: Seconds until a test that waits for a thread gives up.
PATIENCE = 20
#: Rows that a stalled load lets an upload read: four batches, and one that waits.
READ_AHEAD = 2500
Rows = Iterable[str | Row]


def run(work: Callable[[Threads], Coroutine[object, object, T]]) -> T:
    """Run on a loop and threads of its own; the threads must come to an end."""

    async def go() -> T:
        async with asyncio.timeout(PATIENCE):
            return await work(threads)

    threads = Threads()
    try:
        return asyncio.run(go())
    finally:
        threads.close(wait=True)


async def until(event: Event) -> None:
    """Wait in the loop for what a thread does."""
    assert await asyncio.to_thread(event.wait, PATIENCE)


class Reader:
    """What a load does with its list: reads, and notes how it ended."""

    def __init__(self) -> None:
        self.begun = Event()
        self.rows: list[str | Row] = []
        self.ending = "never ended"

    def __call__(self, rows: Rows) -> int:
        self.begun.set()
        try:
            for row in rows:
                self.rows.append(row)
        except BaseException as error:
            self.ending = type(error).__name__
            raise
        self.ending = "read to the end"
        return len(self.rows)


class Upload:
    """Numbers that come in the loop; then it ends, stalls or fails."""

    def __init__(self, count: int, then: Callable[[], Any] | None = None) -> None:
        self.count = count
        self.then = then
        self.given = 0
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[str]:
        try:
            for number in range(1, self.count + 1):
                self.given = number
                yield str(number)
            if self.then:
                await self.then()
        finally:
            self.closed = True


async def _stall() -> None:
    await asyncio.Event().wait()


async def _fail() -> None:
    raise ValueError("the connection broke")


# -- what arrives ------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 499, 500, 501, 12_345])
def test_every_row_of_an_upload_arrives_in_its_order(size: int) -> None:
    """Whole batches, parts of one, and none."""
    reader = Reader()
    assert run(lambda threads: load(threads, reader, Upload(size))) == size
    assert reader.rows == [str(n) for n in range(1, size + 1)]
    assert reader.ending == "read to the end"


def test_an_upload_is_read_no_faster_than_it_is_stored() -> None:
    """While the thread does not read, the loop stops after a few batches."""
    upload, go_on = Upload(100_000), Event()

    def slow(rows: Rows) -> int:
        assert go_on.wait(PATIENCE)
        return sum(1 for _ in rows)

    async def work(threads: Threads) -> tuple[int, int]:
        loading = asyncio.create_task(load(threads, slow, upload))
        await turns(1000)
        read = upload.given
        go_on.set()
        return read, await loading

    assert run(work) == (READ_AHEAD, 100_000)


def test_a_list_grouped_by_a_column_stays_one() -> None:
    """What the loader asks a list about itself is answered as before."""
    listed = read_recipients(
        io.BytesIO(b"phone,home\n+19195550100,a\n"), group_by="home", region="GB"
    )

    def look(rows: Rows) -> tuple[bool, str, list[str | Row]]:
        assert isinstance(rows, Recipients)
        return rows.grouped, rows.region, list(rows)

    assert run(lambda threads: load(threads, look, listed)) == (
        *(True, "GB"),
        [Row(2, "+19195550100", "a")],
    )


def test_one_string_is_no_list() -> None:
    """It is refused as the blocking client refuses it, not read letter by letter."""
    with pytest.raises(InvalidInput, match="one string"):
        run(lambda threads: load(threads, Reader(), "+19195550100"))


def test_threads_see_the_context_of_who_asks() -> None:
    """A web application's request id reaches the log lines."""

    async def work(threads: Threads) -> tuple[Any, Any]:
        with bound_contextvars(request="42"):
            seen = await threads.call(get_contextvars)
            return seen, await load(threads, lambda _: get_contextvars(), [])

    assert run(work) == ({"request": "42"}, {"request": "42"})


# -- errors and cancellation, both ways --------------------------------------------


def test_an_upload_that_fails_ends_the_load() -> None:
    """Its own error comes out; the load sees its list break off, not end."""
    reader, upload = Reader(), Upload(700, _fail)
    with pytest.raises(ValueError, match="the connection broke"):
        run(lambda threads: load(threads, reader, upload))
    assert reader.ending == "_Stopped"


def test_a_load_that_fails_ends_the_upload() -> None:
    """At once, though not a row comes any more; the upload is closed."""
    upload = Upload(700, _stall)

    def fail(rows: Rows) -> None:
        next(iter(rows))
        raise LedgerUnreachable("gone")

    with pytest.raises(LedgerUnreachable):
        run(lambda threads: load(threads, fail, upload))
    assert upload.closed


def test_a_load_that_fails_closes_an_upload_that_waits_for_room() -> None:
    """Between two rows, too, nothing stays open."""
    upload, stuck = Upload(100_000), Event()

    def fail(_: Rows) -> None:
        assert stuck.wait(PATIENCE)
        raise LedgerUnreachable("gone")

    async def work(threads: Threads) -> None:
        loading = asyncio.create_task(load(threads, fail, upload))
        await turns(1000)
        stuck.set()
        await loading

    with pytest.raises(LedgerUnreachable):
        run(work)
    assert (upload.given, upload.closed) == (READ_AHEAD, True)


def _endless() -> Iterator[str]:
    return map(str, count())


@pytest.mark.parametrize(
    "recipients", [Upload(700, _stall), _endless()], ids=["async", "blocking"]
)
def test_a_cancelled_load_has_ended(recipients: Iterable[str] | Upload) -> None:
    """When the cancellation comes back, the thread has noticed."""
    reader = Reader()

    async def work(threads: Threads) -> str:
        loading = asyncio.create_task(load(threads, reader, recipients))
        await until(reader.begun)
        loading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await loading
        return reader.ending

    assert run(work) == "_Stopped"


def test_what_still_waits_for_a_thread_never_begins() -> None:
    """A load that was cancelled in the queue is not carried out later."""
    late, go_on = Reader(), Event()

    async def work(threads: Threads) -> None:
        busy = [
            asyncio.create_task(load(threads, lambda _: go_on.wait(PATIENCE), []))
            for _ in range(8)
        ]
        waiting = asyncio.create_task(load(threads, late, ["+19195550100"]))
        await turns()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        go_on.set()
        await asyncio.gather(*busy)

    run(work)
    assert late.ending == "never ended"


@contextmanager
def _set_at_the_end(event: Event) -> Iterator[None]:
    try:
        yield
    finally:
        event.set()


def test_a_second_cancellation_does_not_wait_for_the_thread() -> None:
    """A list that stands still in a thread cannot hold whoever gives up on it."""
    reader, go_on = Reader(), Event()

    def stuck() -> Iterator[str]:
        go_on.wait(PATIENCE)
        yield "+19195550100"

    async def work(threads: Threads) -> str:
        with _set_at_the_end(go_on):
            loading = asyncio.create_task(load(threads, reader, stuck()))
            await until(reader.begun)
            for _ in range(2):
                loading.cancel()
                await turns()
            with suppress(asyncio.CancelledError):
                await loading
            return reader.ending

    assert run(work) == "never ended"
    assert reader.ending == "_Stopped"


# -- the twins ---------------------------------------------------------------------

#: What only the blocking client has: for the command line, and what `async with` does.
ONLY_BLOCKING = {"order", "place", "wake", "close", "store_suppressions"}


def _methods(kind: type) -> dict[str, inspect.Signature]:
    return {
        name: inspect.signature(function)
        for name, function in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_")
    }


@pytest.mark.parametrize(
    ("blocking", "twin"), [(Dispatcher, AsyncDispatcher), (Run, AsyncRun)]
)
def test_the_twins_take_the_same_calls(blocking: type, twin: type) -> None:
    """Each method with the same arguments, names and defaults."""
    theirs, ours = _methods(blocking), _methods(twin)
    assert ours.keys() - {"aclose"} == theirs.keys() - ONLY_BLOCKING
    for name in theirs.keys() & ours.keys():
        assert _taken(ours[name]) == _taken(theirs[name]), name


def _taken(signature: inspect.Signature) -> list[tuple[str, Any, Any]]:
    parameters = signature.parameters.values()
    return [(each.name, each.kind, each.default) for each in parameters]


@pytest.mark.parametrize("name", sorted(_methods(Run).keys() - {"results", "wait"}))
def test_the_twins_of_a_campaign_say_the_same(name: str) -> None:
    """A docstring that is mended in one place only is found."""
    texts = {inspect.getdoc(getattr(kind, name)) for kind in (Run, AsyncRun)}
    assert len(texts) == 1


def test_it_is_not_usable_unless_entered() -> None:
    """Before and after, the error says how to use it."""
    with pytest.raises(RuntimeError, match="async with"):
        asyncio.run(AsyncDispatcher().campaigns())


def test_entering_fails_where_the_blocking_client_does() -> None:
    """With its error, at once."""
    nowhere = Settings.load(redis_url="unix:///nobody/here.sock")

    async def enter() -> None:
        async with AsyncDispatcher(nowhere):
            pytest.fail("there is no server")

    with pytest.raises(LedgerUnreachable):
        asyncio.run(enter())


@pytest.mark.parametrize("wrong", [{"state": "lost"}, {"by": "household"}])
def test_results_are_refused_before_they_are_read(wrong: dict[str, Any]) -> None:
    """A web application can still answer with an error then."""
    with pytest.raises(InvalidInput):
        AsyncRun(cast("Run", Unread()), Threads()).results(**wrong)


class Unread:
    """A campaign that nobody may ask anything."""

    id = "unread"
    submission = None
