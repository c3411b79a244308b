"""The reconciler between the real ledger and the real simulated provider.

The simulator's record is the witness: what it took and what the ledger says must agree.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from dispatcher.credentials import Credentials
from dispatcher.embedded import EmbeddedServer
from dispatcher.ledger.async_ledger import AsyncLedger
from dispatcher.ledger.codec import member_lock
from dispatcher.ledger.keys import key
from dispatcher.numbers import e164
from dispatcher.simulator import Fault, Layout, Simulator, SimulatorConfig
from tests.bench import SENDER, TOKEN, Bench, Hands, members_of
from workers import reconcile
from workers.bandwidth import Bandwidth, Message
from workers.outcomes import Kind
from workers.proof import Rules
from workers.reconcile import Reconciler
from workers.transport import Transport

HOLD = Rules(grace=300.0, policy="hold", deadline=15.0)
RESEND = replace(HOLD, policy="resend")
#: A grace time that passes while a test runs.
SHORT = Rules(grace=0.5, policy="resend", deadline=0.3, slack=0.1)

CONFIG = SimulatorConfig(username="user", password="pa55word")
PAST_GRACE_MS = 302_000


class Now(Hands):
    """The time it is, and what a test adds to it."""

    def __call__(self) -> int:
        return int(time.time() * 1e6) + self.us

    @property
    def seconds(self) -> float:
        return self() / 1e6


@dataclass
class Scene:
    """A ledger, a provider, and what stands between them."""

    bench: Bench
    simulator: Simulator
    clock: Now
    client: Bandwidth
    ledger: AsyncLedger

    def reconciler(self, rules: Rules = HOLD, child: str = "A") -> Reconciler:
        return Reconciler(
            child, self.ledger, self.client, rules, clock=lambda: self.clock.seconds
        )

    def gate(self, group: int, serial: int = 1) -> None:
        """The group is claimed and may be written now."""
        self.bench.claimed(1)
        lock = member_lock(SENDER, members_of(group))
        assert self.bench.gate(group, serial, lock=lock) == 0

    async def write(
        self, group: int = 0, *, serial: int = 1, fault: Fault | None = None
    ) -> None:
        """Send a group as a worker does and record what was heard."""
        self.gate(group, serial)
        self.simulator.set_faults({fault: 1.0} if fault else {})
        outcome = await self.client.send(message(members_of(group)))
        lock = member_lock(SENDER, members_of(group))
        if outcome.kind is Kind.ACCEPTED:
            detail = outcome.message_id or ""
            self.bench.settle("accepted", group, serial, detail, lock=lock)
        else:
            assert outcome.kind is Kind.UNKNOWN
            self.bench.settle("unknown", group, serial, outcome.code, lock=lock)
        self.simulator.set_faults({})

    async def lose(self, groups: int = 1, fault: Fault = Fault.DROP_AFTER) -> None:
        """Send so many groups of which nothing is heard."""
        self.bench.load(groups=groups)
        for group in range(groups):
            await self.write(group, fault=fault)

    async def learn_skew(self) -> None:
        """Some answers that tell the provider's time."""
        for number in range(3):
            await self.client.send(message((19_195_570_000 + number,)))

    async def rounds(self, reconciler: Reconciler, ms: float = 2000.0) -> None:
        """Time passes, and everything due is looked for."""
        self.clock.forward(ms)
        self.bench.redis.delete(key("reconciler"))
        while await reconciler.run_once() <= reconcile.BREATH_S:
            pass
        self.bench.check()

    async def until(self, check: Callable[[], bool], reconciler: Reconciler) -> None:
        """Let it live until something is so."""
        task = asyncio.create_task(reconciler.live())
        await eventually(check)
        await ended(task)

    def misbooked(self) -> list[int]:
        """Accepted groups whose id the provider has for others, or not at all."""
        ids = {entry.id: set(entry.to) for entry in self.simulator.record()}
        return [
            row.group
            for row in self.bench.ledger.groups(self.bench.row())
            if row.record.state.word == "accepted"
            and ids.get(row.record.tail) != set(map(e164, row.members))
        ]

    def taken(self) -> Counter[tuple[str, ...]]:
        """How often the provider took a message to whom."""
        record = self.simulator.record()
        return Counter(entry.to for entry in record if entry.taken)


async def eventually(check: Callable[[], bool], pause: float = 0.02) -> None:
    """Until another process has done something: no event of ours tells of it."""
    async with asyncio.timeout(20):
        while not check():  # noqa: ASYNC110
            await asyncio.sleep(pause)


async def ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


def message(members: tuple[int, ...]) -> Message:
    return Message(
        application_id="93de2206-9669-4e07-948d-329f4b722ee2",
        sender=SENDER,
        to=tuple(map(e164, members)),
        text="Doors open at 6 pm.",
    )


