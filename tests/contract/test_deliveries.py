"""Stored callbacks applied on a real server: proof, deliveries, opt-outs, actions."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from msgspec.structs import replace
from structlog.testing import capture_logs

from dispatcher.campaign import Campaign
from dispatcher.codes import Action
from dispatcher.errors import LedgerUnreachable
from dispatcher.ledger import suppressions
from dispatcher.ledger.async_ledger import AsyncLedger
from dispatcher.ledger.codec import member_lock
from dispatcher.ledger.graves import bury
from dispatcher.ledger.keys import key
from dispatcher.ledger.states import DeliveryState
from dispatcher.numbers import e164
from dispatcher.settings import Settings
from dispatcher.tags import build_tag
from tests.bench import SENDER, SIZE, Bench, members_of, ticket
from workers import deliveries
from workers.deliveries import AGAIN_S, REST_S, STAND_BY_S, Deliveries
from workers.shelf import Shelf

OURS: Final = "+19195551200"


class Post:
    """Callbacks as the receiver stores them, and one who applies them.

    Args:
        settings: Overrides of the settings.
    """

    def __init__(self, bench: Bench, **settings: object) -> None:
        self.bench = bench
        self.settings = Settings.load(account_rate=None, **settings)
        self.counts: dict[str, int] = {}

    def load(self, id_: str = "c", groups: int = 3) -> None:
        spec = Campaign(sender=SENDER, text="Doors open at six").to_json()
        self.bench.load(id_, groups, spec=spec)

    def send(self, group: int = 0, serial: int = 1) -> None:
        """A claimed group passes the gate, under the lock that proof frees."""
        lock = member_lock(SENDER, members_of(group))
        assert self.bench.gates([ticket(group, serial, lock=lock)]) == [0]

    def settle(self, verdict: str, serial: int = 1, detail: str = "") -> int:
        """What a worker, or a person, says of group 0."""
        lock = member_lock(SENDER, members_of(0))
        return self.bench.settle(verdict, 0, serial, detail, token="", lock=lock)

    def put(self, *events: dict[str, Any]) -> None:
        bodies = [json.dumps([event]).encode() for event in events]
        self.bench.redis.rpush(key("inbox"), *bodies)

    def apply(self, rounds: int = 1) -> float:
        """The pause that the last round asks for."""

        async def go(applier: Deliveries) -> float:
            pause = 0.0
            for _ in range(rounds):
                pause = await applier.run_once()
            return pause

        return self.work(go)

    def work(self, what: Callable[[Deliveries], Awaitable[float]]) -> float:
        async def go() -> float:
            ledger = AsyncLedger(self.bench.url, clock=self.bench.clock)
            try:
                applier = Deliveries(ledger, self.settings)
                pause = await what(applier)
                self.counts = dict(applier.counts)
                return pause
            finally:
                await ledger.aclose()
                self.bench.redis.delete(key("applier"))

        return asyncio.run(go())

    def suppressed(self) -> list[tuple[int, str]]:
        entries = suppressions.entries(self.bench.ledger)
        return sorted((entry.number, entry.source.value) for entry in entries)


def event(
    type_: str = "message-delivered",
    group: int = 0,
    serial: int = 1,
    *,
    member: int | None = 0,
    code: int | None = None,
    message_id: str = "m1",
    load: str = "load-c",
    time: str = "2027-01-15T08:00:00Z",
) -> dict[str, Any]:
    """What the provider says about one member of a group."""
    to = [e164(number) for number in members_of(group)]
    made: dict[str, Any] = {
        "type": type_,
        "time": time,
        "message": {
            "id": message_id,
            "direction": "out",
            "to": to,
            "from": SENDER,
            "text": "",
            "tag": build_tag(load, group, serial, "open-house"),
        },
    }
    if member is not None:
        made["to"] = to[member]
    if code is not None:
        made["errorCode"] = code
    return made


def answer(
    text: str, time: str = "2027-01-15T08:00:00Z", number: int = 0
) -> dict[str, Any]:
    """Somebody of group 0 writes to us."""
    sender = e164(members_of(0)[number])
    message = {"direction": "in", "from": sender, "text": text, "to": [OURS]}
    return {"type": "message-received", "time": time, "to": OURS, "message": message}


@pytest.fixture
def post(bench: Bench) -> Iterator[Post]:
    made = Post(bench)
    made.load()
    yield made
    assert not bench.redis.exists(key("inbox")), "something was left over"


# -- proof ---------------------------------------------------------------------


def test_a_callback_that_overtakes_our_own_202(post: Post) -> None:
    """It finds its group by the tag; the 202 changes nothing any more."""
    post.bench.claim()
    post.send()
    post.put(event("message-sending", member=3), event(member=3))
    post.apply(2)
    assert post.bench.state() == "accepted"
    assert post.bench.deliveries()[2:5] == ["awaiting", "delivered", "awaiting"]
    assert post.bench.settle("accepted", detail="m1") == 0
    assert post.bench.row().doubled == 0


def unknown(bench: Bench) -> None:
    bench.settle("unknown", detail="timeout")


def held(bench: Bench) -> None:
    unknown(bench)
    bench.settle("hold", token="")


def queued(bench: Bench) -> None:
    unknown(bench)
    bench.settle("retry", token="", delay_ms=60_000)


def claimed_again(bench: Bench) -> None:
    unknown(bench)
    bench.settle("retry", token="")
    bench.claim(token="T2")


def given_up(bench: Bench) -> None:
    bench.settle("failed", detail="attempts used up")


def cancelled(bench: Bench) -> None:
    queued(bench)
    bench.control("cancel")


@pytest.mark.parametrize(
    "fate", [unknown, held, queued, claimed_again, given_up, cancelled]
)
@pytest.mark.parametrize("type_", ["message-sending", "message-failed"])
def test_a_tag_settles(post: Post, fate: Callable[[Bench], None], type_: str) -> None:
    """Whatever became of the group, one word about its serial makes it accepted.

    Also a failure: the provider took it first, so it must never be sent again.
    """
    post.bench.claim()
    post.send()
    fate(post.bench)
    post.put(event(type_, code=4435 if type_ == "message-failed" else None))
    post.apply(2)
    record = post.bench.record()
    assert (record.state.word, record.tail) == ("accepted", "m1")
    assert post.bench.redis.zcard(key("due", "load-c")) == 0
    assert post.bench.redis.zcard(key("unknown")) == 0
    expected = "sending" if type_ == "message-sending" else "failed(4435)"
    assert post.bench.deliveries()[0] == expected
    assert post.counts["proven"] == 1


def test_proof_frees_the_lock_that_its_send_held(post: Post) -> None:
    """One had opted out: the lock is on the others, for 10 s more."""
    post.bench.claim(1)
    lock = member_lock(SENDER, members_of(0)[1:])
    sent = replace(ticket(lock=lock), dropped=1)
    assert post.bench.gates([sent]) == [0]
    post.put(event(member=3))
    post.apply(2)
    assert post.bench.locked_ms(lock) == 10_000
    assert post.bench.delivered() == {"awaiting": SIZE - 2, "delivered": 1}


def test_an_accepted_group_without_an_id_gets_it(post: Post) -> None:
    """The 202 could not be read; the callback brings the id."""
    post.bench.claim()
    post.send()
    post.bench.settle("accepted")
    post.put(event())
    post.apply(2)
    assert post.bench.record().tail == "m1"
    assert post.bench.deliveries()[0] == "delivered"


def sent_again(post: Post) -> None:
    """Serial 1 is unknown and chosen to be sent again; serial 2 is on its way."""
    post.bench.claim()
    post.send()
    post.settle("unknown")
    post.settle("retry")
    post.bench.claim()
    post.send(serial=2)


def test_a_further_message_is_a_double(post: Post) -> None:
    """Its id is kept and counted, its deliveries are not the row's."""
    sent_again(post)
    post.settle("accepted", 2, "m2")
    post.put(
        event(serial=1), event(serial=1), event("message-sent", 0, 2, message_id="m2")
    )
    post.apply(2)
    assert post.bench.ledger.extra_ids(post.bench.row()) == {"0:1": "m1"}
    assert (post.bench.row().doubled, post.bench.deliveries()[0]) == (1, "sent")


