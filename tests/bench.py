"""A ledger on the bench: short ways to use it, and a look at everything after each.

`Bench` turns the clock by hand and, after every call that may change something,
recounts all books and looks whether every group is where it can still move from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Literal, Self, TypeVar

import redis

from dispatcher import books
from dispatcher.ledger import calls
from dispatcher.ledger.calls import (
    ClaimReply,
    GateItem,
    Lapsed,
    Rates,
    Settlement,
    Verdict,
)
from dispatcher.ledger.codec import (
    CHUNK_GROUPS,
    Members,
    Record,
    in_chunks,
    listed,
    member_lock,
)
from dispatcher.ledger.connection import ledger_url
from dispatcher.ledger.deliveries import Answer, Parcel, Rule, Taken, deliver, sweep
from dispatcher.ledger.delivery import Delivery, Slots
from dispatcher.ledger.keys import key
from dispatcher.ledger.ledger import Ledger
from dispatcher.ledger.rows import CampaignRow
from dispatcher.ledger.scripts import Call
from dispatcher.ledger.states import CampaignState, DeliveryState, GroupState

T = TypeVar("T")

#: When everything begins: microseconds since the epoch.
DAWN_US: Final = 1_800_000_000_000_000
SENDER: Final = "+19195551212"
FREE: Final = Rates()
TOKEN: Final = "T1"
SIZE: Final = 10
#: Longer than a lease.
LAPSE_MS: Final = calls.LEASE_MS + 1


@dataclass
class Hands:
    """The clock's hands: they move when a test says so."""

    us: int = DAWN_US

    def __call__(self) -> int:
        return self.us

    @property
    def ms(self) -> int:
        return self.us // 1000

    def forward(self, ms: float) -> None:
        self.us += round(ms * 1000)


def members_of(group: int) -> Members:
    """Who is in a group; nobody is in two."""
    first = 19_195_560_000 + group * SIZE
    return tuple(range(first, first + SIZE))


def lock_of(group: int, id_: str = "c") -> str:
    """The lock of a group; groups of two campaigns have none in common."""
    return member_lock(SENDER + id_, members_of(group))


