"""What each fault does to a send call, before any socket is involved."""

from __future__ import annotations

import msgspec
import pytest

from dispatcher.simulator import Fault, SimulatorConfig
from dispatcher.simulator.exchange import Manner
from dispatcher.simulator.misbehaviour import REFUSALS, SPOILERS
from tests.unit.test_simulator_send import PATH, Bench, content


def test_every_fault_has_one_shape() -> None:
    """No kind is left without an effect, none has two."""
    late = {Fault.SLOW, Fault.REFUSE}
    of_requests = [kind for kind in Fault if not kind.of_callbacks]
    assert REFUSALS.keys() | SPOILERS.keys() | late == set(of_requests)
    assert len(REFUSALS) + len(SPOILERS) + len(late) == len(of_requests)


ANSWERED = {
    Fault.QUEUE_FULL: (429, "max-message-queue-size-exceeded"),
    Fault.SERVER_ERROR: (500, "internal-server-error"),
    Fault.UNAUTHORIZED: (401, "unauthorized"),
    Fault.FORBIDDEN: (403, "forbidden"),
}


@pytest.mark.parametrize(("fault", "expected"), ANSWERED.items())
def test_an_error_in_the_providers_form_is_not_taken(
    fault: Fault, expected: tuple[int, str]
) -> None:
    """Status and type are those documented, and the record says not taken."""
    bench = Bench(SimulatorConfig(faults={fault: 1}))
    reply = bench.send()
    assert (reply.status, content(reply)["type"]) == expected
    entry = bench.record.entries[0]
    assert (entry.taken, entry.status, entry.fault) == (False, expected[0], fault)


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Fault.BAD_GATEWAY, 502),
        (Fault.UNAVAILABLE, 503),
        (Fault.HTML_500, 500),
        (Fault.EMPTY_500, 500),
    ],
)
def test_an_error_not_in_the_providers_form_has_no_json(
    fault: Fault, status: int
) -> None:
    """A proxy's page, or nothing at all."""
    reply = Bench(SimulatorConfig(faults={fault: 1})).send()
    assert reply.status == status
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(reply.body)


SHAPES = {
    Fault.HANG: (False, None, {Manner.SILENCE}),
    Fault.DROP_BEFORE: (False, None, {Manner.CLOSE, Manner.RESET}),
    Fault.HANG_AFTER: (True, None, {Manner.SILENCE}),
    Fault.DROP_AFTER: (True, None, {Manner.CLOSE, Manner.RESET}),
    Fault.HALF_ANSWER: (True, 202, {Manner.HALF}),
    Fault.BAD_JSON: (True, 202, {Manner.ANSWER}),
    Fault.SLOW: (True, 202, {Manner.ANSWER}),
    Fault.REFUSE: (True, 202, {Manner.REFUSE_NEXT}),
}


@pytest.mark.parametrize(("fault", "expected"), SHAPES.items())
def test_faults_of_the_socket(
    fault: Fault, expected: tuple[bool, int | None, set[Manner]]
) -> None:
    """Each kind says what the client gets and whether the message was taken."""
    bench = Bench(SimulatorConfig(faults={fault: 1}))
    manners = {bench.send().manner for _ in range(50)}
    entry = bench.record.entries[-1]
    assert (entry.taken, entry.status, manners) == expected
    assert (entry.id is not None) == entry.taken


def test_a_spoilt_202_is_no_json() -> None:
    """Its length is right, its content is cut."""
    reply = Bench(SimulatorConfig(faults={Fault.BAD_JSON: 1})).send()
    assert (reply.status, reply.body[:6]) == (202, b'{"id":')
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(reply.body)


@pytest.mark.parametrize("fault", sorted(SPOILERS))
def test_a_refusal_is_not_spoilt(fault: Fault) -> None:
    """A fault "after taking" has nothing to do where nothing is taken."""
    bench = Bench(SimulatorConfig(faults={fault: 1}))
    reply = bench.send(to=[])
    assert (reply.status, reply.manner) == (400, Manner.ANSWER)
    assert not bench.record.entries[0].taken


def test_delays_add_up() -> None:
    """The latency of every answer and the fault's own."""
    config = SimulatorConfig(latency_ms=50, slow_ms=200, faults={Fault.SLOW: 1})
    bench = Bench(config)
    assert bench.send().delay == pytest.approx(0.25)
    assert bench.ask("GET", PATH + "?limit=5").delay == pytest.approx(0.05)


def test_searches_meet_no_faults() -> None:
    """Only send requests do."""
    bench = Bench(SimulatorConfig(faults={Fault.SERVER_ERROR: 1}))
    assert bench.ask("GET", PATH + "?limit=5").status == 200