def test_an_older_serial_while_a_newer_one_is_on_its_way(post: Post) -> None:
    """Nobody knows yet which of the two counts: its events wait, and are not lost."""
    sent_again(post)
    post.put(event(serial=1), event(group=1, load="foreign"))
    post.apply(1)
    assert post.bench.state() == "sending"
    assert post.apply(2) == AGAIN_S
    assert post.bench.redis.llen(key("inbox")) == 1
    post.settle("failed", 2, "400")
    post.apply(2)
    assert (post.bench.record().tail, post.bench.row().doubled) == ("m1", 0)
    assert post.bench.deliveries()[0] == "delivered"


# -- deliveries ----------------------------------------------------------------


def test_events_without_a_number(post: Post) -> None:
    """They prove that the message was taken, and say nothing about anybody."""
    post.bench.claim()
    post.send()
    post.put(event(member=None))
    post.apply(2)
    assert post.bench.delivered() == {"awaiting": SIZE}


def test_what_is_not_ours(post: Post) -> None:
    """Other loads, groups that are not, strangers, nonsense: counted, and no more."""
    post.bench.claim()
    post.send()
    stranger = event(member=None) | {"to": "+19195550000"}
    nowhere = event()
    nowhere["message"]["tag"] = build_tag("load-c", 3, 1)
    far = event()
    far["message"]["tag"] = build_tag("load-c", 900_000, 1)
    post.put(event(load="other"), nowhere, far, stranger)
    post.bench.redis.rpush(key("inbox"), b"\xff", b"7")
    post.apply(2)
    assert post.counts["unknown"] == 3
    assert post.counts["strangers"] == 1
    assert post.counts["unreadable"] == 2
    assert post.bench.delivered() == {"awaiting": SIZE}


