"""Fakes for the worker's tests: a loop with time of its own, a ledger, a provider.

The loop never waits: when nothing else can happen, its clock jumps to the next timer.
The ledger answers what a test tells it to and notes, in order, what it was asked.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from random import Random
from typing import Any, Final, TypeVar

import msgspec

from dispatcher.campaign import Campaign
from dispatcher.errors import LedgerUnreachable
from dispatcher.ledger.async_ledger import AsyncLedger
from dispatcher.ledger.calls import Claimed, GateItem, Settlement, Verdict
from dispatcher.ledger.codec import CHUNK_GROUPS, Members
from dispatcher.ledger.scripts import Call
from workers.bandwidth import Bandwidth, Message
from workers.outcomes import Kind, Outcome

T = TypeVar("T")

SENDER: Final = "+19195551200"
TEXT: Final = "Doors open at six"
MEMBERS: Final[Members] = (19195551201, 19195551202)
#: What no log line, repr or error may hold.
PRIVATE: Final = ("9195551200", "9195551201", "9195551202", "Doors open", "s3cret")

AWAY: Final = LedgerUnreachable("Redis does not answer")


# -- time ----------------------------------------------------------------------


class Stuck(AssertionError):
    """Nothing can ever happen any more, and somebody still waits."""


class _Skipping(selectors.SelectSelector):
    """Instead of waiting, turns a loop's clock forward."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(
        self, timeout: float | None = None
    ) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise Stuck
        self._loop.now += timeout
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """Its time passes only when nothing else can happen, and then at once."""

    def __init__(self) -> None:
        self.now = 0.0
        super().__init__(_Skipping(self))

    def time(self) -> float:
        return self.now


def run(coroutine: Coroutine[object, object, T]) -> T:
    """Run on a virtual loop of its own."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(coroutine)


def now() -> float:
    """The running loop's time, seconds."""
    return asyncio.get_running_loop().time()


async def turns(count: int = 20) -> None:
    """Let everything happen that needs no time."""
    for _ in range(count):
        await asyncio.sleep(0)


class Calm(Random):
    """No jitter."""

    def random(self) -> float:
        return 0.0


# -- the ledger ----------------------------------------------------------------

#: What a script answers: a raw reply, an error, or what makes one of the arguments.
Reply = Any

#: What each script answers unless a test says otherwise: nothing is due.
_DEFAULTS: Final[dict[str, Reply]] = {
    "claim": [-1, 0, b"\x90"],
    "lapse": [0, 0, 0, 0],
    "breaker": 1,
    "control": [b"paused", b"by hand"],
    "throttle": 100,
    "identify": [b"nonce", 0, b"history", b"", 0],
}


def gate_items(arguments: Sequence[Any]) -> list[GateItem]:
    """What a gate call asked."""
    return msgspec.msgpack.decode(arguments[4], type=list[GateItem])


def settlements(arguments: Sequence[Any]) -> list[Settlement]:
    """What a settle call said."""
    return msgspec.msgpack.decode(arguments[1], type=list[Settlement])


def claim_reply(*groups: Claimed, wait_ms: int = -1, alone: bool = False) -> list[Any]:
    """A claim's raw reply."""
    packed = msgspec.msgpack.encode(groups)
    return [0 if groups else wait_ms, int(alone), packed]


def claimed(group: int = 0, *, id_: str = "c1", serial: int = 0, crashes: int = 0,
            attempts: int = 0, dropped: int = 0) -> Claimed:  # fmt: skip
    """A group as a claim reserves it."""
    return Claimed(id_, "nonce", group, serial, attempts, crashes, dropped)