@dataclass(repr=False)
class Bench:
    """See the module. `loaded` are the campaigns looked at when `checked`.

    `taken` are the actions that the last delivery led to.
    """

    url: str
    checked: bool = True
    clock: Hands = field(default_factory=Hands)
    loaded: list[str] = field(default_factory=list)
    taken: list[Taken] = field(default_factory=list)

    def __enter__(self) -> Self:
        self.ledger = Ledger(self.url, clock=self.clock)
        self.redis: Any = redis.Redis.from_url(ledger_url(self.url))
        self.redis.flushall()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.ledger.close()
        self.redis.close()

    def run(self, call: Call[T]) -> T:
        """Carry out a call, then look at everything."""
        answer = self.ledger.run(call)
        if self.checked:
            self.check()
        return answer

    # -- doing -------------------------------------------------------------

    def load(self, id_: str = "c", groups: int = 3, **fields: str | float) -> None:
        """Submit a campaign, all in one."""
        self.put(f"load-{id_}", groups)
        assert self.commit(id_, groups, **fields) == ""
        self.loaded.append(id_)

    def put(self, load: str, groups: int) -> int:
        """Write the chunks of a load; how many."""
        chunks = list(in_chunks(members_of(number) for number in range(groups)))
        self.ledger.put_chunks(load, 0, chunks)
        return len(chunks)

    def commit(
        self, id_: str = "c", groups: int = 3, load: str = "", /, **fields: str | float
    ) -> str:
        """Commit a load; what was committed before, "" as a rule."""
        return self.run(self.committing(id_, groups, load, **fields))

    def committing(
        self, id_: str, groups: int, load: str = "", /, **fields: str | float
    ) -> Call[str]:
        """The call that `commit` makes."""
        stored = {
            "groups": groups,
            "recipients": groups * SIZE,
            "units": groups * SIZE,
            "group_size": SIZE,
            "sender": SENDER,
            **fields,
        }
        chunks = -(-groups // CHUNK_GROUPS)
        return calls.commit(id_, load or f"load-{id_}", "content", chunks, stored)

    def claim(
        self,
        want: int = 10,
        *,
        token: str = TOKEN,
        rates: Rates = FREE,
        idle: bool = True,
        at_gate: Mapping[str, int] | None = None,
    ) -> ClaimReply:
        """What a claim gives."""
        return self.run(calls.claim(token, want, rates, idle=idle, at_gate=at_gate))

    def claimed(
        self,
        want: int = 10,
        *,
        token: str = TOKEN,
        rates: Rates = FREE,
        idle: bool = True,
    ) -> list[tuple[str, int]]:
        """(id, group) of what a claim gives."""
        reply = self.claim(want, token=token, rates=rates, idle=idle)
        return [(c.id, c.group) for c in reply.groups]

    def gate(
        self,
        group: int = 0,
        serial: int = 1,
        *,
        id_: str = "c",
        token: str = TOKEN,
        rates: Rates = FREE,
        cost: int = SIZE,
        lock: str | None = None,
        spent: int = -1,
        dropped: int = 0,
    ) -> int:
        """The gate's answer to one group."""
        item = ticket(
            *(group, serial),
            id_=id_,
            cost=cost,
            lock=lock,
            spent=spent,
            dropped=dropped,
        )
        return self.gates([item], token=token, rates=rates)[0]

    def gates(
        self, items: Sequence[GateItem], *, token: str = TOKEN, rates: Rates = FREE
    ) -> list[int]:
        """The gate's answers to several groups at once."""
        return self.run(calls.gate(token, rates, items)).answers

    def settle(
        self,
        verdict: str,
        group: int = 0,
        serial: int = 1,
        detail: str = "",
        *,
        id_: str = "c",
        token: str = TOKEN,
        lock: str | None = None,
        sentence: str = "",
        delay_ms: int = 0,
        spent: int = 0,
    ) -> int:
        """Whether one verdict changed something."""
        item = Settlement(
            *(id_, group, serial, Verdict(verdict)),
            lock=lock_of(group, id_) if lock is None else lock,
            detail=detail,
            sentence=sentence,
            delay_ms=delay_ms,
            spent=spent,
        )
        return self.run(calls.settle(token, [item]))[0]

    def deliver(
        self,
        state: DeliveryState,
        *members: int,
        group: int = 0,
        message_id: str = "m1",
        code: int = 0,
        rules: Sequence[Rule] = (),
        rates: Rates = FREE,
        id_: str = "c",
    ) -> Answer:
        """What an event about members of one group (all, by default) does."""
        slots = Slots(SIZE)
        for member in members or range(SIZE):
            slots.put(member, Delivery(state, code))
        parcel = Parcel(id_, f"load-{id_}", group, message_id, slots.pack())
        (answer,), self.taken = self.run(deliver(rates, rules, [parcel]))
        return answer

    def sweep(self, after_ms: int) -> tuple[int, bool]:
        """Look for those of whom nothing was heard for so long."""
        return self.run(sweep(after_ms))

    def deliveries(self, group: int = 0, id_: str = "c") -> list[str]:
        """How far it got to each member of a group, in a word."""
        found = self.ledger.group(self.row(id_), group).deliveries
        return [f"{d.state.word}({d.code})" if d.code else d.state.word for d in found]

    def delivered(self, id_: str = "c") -> dict[str, int]:
        """Recipients by delivery state, as far as there are any."""
        return {s.word: n for s, n in self.row(id_).delivery.items() if n}

    def lapse(self, token: str = "") -> Lapsed:
        """Take back dead claims, as a clock that never rested, or all of a token."""
        if not token:
            self.redis.set(key("swept"), self.clock.ms)
        return self.run(calls.lapse(token))

    def control(
        self,
        command: Literal["pause", "resume", "cancel", "vouch"],
        reason: str = "",
        *,
        id_: str = "c",
    ) -> str:
        """A campaign's state after a command."""
        answer = self.run(calls.control(id_, command, reason))
        assert answer is not None
        return answer[0]

    def refused(self, group: int) -> str:
        """The campaign's state after a group's refusal that concerns all others."""
        answer = self.run(calls.control("c", "pause", "401", refused=group))
        assert answer is not None
        return answer[0]

    def sent(self, groups: int = 1, *, id_: str = "c") -> None:
        """Load so many groups and let all of them through the gate."""
        self.load(id_, groups)
        assert len(self.claimed(groups)) == groups
        items = [ticket(group, id_=id_) for group in range(groups)]
        assert self.gates(items) == [0] * groups

    def again(self, group: int = 0, serial: int = 2) -> None:
        """A group that waits is claimed and passes the gate once more."""
        self.claim()
        assert self.gate(group, serial) == 0

    # -- looking -----------------------------------------------------------

    def row(self, id_: str = "c") -> CampaignRow:
        """The campaign as stored."""
        return self.ledger.campaign(id_)

    def record(self, group: int = 0, id_: str = "c") -> Record:
        """What is known of a group."""
        return self.ledger.group(self.row(id_), group).record

    def state(self, group: int = 0, id_: str = "c") -> str:
        """A group's state, in a word."""
        return self.record(group, id_).state.word

    def counts(self, id_: str = "c") -> dict[str, int]:
        """Groups by state, as far as there are any."""
        return {s.word: n for s, n in self.row(id_).counts.items() if n}

    def campaign(self, id_: str = "c") -> str:
        """A campaign's state, and its reason in parentheses."""
        row = self.row(id_)
        return f"{row.state}({row.reason})" if row.reason else str(row.state)

    def locked_ms(self, lock: str | None = None) -> float | None:
        """How long a lock (group 0's) bars others; None: it does not."""
        score = self.redis.zscore(key("locks"), lock or lock_of(0))
        return None if score is None else float(score - self.clock.ms)

    def dump(self) -> dict[bytes, bytes]:
        """Everything that is stored."""
        return {name: self.redis.dump(name) for name in self.redis.scan_iter()}

    def commands(self) -> int:
        """Commands that the server ran since it was asked last."""
        stats = self.redis.info("commandstats")
        self.redis.config_resetstat()
        ignored = {"cmdstat_info", "cmdstat_config|resetstat"}
        return sum(stat["calls"] for name, stat in stats.items() if name not in ignored)

    # -- checking ----------------------------------------------------------

    def check(self) -> None:
        """Every book balances and no group is stranded."""
        faults = [fault for id_ in self.loaded for fault in self._faults(id_)]
        assert not faults, faults

    def _faults(self, id_: str) -> Iterator[str]:
        for difference in books.verify(self.ledger, id_).differences:
            yield f"{id_}: {difference}"
        lists = self._lists(id_)
        row = self.row(id_)
        lanes = self.ledger.lanes(row)
        for group in self.ledger.groups(row):
            record = group.record
            fresh = any(lane.cursor <= group.group < lane.end for lane in lanes)
            faults = _misplaced(row, group.group, record, lists, fresh=fresh)
            yield from (f"{id_} {group.group} {record.state.word}: {f}" for f in faults)
        yield from (f"{id_}: {fault}" for fault in _unreachable(row, lists))

    def _lists(self, id_: str) -> Lists:
        pipe = self.redis.pipeline(transaction=False)
        for name in ("ready", "later", "unknown", "leases"):
            pipe.zrange(key(name), 0, -1)
        pipe.zrange(key("due", self.row(id_).load), 0, -1)
        *members, due = pipe.execute()
        ready, later, unknown, leases = ({m.decode() for m in ms} for ms in members)
        tokens = sorted(leases)
        for token in tokens:
            pipe.smembers(key("claim", token))
        claims = {
            (token, name.decode())
            for token, names in zip(tokens, pipe.execute(), strict=True)
            for name in names
        }
        return Lists(ready, later, unknown, leases, {int(g) for g in due}, claims)


@dataclass(frozen=True)
class Lists:
    """Where a group or a campaign can be found by whoever moves it on."""

    ready: set[str]
    later: set[str]
    unknown: set[str]
    leases: set[str]
    due: set[int]
    claims: set[tuple[str, str]]


def _misplaced(
    row: CampaignRow, group: int, record: Record, lists: Lists, *, fresh: bool
) -> Iterator[str]:
    """Is the group in every list it should be in, and in no other?"""
    fresh = fresh and record.state == GroupState.PENDING
    waits = record.state in (GroupState.PENDING, GroupState.RETRY) and not fresh
    if waits != (group in lists.due):
        yield "not in the queue" if waits else "in the queue"
    name = f"{row.id}|{group}"
    unknown = record.state == GroupState.UNKNOWN
    if unknown != (name in lists.unknown):
        yield "not among the unknown" if unknown else "among the unknown"
    reserved = record.state in (GroupState.CLAIMED, GroupState.SENDING)
    if reserved and (record.tail, name) not in lists.claims:
        yield "in no claim under a lease"


def _unreachable(row: CampaignRow, lists: Lists) -> Iterator[str]:
    """Will a claim find the campaign, now or later?"""
    ready, later = row.id in lists.ready, row.id in lists.later
    if ready and later:
        yield "both ready and later"
    if row.state == CampaignState.RUNNING:
        if (row.cursor < row.groups or lists.due) and not (ready or later):
            yield "work to do, but in no queue"
    elif row.state == CampaignState.SCHEDULED:
        if not later:
            yield "scheduled, but not for later"
    elif ready or later:
        yield f"{row.state}, but in a queue"


def ticket(
    group: int = 0,
    serial: int = 1,
    *,
    id_: str = "c",
    cost: int = SIZE,
    lock: str | None = None,
    spent: int = -1,
    dropped: int = 0,
) -> GateItem:
    """What the gate is asked for one group."""
    lock = lock_of(group, id_) if lock is None else lock
    members = listed(members_of(group))
    return GateItem(id_, group, serial, cost, lock, members, dropped, spent)