def test_a_body_of_many(post: Post) -> None:
    """An array of all kinds, one body."""
    post.bench.claim()
    post.send()
    events = [event(member=m) for m in range(SIZE)] + [answer("stop"), event("odd")]
    post.bench.redis.rpush(key("inbox"), json.dumps(events).encode())
    post.apply(2)
    assert post.bench.delivered() == {"delivered": SIZE}
    assert (post.counts["stop"], post.counts["unknown type"]) == (1, 1)


EVENTS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.integers(0, SIZE - 1),
        st.sampled_from(["message-sending", "message-sent", "message-delivered"]),
    ),
    max_size=25,
)


@hypothesis_settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(EVENTS, st.sets(st.tuples(st.integers(0, 2), st.integers(0, 9))), st.data())
def test_any_order(
    bench: Bench,
    events: list[tuple[int, int, str]],
    failing: set[tuple[int, int]],
    data: st.DataObject,
) -> None:
    """Doubled and shuffled, some before our own 202: every state is the truth."""
    bench.redis.flushall()
    bench.loaded.clear()
    post = Post(bench)
    post.load()
    bench.claim()
    for group in range(3):
        post.send(group)
    stream = [(event(t, g, member=m, message_id=f"m{g}"), g, m) for g, m, t in events]
    stream += [
        (event("message-failed", g, member=m, message_id=f"m{g}", code=4720), g, m)
        for g, m in failing
    ]
    mixed = data.draw(st.permutations(stream + stream[::2]))
    early = data.draw(st.integers(0, len(mixed)))
    for some in (mixed[:early], mixed[early:]):
        if some:
            post.put(*(made for made, _, _ in some))
            post.apply(2)
        for group in range(3):
            bench.settle("accepted", group, detail=f"m{group}")
    for group in range(3):
        assert bench.deliveries(group) == [
            truth(group, member, events, failing) for member in range(SIZE)
        ]


def truth(
    group: int,
    member: int,
    events: list[tuple[int, int, str]],
    failing: set[tuple[int, int]],
) -> str:
    if (group, member) in failing:
        return "failed(4720)"
    ranks = ["awaiting", "sending", "sent", "delivered"]
    said = {
        t.removeprefix("message-") for g, m, t in events if (g, m) == (group, member)
    }
    return max({"awaiting", *said}, key=ranks.index)


# -- opt-outs ------------------------------------------------------------------

