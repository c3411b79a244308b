"""The ledger's machine again, with somebody who archives whatever can be.

Workers that still hold groups of it, calls that run later, callbacks, people who retry:
nothing comes back to life, and the other campaigns go on as the model says.
More of it: TEST_ARCHIVE_EXAMPLES=500 in the environment.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, run_state_machine_as_test

from dispatcher.ledger import calls
from dispatcher.ledger.calls import Refusal
from dispatcher.ledger.graves import bury
from dispatcher.ledger.keys import key
from tests.bench import Bench
from tests.property.ledger_model import OPEN, Said
from tests.property.ledger_moves import PICK, Place, after_work, choose, lock_without
from tests.property.test_ledger_machine import Machine


class Archiving(Machine):
    """Campaigns that are over vanish; one of them always stays."""

    def __init__(self) -> None:
        super().__init__()
        self.buried: set[str] = set()

    @initialize(sizes=st.lists(st.integers(1, 3), min_size=3, max_size=4))
    def begin(self, sizes: list[int]) -> None:
        super().begin(sizes=sizes)

    @after_work(pick=PICK)
    def somebody_archives(self, pick: int) -> None:
        if len(self.model.campaigns) < 2:
            return
        ids = sorted(self.model.campaigns)
        id_ = choose([i for i in ids if self._may_go(i)] or ids, pick)
        if pick % 2:
            self._command("cancel", id_)
        may = self._may_go(id_)
        answer = self.bench.ledger.run(bury(self.bench.row(id_), "archive"))
        assert answer == ("buried" if may else "open")
        if may:
            self._forget(id_)
            # The second step comes now, or never.
            for grave in self.bench.ledger.graves() if pick % 3 else ():
                self.bench.ledger.clear(grave)

    def _may_go(self, id_: str) -> bool:
        campaign = self.model.campaigns[id_]
        states = {campaign.standing(group) for group in campaign.groups}
        return campaign.state in ("done", "cancelled") and not states & set(OPEN)

    def _forget(self, id_: str) -> None:
        self.buried.add(id_)
        self.bench.loaded.remove(id_)
        del self.model.campaigns[id_]
        self.reported = {told for told in self.reported if told[0][0] != id_}

    def _gate(
        self, token: str, place: Place, serial: int, spent: int, dropped: int
    ) -> int:
        if place[0] not in self.buried:
            return super()._gate(token, place, serial, spent, dropped)
        lock = lock_without(place, dropped)
        answer = self.bench.gate(
            *(place[1], serial), id_=place[0], token=token, spent=spent, lock=lock
        )
        assert answer == Refusal.LOST
        return answer

    def _settle(self, place: Place, said: Said) -> None:
        if place[0] not in self.buried:
            super()._settle(place, said)
            return
        changed = self._unchanged(
            lambda: self.bench.settle(
                *(said.verdict, place[1], said.serial, said.detail),
                id_=place[0],
                token=said.token,
                lock=lock_without(place, 0),
            )
        )
        assert changed == 0

    def _command(self, command: str, id_: str) -> None:
        if id_ not in self.buried:
            super()._command(command, id_)
            return
        order = calls.control(id_, command, "by hand")  # type: ignore[arg-type]
        assert self._unchanged(lambda: self.bench.ledger.run(order)) is None

    def _unchanged(self, what: Callable[[], object]) -> object:
        """What it answers; tombstones are as before."""
        stones = {id_: self._stone(id_) for id_ in self.buried}
        answer = what()
        assert stones == {id_: self._stone(id_) for id_ in self.buried}
        return answer

    def _stone(self, id_: str) -> object:
        return self.bench.redis.hgetall(key("campaign", id_))


@pytest.mark.timeout(900)
def test_archive_machine(bench: Bench) -> None:
    """Whoever comes late finds nothing, and harms nobody."""

    class OnServer(Archiving):
        pass

    OnServer.bench = bench
    run_state_machine_as_test(
        OnServer,
        settings=settings(
            deadline=None,
            max_examples=int(os.environ.get("TEST_ARCHIVE_EXAMPLES", "20")),
            stateful_step_count=30,
            suppress_health_check=list(HealthCheck),
        ),
    )
