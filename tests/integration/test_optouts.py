"""People opt out while their campaign runs through real workers."""

from __future__ import annotations

from pathlib import Path

import pytest

from dispatcher import Run
from tests.stack import Stack, eventually, numbers

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

PEOPLE = 1500
#: Seconds that a permit lives; see `workers.sending`.
PERMIT_S = 0.25


def accepted(run: Run) -> int:
    return run.progress().counts["accepted"]


def test_opting_out_while_it_runs(tmp_path: Path) -> None:
    """No group gated after the opt-out was stored holds the number.

    By the ledger's own gate times, and by the provider's record.
    """
    people = list(numbers(PEOPLE))
    # Every seventh, and all of one of the last groups.
    gone = {*people[::7], *people[-20:-10]}
    with Stack(tmp_path, rate="250", faults=("500=0.03",)) as stack:
        run = stack.submit(PEOPLE)
        stack.worker()
        eventually(lambda: accepted(run) > 20, 60, "some groups are accepted")
        assert stack.dispatcher.suppress(gone) == len(gone)
        stored_at = stack.dispatcher.ledger.now_ms() / 1000
        done = run.wait(timeout=120)
        record = stack.simulator.record()
        results = list(run.results())
        recipients = list(run.results(by="recipient"))
        differences = run.verify().differences

    assert done.state == "done"
    assert differences == []
    assert done.counts["cancelled"] == 1
    assert done.counts["accepted"] == PEOPLE // 10 - 1

    late = [entry for entry in record if entry.time > stored_at + PERMIT_S]
    assert late
    assert not [entry.seq for entry in late if gone & set(entry.to)]

    sent = {entry.id: set(entry.to) for entry in record if entry.taken}
    for group in results:
        written_to = set(group.to) - set(group.dropped)
        assert sent.get(group.message_id, set()) == written_to
        if group.sent_at and group.sent_at.timestamp() > stored_at:
            assert not gone & written_to

    left_out = {r.number for r in recipients if r.state == "cancelled"}
    assert left_out
    assert left_out <= gone
    assert {number for members in sent.values() for number in members} == (
        set(people) - left_out
    )