class FakeLedger(AsyncLedger):
    """A ledger that does what it is told.

    Attributes:
        replies: Script -> replies, used up one by one; the last one stays. A reply
            that is an exception is raised; one that can be called is called with the
            arguments, and awaited.
        asked: Every call so far: script and arguments.
        told: The same, in short words, without heartbeats.
        fails: Scripts that fail as if Redis were away.
    """

    def __init__(self, **replies: Iterable[Reply]) -> None:
        self.replies = {script: list(given) for script, given in replies.items()}
        self.asked: list[tuple[str, list[Any]]] = []
        self.told: list[tuple[Any, ...]] = []
        self.fails: set[str] = set()
        self.campaign = Campaign(sender=SENDER, text=TEXT)
        self.members = MEMBERS
        self.reads: list[str] = []
        self.closed = False

    async def run(self, call: Call[T]) -> T:
        self.asked.append((call.script, call.arguments))
        self.told.extend(_in_short(call.script, call.arguments))
        reply = self._reply(call.script)
        await asyncio.sleep(0)
        if call.script in self.fails:
            raise AWAY
        if isinstance(reply, BaseException):
            raise reply
        if callable(reply):
            reply = await reply(call.arguments)
        # The gate tells its count first.
        return call.read([0, *reply] if call.script == "gate" else reply)

    def _reply(self, script: str) -> Reply:
        given = self.replies.get(script)
        if given:
            return given.pop(0) if len(given) > 1 else given[0]
        if script in ("gate", "settle"):
            return _each(script)
        return _DEFAULTS.get(script, 1)

    async def chunk(self, load: str, number: int) -> list[Members]:
        self.reads.append(f"chunk {load}:{number}")
        await asyncio.sleep(0)
        return [self.members] * CHUNK_GROUPS

    async def spec(self, id: str) -> str:  # noqa: A002 - as the real one
        self.reads.append(f"spec {id}")
        await asyncio.sleep(0)
        return self.campaign.to_json()

    async def aclose(self) -> None:
        self.closed = True

    def count(self, script: str) -> int:
        """How often a script was called."""
        return sum(script == name for name, _ in self.asked)

    def gated(self) -> list[GateItem]:
        """Every group that asked at the gate."""
        return [i for s, arguments in self.asked if s == "gate"
                for i in gate_items(arguments)]  # fmt: skip

    def settled(self) -> list[Settlement]:
        """Every verdict."""
        return [i for s, arguments in self.asked if s == "settle"
                for i in settlements(arguments)]  # fmt: skip


def _each(script: str) -> Callable[[Sequence[Any]], Awaitable[list[int]]]:
    """Let everybody through the gate; record every verdict."""
    read, answer = (gate_items, 0) if script == "gate" else (settlements, 1)

    async def reply(arguments: Sequence[Any]) -> list[int]:
        return [answer] * len(read(arguments))

    return reply


def _in_short(script: str, arguments: Sequence[Any]) -> list[tuple[Any, ...]]:
    if script == "gate":
        return [("gate", item.serial, item.spent) for item in gate_items(arguments)]
    if script == "settle":
        return [settled(item) for item in settlements(arguments)]
    quiet = script in ("renew", "identify", "leave")
    return [] if quiet else [(script, *arguments)]


def settled(item: Settlement) -> tuple[Any, ...]:
    """A verdict in short: verdict, serial, and what else is not empty."""
    more = {"detail": item.detail, "sentence": item.sentence,
            "delay": item.delay_ms, "spent": item.spent}  # fmt: skip
    return (item.verdict.value, item.serial, {k: v for k, v in more.items() if v})


def verdict(word: Verdict, serial: int, **more: object) -> tuple[Any, ...]:
    """What `settled` makes of a verdict."""
    return (word.value, serial, more)


# -- the provider --------------------------------------------------------------


class Ungated:
    """An outcome that comes before the gate is asked: no connection, no token."""

    def __init__(self, kind: Kind, code: str) -> None:
        self.outcome = Outcome(kind, code)


Script = Outcome | Ungated | Exception | Callable[[], Awaitable[Outcome]]

TAKEN: Final = Outcome(Kind.ACCEPTED, "202", "m1")


class FakeProvider(Bandwidth):
    """Asks for the permit as the real client does, then ends as it is told.

    Attributes:
        script: How sends end, one by one; the last one stays.
        sent: Messages written.
        permits: Until when each write was permitted.
        under_way: Sends that have not ended.
        most: The most of them at one time.
        connecting_s: Seconds until a connection is there.
    """

    connecting_s = 0.0

    def __init__(self, *script: Script) -> None:
        self.script = list(script) or [TAKEN]
        self.sent: list[Message] = []
        self.permits: list[float | None] = []
        self.under_way = 0
        self.most = 0
        self.closed = False

    async def send(
        self,
        message: Message,
        before_write: Callable[[], Awaitable[float | None]] | None = None,
    ) -> Outcome:
        end = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await asyncio.sleep(self.connecting_s)
            if isinstance(end, Ungated):
                return end.outcome
            assert before_write is not None
            self.permits.append(await before_write())
            self.sent.append(message)
            if isinstance(end, Exception):
                raise end
            return end if isinstance(end, Outcome) else await end()
        finally:
            self.under_way -= 1

    async def aclose(self) -> None:
        self.closed = True


def after(seconds: float, outcome: Outcome = TAKEN) -> Callable[[], Awaitable[Outcome]]:
    """An outcome that takes its time."""

    async def end() -> Outcome:
        await asyncio.sleep(seconds)
        return outcome

    return end
