"""The ledger against a model, under workers that die and connections that lie.

A worker behaves as the engine's does: it writes only what the gate let through, says
only what is true, and after a claim or gate whose reply got lost it claims under a new
token. A lost call may have run, not run, or run at any later time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import count

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    run_state_machine_as_test,
)

from dispatcher.ledger import calls, suppressions
from dispatcher.ledger.calls import LEASE_MS, left_out
from dispatcher.ledger.codec import keep
from dispatcher.ledger.suppressions import ALL, Entry, Source
from tests.bench import DAWN_US, SENDER, Bench, members_of
from tests.property.ledger_model import Campaign, Group, Model, Said
from tests.property.ledger_moves import (
    MISHAPS,
    PAUSES,
    PICK,
    PLACES,
    Job,
    Place,
    Worker,
    after_work,
    choose,
    lock_without,
)


class Machine(RuleBasedStateMachine):
    """Rules are what may happen, in any order."""

    bench: Bench

    @initialize(sizes=st.lists(st.integers(1, 6), min_size=1, max_size=2))
    def begin(self, sizes: list[int]) -> None:
        bench = self.bench
        bench.redis.flushall()
        bench.clock.us = DAWN_US
        bench.loaded.clear()
        self.tokens = map("t{}".format, count())
        self.workers = [Worker(next(self.tokens)) for _ in range(2)]
        self.retired: list[str] = []
        self.jobs: list[Job] = []
        self.stragglers: list[Callable[[], None]] = []
        self.passed: Counter[tuple[Place, int]] = Counter()
        self.taken: dict[Place, dict[int, str]] = {}
        self.reported: set[tuple[Place, int]] = set()
        self.asked: set[Place] = set()
        self.written_to_opted_out: list[Place] = []
        campaigns = {}
        for number, size in enumerate(sizes):
            bench.load(f"c{number}", size)
            campaigns[f"c{number}"] = Campaign([Group() for _ in range(size)])
        self.model = Model(campaigns, bench.clock.ms)

    # -- the calls, each on both sides -------------------------------------

    def _claim(self, token: str, want: int) -> list[Job]:
        groups = self.bench.claim(want, token=token).groups
        self.model.claim(token, [(c.id, c.group) for c in groups], want)
        owner = Worker(token)
        return [
            Job(owner, token, (c.id, c.group), c.serial, leaving_out=c.dropped)
            for c in groups
        ]

    def _gate(
        self, token: str, place: Place, serial: int, spent: int, dropped: int
    ) -> int:
        id_, group = place
        answer = self.bench.gate(
            *(group, serial),
            id_=id_,
            token=token,
            spent=spent,
            dropped=dropped,
            lock=lock_without(place, dropped),
        )
        assert answer == self.model.gate(id_, group, serial, token, spent, dropped)
        if answer == 0:
            self.passed[place, serial] += 1
            if self.model.opted_out & set(keep(members_of(group), dropped)):
                self.written_to_opted_out.append(place)
        return answer

    def _settle(self, place: Place, said: Said) -> None:
        id_, group = place
        changed = self.bench.settle(
            *(said.verdict, group, said.serial, said.detail),
            id_=id_,
            token=said.token,
            delay_ms=said.delay,
            lock=lock_without(
                place, self.model.group(*place).masks.get(said.serial, 0)
            ),
        )
        assert changed == int(self.model.settle(*place, said))
        if said.verdict == "accepted":
            self.reported.add((place, said.serial))

    def _lost(self, fate: str, call: Callable[[], object]) -> None:
        """A call whose reply nobody gets."""
        if fate == "ran":
            call()
        elif fate == "later":
            self.stragglers.append(lambda: (call(), None)[1])

    # -- workers -----------------------------------------------------------

    def work(self, pick: int, want: int, fate: str, answer: str) -> None:
        idle: list[Job | None] = [None] if self.model.claimable() else []
        if not (things := [*self.jobs, *idle]):
            return
        if (job := choose(things, pick)) is None:
            self._take_work(choose(self.workers, pick), want, fate)
        elif job.step == "claimed":
            self._ask_gate(job, fate)
        elif job.step == "gated":
            self._write(job, answer)
        elif job.answer[0] == "retry" and want > 1:  # the quick second try
            job.step, job.unsent = "claimed", True
            self._ask_gate(job, fate)
        else:
            self.jobs.remove(job)
            verdict, detail = job.answer
            self._say(
                job.place, Said(job.serial, verdict, job.token, detail, 700), fate
            )

    def _take_work(self, worker: Worker, want: int, fate: str) -> None:
        token = worker.token
        if fate == "told":
            jobs = self._claim(token, want)
            if any(self._is_in_hand(job) for job in jobs):
                self._retire(worker)
            for job in jobs:
                if not self._is_in_hand(job):
                    job.worker = worker
                    self.jobs.append(job)
            return
        self._lost(fate, lambda: self._claim(token, want))
        self._retire(worker)

    def _is_in_hand(self, job: Job) -> bool:
        """A job of that group is under way under the same token."""
        mine = (job.token, job.place)
        return mine in [(other.token, other.place) for other in self.jobs]

    def _retire(self, worker: Worker) -> None:
        self.retired.append(worker.token)
        worker.token = next(self.tokens)

    def _ask_gate(self, job: Job, fate: str) -> None:
        spent = 1 if job.unsent else -1
        args = (job.token, job.place, job.serial + 1, spent, job.leaving_out)
        if fate != "told":
            self._lost(fate, lambda: self._gate(*args))
            if job.worker.token == job.token:
                self._retire(job.worker)
            self._say(job.place, Said(job.serial + 1, "back", job.token), fate)
            self._hand_back(job)
            return
        answer = self._gate(*args)
        if answer == 0:
            job.step, job.unsent = "gated", False
            job.serial += 1
        elif mask := left_out(answer):
            self._leave_out(job, mask)
        else:
            self._hand_back(job)

    def _leave_out(self, job: Job, mask: int) -> None:
        """The gate is asked again later; or nobody is left."""
        job.leaving_out = mask
        if keep(members_of(job.place[1]), mask):
            return
        if job.unsent:
            self._hand_back(job)
        else:
            self.jobs.remove(job)
            self._settle(job.place, Said(job.serial, "cancel", job.token, "opted out"))

    def _hand_back(self, job: Job) -> None:
        self.jobs.remove(job)
        verdict = "retry" if job.unsent else "back"
        self._settle(job.place, Said(job.serial, verdict, job.token, delay=700))

    def _write(self, job: Job, answer: str) -> None:
        id_ = f"m-{job.place[0]}-{job.place[1]}-{job.serial}"
        if answer.startswith("took"):
            self.taken.setdefault(job.place, {})[job.serial] = id_
        job.step = "answered"
        job.answer = {
            "took": ("accepted", id_),
            "refused": ("retry", "500"),
            "failed": ("failed", "400"),
        }.get(answer, ("unknown", "timeout"))

    def _say(self, place: Place, said: Said, fate: str) -> None:
        """A worker repeats a verdict until it is told that it was taken."""
        if fate != "told":
            self._lost(fate, lambda: self._settle(place, said))
        self._settle(place, said)

    @after_work(pick=PICK, what=MISHAPS)
    def mishap(self, pick: int, what: str) -> None:
        worker = choose(self.workers, pick)
        if what == "a worker dies":
            self.jobs = [job for job in self.jobs if job.worker is not worker]
            self._retire(worker)
        elif what == "a token is given back":
            held = {job.token for job in self.jobs}
            for token in [t for t in self.retired if t not in held][:1]:
                self.bench.lapse(token)
                self.model.lapse(token)
        elif what == "leases are renewed":
            tokens = sorted({job.token for job in self.jobs})
            self.bench.run(calls.renew("child", tokens, in_shift=True))
            for token in self.model.leases.keys() & set(tokens):
                self.model.leases[token] = self.model.now + LEASE_MS
        else:
            self._command(what, f"c{pick % len(self.model.campaigns)}")

    @after_work(pick=PICK, places=PLACES)
    def people_opt_out(self, pick: int, places: tuple[int, ...]) -> None:
        id_ = choose(sorted(self.model.campaigns), pick)
        group = pick % len(self.model.campaigns[id_].groups)
        members = {members_of(group)[place] for place in places}
        entries = [Entry(member, Source.STOP) for member in sorted(members)]
        scope = SENDER if pick % 2 else ALL
        self.bench.run(suppressions.add(entries, scope))
        self.model.opted_out |= members

    @after_work(pick=PICK)
    def somebody_opts_in(self, pick: int) -> None:
        if self.model.opted_out:
            member = choose(sorted(self.model.opted_out), pick)
            later = self.model.now + 1
            self.bench.run(suppressions.opt_in([member], sender=SENDER, at=later))
            self.bench.clock.forward(2)
            self.model.now = self.bench.clock.ms
            self.model.opted_out.remove(member)

    # -- everybody else ----------------------------------------------------

    @after_work(ms=PAUSES)
    def pass_time(self, ms: int) -> None:
        self._pass_time(ms)

    def _pass_time(self, ms: int) -> None:
        self.bench.clock.forward(ms)
        self.model.now = self.bench.clock.ms
        assert not self.bench.lapse().more
        self.model.lapse()

    @after_work(pick=PICK)
    def straggle(self, pick: int) -> None:
        if self.stragglers:
            self.stragglers.pop(pick % len(self.stragglers))()

    @after_work(pick=PICK)
    def callback(self, pick: int) -> None:
        told = [(place, s) for place, ids in self.taken.items() for s in ids]
        if told:
            place, serial = choose(told, pick)
            id_ = self.taken[place][serial]
            self._settle(place, Said(serial, "accepted", "", id_))

    @after_work()
    def end_grace(self) -> None:
        self._end_grace()

    def _end_grace(self) -> None:
        unknown = self.bench.ledger.unknown_before(self.model.now, 100)
        assert sorted(unknown) == sorted(self._places("unknown"))
        for place in unknown:
            self._settle(place, Said(self.model.group(*place).serial, "hold", ""))

    def _places(self, *states: str) -> list[Place]:
        return [
            (id_, number)
            for id_, campaign in self.model.campaigns.items()
            for number, group in enumerate(campaign.groups)
            if group.state in states
        ]

    @after_work(pick=PICK, not_sent=st.booleans())
    def person_asks(self, pick: int, not_sent: bool) -> None:  # noqa: FBT001
        if not (places := self._places("held", "failed")):
            return
        place = choose(places, pick)
        group = self.model.group(*place)
        self.asked.add(place)
        verdict = "retry" if not_sent and group.state == "held" else "ask"
        self._settle(place, Said(group.serial, verdict, ""))

    def _command(self, command: str, id_: str) -> None:
        self.bench.control(command, "by hand", id_=id_)  # type: ignore[arg-type]
        self.model.command(id_, command)

    # -- what must always hold ---------------------------------------------

    @invariant()
    def as_the_model_says(self) -> None:
        for id_, campaign in self.model.campaigns.items():
            row = self.bench.row(id_)
            assert row.state == campaign.state
            extra = sum(len(group.extra) for group in campaign.groups)
            assert row.doubled == extra
            for stored in self.bench.ledger.groups(row):
                group = campaign.groups[stored.group]
                record = stored.record
                assert record.state.word == campaign.standing(group)
                assert (record.serial, record.crashes) == (group.serial, group.crashes)
                assert group.state != "accepted" or record.tail == group.id
                assert record.dropped == group.dropped

    @invariant()
    def no_serial_passes_twice(self) -> None:
        assert not [one for one, times in self.passed.items() if times > 1]

    @invariant()
    def nobody_who_has_opted_out_is_written_to(self) -> None:
        assert self.written_to_opted_out == []

    @invariant()
    def nobody_is_written_to_twice_unasked(self) -> None:
        for place, ids in self.taken.items():
            assert len(ids) == 1 or place in self.asked

    def teardown(self) -> None:
        """Whatever happened: all can still come to its end, and the truth is kept."""
        if not hasattr(self, "model"):
            return
        for call in self.stragglers:
            call()
        for place, serial in self.reported:
            group = self.model.group(*place)
            known = {group.id, *group.extra.values()}
            assert self.taken[place][serial] in known
        self._come_to_an_end()
        for (id_, number), _ in self.reported:
            assert self.bench.state(number, id_) == "accepted"

    def _come_to_an_end(self) -> None:
        """Every worker is dead; one good worker sends all the rest."""
        for id_ in self.model.campaigns:
            self._command("resume", id_)
        while not all(self.bench.row(id_).finished for id_ in self.model.campaigns):
            self._pass_time(LEASE_MS)
            self._end_grace()
            for job in self._claim("last", 3):
                self._send_last(job)

    def _send_last(self, job: Job) -> None:
        place, serial = job.place, job.serial + 1
        mask = self.model.to_leave_out(place[1], job.leaving_out)
        if mask != job.leaving_out:
            args = ("last", place, serial, -1, job.leaving_out)
            assert left_out(self._gate(*args)) == mask
        if not keep(members_of(place[1]), mask):
            self._settle(place, Said(job.serial, "cancel", "last", "opted out"))
            return
        assert self._gate("last", place, serial, -1, mask) == 0
        self._settle(place, Said(serial, "failed", "last", "400"))


#: A minute of work, and more when the machine is busy.
@pytest.mark.timeout(900)
def test_ledger_machine(bench: Bench) -> None:
    """Books balance, nothing is stranded, nobody is written to twice unasked."""

    class OnServer(Machine):
        pass

    OnServer.bench = bench
    run_state_machine_as_test(
        OnServer,
        settings=settings(
            deadline=None,
            max_examples=60,
            stateful_step_count=30,
            suppress_health_check=list(HealthCheck),
        ),
    )
