"""What holds of the simulator for any input at all."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.simulator.exchange import Request
from dispatcher.simulator.http1 import RequestReader, Unreadable
from dispatcher.simulator.quotas import AccountQueue
from tests.unit.test_simulator_send import GROUP, PATH, Bench, content, encoded

#: How long an example takes says nothing on a busy machine.
UNTIMED = settings(deadline=None)

#: Any JSON, with the provider's own field names more likely than others.
NAMES = st.sampled_from(["applicationId", "from", "to", "text", "media", "tag"])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.sampled_from(GROUP)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=12)
        | st.dictionaries(NAMES | st.text(), inner, max_size=8)
    ),
    max_leaves=20,
)
CHANGES = st.dictionaries(
    st.sampled_from(
        ["applicationId", "sender", "to", "text", "media", "tag", "priority"]
    ),
    VALUES,
)


def check(bench: Bench, status: int) -> None:
    """An answer of the provider's, noted as such."""
    assert status in {202, 400}
    entry = bench.record.entries[-1]
    assert entry.status == status
    assert entry.taken == (status == 202) == (entry.id is not None)


@UNTIMED
@given(st.binary(max_size=200))
def test_any_bytes_as_a_body(body: bytes) -> None:
    """They are refused; they never raise and never give a 500."""
    bench = Bench()
    check(bench, bench.ask("POST", PATH, body).status)


@UNTIMED
@given(CHANGES)
def test_any_json_in_any_field(changes: dict[str, Any]) -> None:
    """Taken or refused, and what is taken can be found again."""
    bench = Bench()
    status = bench.send(**changes).status
    check(bench, status)
    found = bench.search(limit="100")
    assert len(found["messages"]) == (
        bench.record.entries[0].units if status == 202 else 0
    )


@UNTIMED
@given(st.text(max_size=100), st.binary(max_size=50))
def test_any_target_and_authorization(target: str, authorization: bytes) -> None:
    """Paths and queries never raise either."""
    bench = Bench()
    for method in ("GET", "POST"):
        for path in (target, f"{PATH}?{target}", f"{PATH}?pageToken={target}"):
            reply = bench.ask(method, path, encoded(), authorization=authorization)
            assert reply.status in {200, 202, 400, 401, 404, 405}


@UNTIMED
@given(st.lists(st.binary(max_size=100), max_size=5))
def test_any_bytes_as_a_stream(pieces: list[bytes]) -> None:
    """They give requests or one refusal, and nothing else."""
    ready: deque[tuple[Request, bool]] = deque()
    reader = RequestReader("", ready)
    with suppress(Unreadable):
        for piece in pieces:
            reader.feed(piece)
    assert all(request.method and request.target for request, _ in ready)


@UNTIMED
@given(
    st.floats(0.1, 1000),
    st.lists(st.tuples(st.floats(0, 10), st.integers(1, 10)), max_size=50),
)
def test_the_queue_never_takes_more_than_it_drains(
    rate: float, steps: list[tuple[float, int]]
) -> None:
    """Up to any moment: the depth and what was drained since the start."""
    depth = 20.0
    queue = AccountQueue(rate, depth)
    now = taken = 0.0
    for pause, units in steps:
        now += pause
        if queue.put(units, now):
            taken += units
        assert queue.level(now) <= depth
        assert taken <= depth + rate * now + 1e-6


@UNTIMED
@given(st.lists(st.integers(1, 10), min_size=1, max_size=30), st.integers(1, 40))
def test_pages_of_any_size_are_the_whole(sizes: list[int], limit: int) -> None:
    """Every recipient comes once, whatever the groups and the limit."""
    bench = Bench()
    ids = [content(bench.send(to=GROUP[:size]))["id"] for size in sizes]
    rows: list[tuple[str, str]] = []
    asked = {"limit": str(limit), "sort": "receiveTime:asc"}
    while True:
        found = bench.search(**asked)
        rows += [(r["messageId"], r["destinationTn"]) for r in found["messages"]]
        if "nextPageToken" not in found["pageInfo"]:
            break
        asked["pageToken"] = found["pageInfo"]["nextPageToken"]
    assert rows == [
        (found_id, number)
        for found_id, size in zip(ids, sizes, strict=True)
        for number in GROUP[:size]
    ]