@asynccontextmanager
async def scene(
    url: str, config: SimulatorConfig = CONFIG, *, oauth: bool = False
) -> AsyncIterator[Scene]:
    """Everything, on the running loop."""
    clock = Now(0)
    with Simulator(config) as simulator, Bench(url, clock=clock) as bench:
        root = simulator.base_url.removesuffix("/v2")
        token_url = f"{root}/v1/oauth2/token" if oauth else None
        client = Bandwidth(
            base_url=simulator.base_url,
            credentials=Credentials("5500001", "user", "pa55word", token_url),
            transport=Transport(),
            search_transport=Transport(),
            deadline=1.0,
        )
        ledger = AsyncLedger(url, clock=clock)
        try:
            yield Scene(bench, simulator, clock, client, ledger)
        finally:
            await client.aclose()
            await ledger.aclose()


def run(coroutine: Coroutine[object, object, None]) -> None:
    asyncio.run(coroutine)


# -- taken, and nobody heard ---------------------------------------------------


@pytest.mark.parametrize("layout", Layout)
@pytest.mark.parametrize("fault", [Fault.DROP_AFTER, Fault.HALF_ANSWER])
def test_what_was_taken_is_found(server_url: str, layout: Layout, fault: Fault) -> None:
    """However its rows look: accepted under the provider's own id."""

    async def story() -> None:
        async with scene(server_url, replace(CONFIG, layout=layout)) as s:
            await s.lose(4, fault)
            assert s.bench.counts() == {"unknown": 4}
            await s.rounds(s.reconciler())
            assert s.bench.counts() == {"accepted": 4}
            assert (s.bench.campaign(), s.misbooked()) == ("done", [])
            assert s.bench.redis.exists(key("doubts")) == 0
            lock = member_lock(SENDER, members_of(0))
            assert s.bench.redis.zscore(key("locks"), lock) <= s.clock() / 1000 + 10_000

    run(story())


def test_a_worker_that_died(server_url: str) -> None:
    """Nobody even reported the write: the lapsed claim's group is found as well."""

    async def story() -> None:
        async with scene(server_url) as s:
            s.bench.load(groups=1)
            s.gate(0)
            await s.client.send(message(members_of(0)))
            assert s.bench.lapse(TOKEN).unknown == 1
            await s.rounds(s.reconciler())
            assert (s.bench.counts(), s.misbooked()) == ({"accepted": 1}, [])

    run(story())


def test_found_on_a_later_page(server_url: str) -> None:
    """Many messages to nearly the same people in between: none is taken for ours."""

    async def story() -> None:
        async with scene(server_url) as s:
            await s.lose()
            for stranger in range(20):
                others = (*members_of(0)[:9], 19_195_580_000 + stranger)
                await s.client.send(message(others))
            before = s.simulator.stats().searches
            await s.rounds(s.reconciler())
            assert s.simulator.stats().searches - before == 2
            assert (s.bench.counts(), s.misbooked()) == ({"accepted": 1}, [])

    run(story())


def test_the_index_lags(server_url: str) -> None:
    """An early empty answer changes nothing; the message is found when it shows."""

    async def story() -> None:
        async with scene(server_url, replace(CONFIG, index_lag=1.0)) as s:
            await s.lose()
            reconciler = s.reconciler()
            await s.rounds(reconciler)
            assert s.bench.counts() == {"unknown": 1}
            await asyncio.sleep(1.0)
            await s.rounds(reconciler, 3000)
            assert (s.bench.counts(), s.misbooked()) == ({"accepted": 1}, [])

    run(story())


def test_found_after_it_was_held(server_url: str) -> None:
    """The index lags longer than the grace: held first, and accepted in the end."""

    async def story() -> None:
        async with scene(server_url, replace(CONFIG, index_lag=1.0)) as s:
            await s.lose()
            reconciler = s.reconciler()
            await s.rounds(reconciler, PAST_GRACE_MS)
            assert (s.bench.counts(), s.bench.campaign()) == ({"held": 1}, "done")
            await asyncio.sleep(1.0)
            await s.rounds(reconciler, 110_000)
            assert (s.bench.counts(), s.misbooked()) == ({"accepted": 1}, [])

    run(story())


def test_held_before_anybody_could_look(server_url: str) -> None:
    """Too many to search for in time, or nobody to do it: proof comes all the same."""

    async def story() -> None:
        async with scene(server_url) as s:
            await s.lose(3)
            for group in range(3):
                lock = member_lock(SENDER, members_of(group))
                s.bench.settle("hold", group, token="", lock=lock)
            assert (s.bench.counts(), s.bench.campaign()) == ({"held": 3}, "done")
            await s.rounds(s.reconciler(), PAST_GRACE_MS)
            assert (s.bench.counts(), s.misbooked()) == ({"accepted": 3}, [])

    run(story())


