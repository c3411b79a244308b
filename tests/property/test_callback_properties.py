"""Laws of tags, deliveries and callback bodies."""

from __future__ import annotations

import json
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from dispatcher.callbacks import read_callback
from dispatcher.campaign import MAX_TAG
from dispatcher.ledger.delivery import Delivery, Slots, unpack_deliveries
from dispatcher.ledger.states import DeliveryState
from dispatcher.tags import Tag, build_tag, read_tag

LOADS = st.from_regex(r"[0-9a-f]{10}", fullmatch=True)
GROUPS = st.integers(0, 999_999_999)
#: Of two failures of one message the first stays: here each member has one code.
EVENTS = st.lists(
    st.tuples(st.integers(0, 9), st.sampled_from(list(DeliveryState)[1:]))
)
KEYS = st.sampled_from(
    ["type", "to", "errorCode", "message", "id", "tag", "from", "text", "direction"]
) | st.text(max_size=3)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner),
)


@given(LOADS, GROUPS, GROUPS, st.none() | st.text(max_size=MAX_TAG))
def test_tag_round_trip(load: str, group: int, serial: int, own: str | None) -> None:
    """Whatever the user's tag holds, ours is read back, and fits."""
    tag = build_tag(load, group, serial, own)
    assert read_tag(tag) == Tag(load, group, serial)
    assert len(tag) <= 1024
    assert tag.endswith(own or "")


@given(st.text())
def test_foreign_tags(text: str) -> None:
    """What reads as ours is what we would have written; nothing raises."""
    found = read_tag(text)
    assert found is None or text.startswith(build_tag(*found))


def merged(events: list[tuple[int, DeliveryState]]) -> bytes:
    slots = Slots(10)
    for member, state in events:
        code = 4400 + member if state is DeliveryState.FAILED else 0
        slots.put(member, Delivery(state, code))
    return slots.pack()


@given(EVENTS, st.randoms(use_true_random=False))
def test_order_and_repetition_do_not_matter(
    events: list[tuple[int, DeliveryState]], random: Random
) -> None:
    """Shuffled and doubled, a stream ends where it would have ended."""
    again = events + [event for event in events if random.random() < 0.5]
    random.shuffle(again)
    assert merged(again) == merged(events)
    best = {member: max(s for m, s in events if m == member) for member, _ in events}
    for member, found in enumerate(unpack_deliveries(merged(events), 10)):
        assert found.state == best.get(member, DeliveryState.AWAITING)
        failed = found.state is DeliveryState.FAILED
        assert found.code == (4400 + member if failed else 0)


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_body_is_read(body: bytes) -> None:
    """Whatever was received: never an error."""
    read_callback(body)