ANN, BOB = members_of(0)[:2]


def test_stop_and_start(post: Post) -> None:
    """For all senders; START takes back, and an older STOP that comes late does not."""
    post.put(answer("Stop!"), answer("What time does it end?", number=1))
    post.apply(2)
    assert post.suppressed() == [(ANN, "stop")]
    post.put(answer("START", "2027-01-15T08:05:00Z"), answer("STOP"))
    post.apply(2)
    assert post.suppressed() == []
    assert post.bench.deliveries() == ["awaiting"] * SIZE


@pytest.mark.parametrize("code", [4475, 4775])
def test_an_opted_out_code(post: Post, code: int) -> None:
    """That person gets nothing more; the campaign goes on."""
    post.bench.claim(1)
    post.send()
    post.put(event("message-failed", code=code), event("message-failed", code=code))
    with capture_logs() as logs:
        post.apply(2)
    assert post.suppressed() == [(ANN, "code")]
    assert post.bench.campaign() == "running"
    assert post.bench.row().actions == {(Action.SUPPRESS, code): 1}
    assert [entry["times"] for entry in logs if entry["event"] == "action.taken"] == [1]


def test_actions_can_be_switched_off(bench: Bench) -> None:
    """Then codes are counted and nothing more."""
    post = Post(bench, code_actions="none")
    post.load()
    bench.claim(1)
    post.send()
    codes = enumerate((4475, 4476, 4781))
    post.put(*(event("message-failed", member=m, code=code) for m, code in codes))
    post.apply(2)
    row = bench.row()
    assert (post.suppressed(), row.state, row.slow_pace) == ([], "running", 0)
    assert (row.codes, row.actions) == ({4475: 1, 4476: 1, 4781: 1}, {})


def test_actions(bench: Bench) -> None:
    """A pause names the code in plain words; a volume code halves the known rate."""
    post = Post(bench)
    post.settings = Settings.load(account_rate=8)
    post.load()
    bench.claim(1)
    post.send()
    post.put(
        event("message-failed", code=4781), event("message-failed", member=1, code=4476)
    )
    with capture_logs() as logs:
        post.apply(2)
    assert bench.row().slow_pace == 4
    assert bench.campaign() == (
        "paused(code 4476: the sender is on no registered (10DLC) campaign)"
    )
    taken = [entry for entry in logs if entry["event"] == "action.taken"]
    assert {(e["campaign"], e["action"], e["code"]) for e in taken} == {
        ("c", "slow", 4781),
        ("c", "pause", 4476),
    }


def test_nothing_private_is_logged(post: Post) -> None:
    """No number, no text, whatever happens."""
    post.bench.claim()
    post.send()
    post.put(
        answer("Stop texting me"), event("message-failed", code=4475), event("odd")
    )
    with capture_logs() as logs:
        post.apply(2)
    assert logs
    assert "919555" not in repr(logs)
    assert "exting" not in repr(logs)


# -- nothing is lost -----------------------------------------------------------


def test_pauses(post: Post) -> None:
    """Nothing there: a short rest; another applies: a longer one."""
    assert post.apply() == REST_S
    post.bench.redis.set(key("applier"), "somebody else")
    assert post.apply() == STAND_BY_S
    post.put(event())
    assert post.apply() == 0
    post.apply(2)


def test_a_crash_before_the_last_step(post: Post) -> None:
    """Applied, but not removed: the next one applies it again, and nothing changes."""
    post.bench.claim()
    post.send()
    post.put(event("message-failed", code=4720), answer("stop"))
    post.apply(1)
    before = post.bench.dump()
    assert post.bench.redis.llen(key("inbox")) == 2
    post.apply(1)
    assert post.bench.dump() == before
    post.apply(2)


def test_a_lost_reply_removes_nothing_twice(post: Post) -> None:
    """What was said to be done may have been done: it is not said again."""
    post.bench.claim()
    post.send()

    async def go(applier: Deliveries) -> float:
        post.put(event())
        await applier.run_once()
        run, applier._ledger.run = applier._ledger.run, _losing(applier)  # type: ignore[method-assign]
        post.put(event(member=1))
        with pytest.raises(LedgerUnreachable):
            await applier.run_once()
        applier._ledger.run = run  # type: ignore[method-assign]
        await applier.run_once()
        return await applier.run_once()

    post.work(go)
    assert post.bench.deliveries()[:3] == ["delivered", "delivered", "awaiting"]