def test_accepted_without_an_id(server_url: str) -> None:
    """Its 202 could not be read: the search tells the id, and its people are locked.

    A message of another campaign to them could be taken for it.
    """

    async def story() -> None:
        async with scene(server_url) as s:
            s.bench.load(groups=1)
            s.gate(0)
            s.simulator.set_faults({Fault.BAD_JSON: 1.0})
            outcome = await s.client.send(message(members_of(0)))
            assert (outcome.kind, outcome.message_id) == (Kind.ACCEPTED, None)
            lock = member_lock(SENDER, members_of(0))
            s.bench.settle("accepted", 0, 1, "", lock=lock)
            assert s.misbooked() == [0]
            until = s.bench.redis.zscore(key("locks"), lock)
            assert until > s.clock() / 1000 + 1_700_000
            await s.rounds(s.reconciler())
            assert (s.bench.counts(), s.misbooked()) == ({"accepted": 1}, [])
            until = s.bench.redis.zscore(key("locks"), lock)
            assert until <= s.clock() / 1000 + 10_000
            assert s.bench.redis.exists(key("doubts")) == 0

    run(story())


# -- never taken ---------------------------------------------------------------


def test_never_taken_is_held(server_url: str) -> None:
    """Nothing is sent again; after half an hour nobody looks any more."""

    async def story() -> None:
        async with scene(server_url) as s:
            await s.lose(fault=Fault.DROP_BEFORE)
            reconciler = s.reconciler()
            await s.rounds(reconciler)
            assert s.bench.counts() == {"unknown": 1}
            await s.rounds(reconciler, PAST_GRACE_MS)
            assert s.bench.counts() == {"held": 1}
            await s.rounds(reconciler, 1_500_000)
            assert s.bench.counts() == {"held": 1}
            assert s.bench.redis.exists(key("doubts")) == 0

    run(story())


def test_never_taken_is_sent_again(server_url: str) -> None:
    """Under `resend`, once a search after the grace found nothing; nothing doubles."""

    async def story() -> None:
        async with scene(server_url, replace(CONFIG, index_lag=0.2)) as s:
            await s.learn_skew()
            s.bench.load(groups=3)
            for group, fault in enumerate((Fault.DROP_BEFORE, Fault.HANG_AFTER, None)):
                await s.write(group, fault=fault)
            reconciler = s.reconciler(RESEND)
            await s.rounds(reconciler, PAST_GRACE_MS)
            assert s.bench.counts() == {"accepted": 2, "retry": 1}
            await s.write(0, serial=2)
            await s.rounds(reconciler, 1_500_000)
            assert (s.bench.counts(), s.misbooked()) == ({"accepted": 3}, [])
            assert s.bench.row().doubled == 0
            ours = [s.taken()[tuple(map(e164, members_of(g)))] for g in range(3)]
            assert ours == [1, 1, 1]

    run(story())


def test_a_double_is_counted(server_url: str) -> None:
    """The index lags longer than the grace: sent twice, and the books say so."""

    async def story() -> None:
        async with scene(server_url, replace(CONFIG, index_lag=3.0)) as s:
            await s.learn_skew()
            await s.lose()
            reconciler = s.reconciler(SHORT)
            await s.until(lambda: s.bench.counts() == {"retry": 1}, reconciler)
            await s.write(0, serial=2)
            assert (s.bench.counts(), s.bench.row().doubled) == ({"accepted": 1}, 0)
            await s.until(lambda: s.bench.row().doubled == 1, reconciler)
            first, second = (
                entry.id
                for entry in s.simulator.record()
                if entry.to == tuple(map(e164, members_of(0)))
            )
            assert s.bench.record().tail == second
            assert s.bench.ledger.extra_ids(s.bench.row()) == {"0:1": first}
            await s.rounds(reconciler, 1_800_000)
            assert (s.bench.counts(), s.bench.row().doubled) == ({"accepted": 1}, 1)
            assert s.bench.redis.exists(key("doubts")) == 0

    run(story())


# -- what cannot be decided ----------------------------------------------------


def test_two_that_fit(server_url: str) -> None:
    """Somebody else wrote to the same people just then: a person decides."""

    async def story() -> None:
        async with scene(server_url) as s:
            await s.learn_skew()
            await s.lose()
            await s.client.send(message(members_of(0)))
            await s.rounds(s.reconciler(RESEND), PAST_GRACE_MS)
            assert s.bench.counts() == {"held": 1}

    run(story())


def test_an_earlier_message_to_the_same_people(server_url: str) -> None:
    """Longer ago than the lock lasts: it is not taken for the one that got lost."""

    async def story() -> None:
        async with scene(server_url) as s:
            await s.learn_skew()
            await s.client.send(message(members_of(0)))
            s.clock.forward(10_000)
            await s.lose(fault=Fault.DROP_BEFORE)
            await s.rounds(s.reconciler(RESEND), PAST_GRACE_MS)
            assert s.bench.counts() == {"retry": 1}

    run(story())


