"""What the simulator notes of each send request, taken or refused."""

from __future__ import annotations

import pytest

from dispatcher.simulator import Entry, Fault, SimulatorConfig
from tests.unit.test_simulator_send import GROUP, PATH, SENDER, START, Bench, content


def test_a_taken_message_is_noted_in_full() -> None:
    """All but its text."""
    bench = Bench()
    body = content(bench.send())
    assert bench.record.entries == [
        Entry(
            seq=1,
            time=START,
            account="5500001",
            sender=SENDER,
            to=tuple(GROUP),
            tag="nonce|0|1|open-house",
            units=10,
            text_length=19,
            taken=True,
            status=202,
            fault=None,
            id=body["id"],
        )
    ]


@pytest.mark.parametrize(
    ("body", "units"),
    [
        (b"", 0),
        (b'{"to":"+19195550001"}', 1),
        (b'{"to":[1,2,3]}', 3),
        (b'{"to":7,"from":8,"tag":9,"text":10}', 0),
    ],
)
def test_a_refused_request_is_noted_with_its_units(body: bytes, units: int) -> None:
    """Whatever can be made out of its body."""
    bench = Bench()
    bench.ask("POST", PATH, body)
    entry = bench.record.entries[0]
    assert (entry.taken, entry.status, entry.units) == (False, 400, units)
    assert entry.id is None


def test_a_fault_notes_the_units_of_what_it_refused() -> None:
    """The rate is checked over all requests, refused ones too."""
    bench = Bench(SimulatorConfig(faults={Fault.SERVER_ERROR: 1}))
    bench.send()
    assert bench.record.entries[0].units == 10


def test_the_counts_agree_with_the_record() -> None:
    """Answers and faults add up to the requests."""
    shares = {Fault.SERVER_ERROR: 0.2, Fault.DROP_AFTER: 0.2, Fault.HANG: 0.1}
    bench = Bench(SimulatorConfig(faults=shares))
    for n in range(200):
        bench.send(to=GROUP[: n % 11])
    stats = bench.provider.stats()
    entries = bench.record.entries
    taken = [entry for entry in entries if entry.taken]
    assert [entry.seq for entry in entries] == list(range(1, 201))
    assert (stats.sends, stats.units) == (200, sum(e.units for e in entries))
    assert (stats.taken, stats.taken_units) == (len(taken), sum(e.units for e in taken))
    assert sum(stats.answers.values()) == 200
    assert stats.answers["none"] == sum(entry.status is None for entry in entries)
    assert stats.faults.keys() == set(shares)