def _losing(applier: Deliveries) -> Any:  # noqa: ANN401
    """Every call runs, and its reply gets lost."""
    real = applier._ledger.run

    async def run(call: Any) -> Any:  # noqa: ANN401
        await real(call)
        raise LedgerUnreachable("Redis does not answer")

    return run


def test_a_damaged_group_costs_the_others_nothing(post: Post) -> None:
    """A record that breaks a rule: its events are dropped and told, others applied."""
    post.bench.checked = False
    post.bench.claim()
    post.send()
    post.send(1)
    post.bench.redis.hset(key("records", "load-c", 0), "0", b"\x63" + bytes(17) + b"x")
    post.put(event(), event(group=1, message_id="m2"))
    with capture_logs() as logs:
        post.apply(2)
    assert post.bench.redis.hget(key("records", "load-c", 0), "1")[18:] == b"m2"
    assert [e["log_level"] for e in logs if e["event"] == "callback.dropped"] == [
        "warning"
    ]


def test_it_lives_through_faults(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis away, or a bug: it waits, tells, and goes on."""
    monkeypatch.setattr(deliveries, "AGAIN_S", 0.0)
    faults: list[Exception] = [LedgerUnreachable("away"), ValueError("bug")]

    async def go(applier: Deliveries) -> float:
        real = applier.run_once

        async def run_once() -> float:
            if faults:
                raise faults.pop(0)
            return await real()

        applier.run_once = run_once  # type: ignore[method-assign]
        with suppress(TimeoutError):
            await asyncio.wait_for(applier.live(), 1)
        return 0

    post.put(event())
    with capture_logs() as logs:
        post.work(go)
    told = [entry["event"] for entry in logs]
    assert told[:2] == ["deliveries.failed", "deliveries.crashed"]
    assert "callbacks.applied" in told


def test_states_have_words(post: Post) -> None:
    """What results show is the contract's closed set."""
    assert {state.word for state in DeliveryState} == {
        *("awaiting", "sending", "sent", "delivered", "failed", "unconfirmed")
    }
    post.apply()


# -- campaigns that were archived ------------------------------------------------


def archive(bench: Bench) -> None:
    """Make a tombstone of the campaign, and remove its groups."""
    bench.loaded.clear()
    bench.control("cancel")
    assert bench.ledger.run(bury(bench.row(), "archive")) == "buried"
    for grave in bench.ledger.graves():
        bench.ledger.clear(grave)


@pytest.mark.parametrize(("known", "counted"), [(False, 4), (True, 3)])
def test_late_callbacks_of_an_archived_campaign(
    post: Post,
    known: bool,  # noqa: FBT001
    counted: int,
) -> None:
    """Dropped and counted, also by an applier that remembers the campaign."""
    post.bench.claim(1)
    post.send()
    post.settle("accepted", detail="m1")

    async def go(applier: Deliveries) -> float:
        if known:
            post.put(event(member=1))
            await applier.run_once()
        archive(post.bench)
        post.put(event(member=0), event("message-failed", member=2, code=4720))
        post.put(event(message_id="m9", serial=9), event(group=77))
        await applier.run_once()
        return await applier.run_once()

    assert post.work(go) == REST_S
    assert post.counts["unknown"] == counted
    assert post.bench.redis.keys("*:delivery:*") == []


def test_archived_between_two_questions(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the applier has found out of it so far: the body is dropped."""
    post.bench.claim(1)
    post.send()
    post.settle("failed", detail="400")
    known = Shelf.campaign

    async def vanishes(shelf: Shelf, id_: str, load: str) -> Campaign:
        if post.bench.loaded:
            archive(post.bench)
        return await known(shelf, id_, load)

    monkeypatch.setattr(Shelf, "campaign", vanishes)
    post.put(event(member=0))
    post.apply(rounds=3)
    assert post.bench.loaded == []
    assert post.counts["unknown"] == 1