# -- a provider that does not search -------------------------------------------


def test_too_many_searches(server_url: str) -> None:
    """429 with Retry-After: nobody is asked until then, and nobody is held for it."""

    async def story() -> None:
        async with scene(server_url, replace(CONFIG, search_limit=2)) as s:
            await s.lose(6)
            reconciler = s.reconciler(RESEND)
            await s.rounds(reconciler, PAST_GRACE_MS)
            assert s.bench.counts() == {"accepted": 2, "unknown": 4}
            assert s.simulator.stats().searches == 3
            await s.rounds(reconciler, 200_000)
            assert s.simulator.stats().searches == 3
            due = s.bench.redis.zrange(key("doubts"), 0, -1, withscores=True)
            assert all(at - s.clock() / 1000 > 90_000 for _, at in due)

    run(story())


def test_revoked_credentials(server_url: str) -> None:
    """Held under both policies, never sent again; found once they are good again."""

    async def story() -> None:
        async with scene(server_url) as s:
            await s.lose(3)
            s.simulator.set_credentials("somebody", "else")
            await s.rounds(s.reconciler(RESEND), PAST_GRACE_MS)
            assert s.bench.counts() == {"held": 3}
            assert s.simulator.stats().searches == 1
            s.simulator.set_credentials("user", "pa55word")
            await s.rounds(s.reconciler(RESEND), 1_000_000)
            assert (s.bench.counts(), s.misbooked()) == ({"accepted": 3}, [])

    run(story())


def test_revoked_tokens(server_url: str) -> None:
    """A new one is fetched, and the search is made within the same look."""

    async def story() -> None:
        async with scene(server_url, oauth=True) as s:
            await s.learn_skew()
            await s.lose()
            s.simulator.revoke_tokens()
            await s.rounds(s.reconciler())
            assert (s.bench.counts(), s.misbooked()) == ({"accepted": 1}, [])

    run(story())


def test_a_provider_that_is_gone(server_url: str) -> None:
    """No connection: the group waits for its grace time and is held."""

    async def story() -> None:
        async with scene(server_url) as s:
            await s.lose()
            with Simulator() as other:
                gone = other.base_url
            s.client = Bandwidth(
                base_url=gone,
                credentials=Credentials("5500001", "user", "pa55word"),
                transport=Transport(),
                deadline=5.0,
            )
            reconciler = s.reconciler(RESEND)
            await s.rounds(reconciler)
            assert s.bench.counts() == {"unknown": 1}
            await s.rounds(reconciler, PAST_GRACE_MS)
            assert s.bench.counts() == {"held": 1}

    run(story())


# -- two of them, and a server that goes away ----------------------------------


def test_two_children(server_url: str) -> None:
    """One looks, the other stands by; both at once do no harm."""

    async def story() -> None:
        async with scene(server_url) as s:
            await s.lose(4)
            first, second = s.reconciler(child="A"), s.reconciler(child="B")
            s.clock.forward(2000)
            await asyncio.gather(first.run_once(), second.run_once())
            assert s.bench.counts() == {"accepted": 4}
            assert s.simulator.stats().searches == 4
            s.bench.redis.delete(key("doubts"))

    run(story())


def test_both_believe_that_it_is_their_turn(server_url: str) -> None:
    """A lease that ended too soon: searched twice, recorded once."""

    async def story() -> None:
        async with scene(server_url) as s:
            await s.lose(3)
            s.clock.forward(2000)
            first = asyncio.create_task(s.reconciler(child="A").run_once())
            await eventually(lambda: s.bench.redis.exists(key("reconciler")) == 1, 0)
            s.bench.redis.delete(key("reconciler"))
            await asyncio.gather(first, s.reconciler(child="B").run_once())
            assert (s.bench.counts(), s.misbooked()) == ({"accepted": 3}, [])
            assert s.bench.row().doubled == 0
            s.bench.check()

    run(story())


def test_redis_goes_away_and_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill of the server delays what it finds; nothing else."""
    monkeypatch.setattr(reconcile, "STAND_BY_S", 0.1)

    async def story() -> None:
        async with scene(server.url) as s:
            await s.lose(3)
            reconciler = s.reconciler()
            task = asyncio.create_task(reconciler.live())
            await asyncio.sleep(0.05)
            server._server.terminate()
            await asyncio.sleep(0.3)
            server.start()
            s.clock.forward(2000)
            await eventually(lambda: s.bench.counts() == {"accepted": 3})
            await ended(task)
            assert s.misbooked() == []
            s.bench.check()

    with EmbeddedServer(tmp_path) as server:
        run(story())
