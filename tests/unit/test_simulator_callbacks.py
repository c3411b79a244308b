"""The bodies of callbacks, beside the documented ones; what is told of whom."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

import msgspec
import pytest

from dispatcher.simulator import Fate, Fault, Layout, SimulatorConfig
from dispatcher.simulator.carriers import HEAD_START
from dispatcher.simulator.fates import INVALID_CODE
from dispatcher.simulator.timetable import STRANGE_TYPES
from tests.unit.test_simulator_send import (
    BODY,
    GROUP,
    PATH,
    SENDER,
    START,
    Bench,
    content,
    encoded,
)

FINAL = {"message-delivered", "message-failed"}
#: No waiting: whatever order events come in was ordered by a fault.
AT_ONCE: dict[str, Any] = {"callback_delay_ms": 0}
#: More than enough for every callback to be due.
LONG = 3600.0


def disorder(*kinds: Fault, share: float = 1.0, **more: Any) -> Bench:  # noqa: ANN401
    """A provider whose callbacks suffer from these."""
    return Bench(SimulatorConfig(faults=dict.fromkeys(kinds, share), **more))


def told(bench: Bench) -> dict[tuple[str, str], Fate]:
    """What a receiver ends with that lets failures stick."""
    known: dict[tuple[str, str], Fate] = {}
    for event in bench.mail.events():
        who = (event["message"]["id"], event["to"])
        if event["type"] == "message-failed":
            known[who] = Fate("failed", event["errorCode"])
        elif event["type"] == "message-delivered":
            known.setdefault(who, Fate("delivered"))
        else:
            continue
    return known


def truth(bench: Bench) -> dict[tuple[str, str], Fate]:
    """What the simulator says of its own messages."""
    return {(one.id, one.to): one.fate for one in bench.provider.truth()}


# -- bodies ----------------------------------------------------------------------


def test_an_outbound_body_is_the_documented_one() -> None:
    """An array of one object; the tag echoed, the text gone, the whole group shown."""
    bench = Bench(SimulatorConfig(**AT_ONCE))
    id_ = content(bench.send(media=["https://example.org/a.jpg"]))["id"]
    bodies = [msgspec.json.decode(c.body()) for _, c in bench.mail.posted[:2]]
    message = {
        "id": id_,
        "owner": SENDER,
        "applicationId": BODY["applicationId"],
        "time": "2027-01-15T08:00:00.000Z",
        "segmentCount": 1,
        "direction": "out",
        "to": GROUP,
        "from": SENDER,
        "text": "",
        "tag": "nonce|0|1|open-house",
        "media": ["https://example.org/a.jpg"],
    }
    sending = {
        "type": "message-sending",
        "time": "2027-01-15T08:00:00.000Z",
        "description": "Message is sending to carrier",
        "to": GROUP[0],
        "message": message,
    }
    delivered = {
        "type": "message-delivered",
        "time": "2027-01-15T08:00:00.000Z",
        "description": "Message delivered to carrier.",
        "to": GROUP[0],
        # The provider's samples hold the recipient here.
        "message": message | {"owner": GROUP[0]},
    }
    assert bodies == [[sending], [delivered]]


def test_a_failure_has_a_code() -> None:
    """Drawn from those configured, and no other event has one."""
    codes = (4770, 9902)
    bench = disorder(Fault.FAILED, callback_codes=codes)
    bench.send()
    for event in bench.mail.events():
        failed = event["type"] == "message-failed"
        assert failed == ("errorCode" in event)
        assert not failed or event["errorCode"] in codes


def test_optional_fields_are_told_only_if_given() -> None:
    """Neither tag nor media nor priority are invented."""
    bench = Bench()
    bench.send(tag=None)
    (message,) = {msgspec.json.encode(e["message"]) for e in bench.mail.events()[:1]}
    assert not {"tag", "media", "priority"} & msgspec.json.decode(message).keys()


def test_an_inbound_body_is_the_documented_one() -> None:
    """The account's number owns it, the text is there, and it has no tag."""
    bench = Bench()
    bench.send()
    bench.mail.posted.clear()
    id_ = bench.provider.receive(GROUP[0], [SENDER, GROUP[1]], "STOP")
    assert bench.mail.events() == [
        {
            "type": "message-received",
            "time": "2027-01-15T08:00:00.000Z",
            "description": "Incoming message received",
            "to": SENDER,
            "message": {
                "id": id_,
                "owner": SENDER,
                "applicationId": BODY["applicationId"],
                "time": "2027-01-15T08:00:00.000Z",
                "segmentCount": 1,
                "direction": "in",
                "to": [SENDER, GROUP[1]],
                "from": GROUP[0],
                "text": "STOP",
            },
        }
    ]


# -- the orderly course ------------------------------------------------------------


def test_everybody_is_told_of_once_and_in_order() -> None:
    """Sending and then delivered, one callback for each recipient and event."""
    bench = Bench()
    bench.send()
    courses = defaultdict(list)
    for event in bench.mail.events():
        courses[event["to"]].append(event["type"])
    course = ["message-sending", "message-delivered"]
    assert courses == dict.fromkeys(GROUP, course)


def test_a_plain_text_is_told_of_at_its_end_only() -> None:
    """The event for the way is one of group and picture messages."""
    bench = Bench()
    bench.send(to=GROUP[0])
    assert [event["type"] for event in bench.mail.events()] == ["message-delivered"]


def test_nobody_is_told_of_a_message_that_was_not_taken() -> None:
    """Neither of an invalid one nor of one that a fault refused."""
    bench = Bench(SimulatorConfig(faults={Fault.SERVER_ERROR: 1}))
    bench.send()
    bench.send(text=None)
    assert bench.mail.posted == []


def test_nobody_is_told_if_there_is_nobody() -> None:
    """And the end is known all the same: searches show it."""
    bench = disorder(Fault.FAILED)
    bench.mail.wanted = False
    bench.send(to=GROUP[:1])
    assert bench.mail.posted == []
    bench.now += LONG
    (row,) = bench.search(limit="1")["messages"]
    assert row["messageStatus"] == "FAILED"
    assert row["errorCode"] == truth(bench)[row["messageId"], GROUP[0]].code


# -- disorder ----------------------------------------------------------------------


def test_an_invalid_member_fails_and_everybody_is_delivered() -> None:
    """The documented oddity; the truth is that this member failed."""
    bench = disorder(Fault.INVALID)
    id_ = content(bench.send())["id"]
    ends = [e for e in bench.mail.events() if e["type"] in FINAL]
    assert Counter(e["type"] for e in ends) == {
        "message-failed": 1,
        "message-delivered": 10,
    }
    assert ends[0]["type"] == "message-failed"
    assert {e["to"] for e in ends[1:]} == set(GROUP)
    assert truth(bench)[id_, ends[0]["to"]] == Fate("failed", INVALID_CODE)
    assert Counter(fate.state for fate in truth(bench).values()) == {
        "failed": 1,
        "delivered": 9,
    }


def test_some_are_never_told_of_at_the_end() -> None:
    """Only that their message is on its way."""
    bench = disorder(Fault.NO_FINAL)
    bench.send()
    assert {e["type"] for e in bench.mail.events()} == {"message-sending"}
    assert {fate.state for fate in truth(bench).values()} == {"none"}
    bench.now += LONG
    rows = bench.search(limit="100")["messages"]
    assert {row["messageStatus"] for row in rows} == {"SENDING"}


def test_early_callbacks_are_due_before_the_answer_leaves() -> None:
    """All of them, however long a message takes else."""
    bench = disorder(Fault.EARLY, callback_delay_ms=60_000)
    assert bench.send().delay == HEAD_START
    assert len(bench.mail.posted) == 20
    assert {due for due, _ in bench.mail.posted} == {START}


def test_doubled_callbacks_are_alike() -> None:
    """Byte for byte, as a repetition is."""
    bench = disorder(Fault.DOUBLED)
    bench.send()
    bodies = Counter(callback.body() for _, callback in bench.mail.posted)
    assert set(bodies.values()) == {2}
    assert len(bodies) == 20


def test_late_callbacks_are_late_and_say_when_it_happened() -> None:
    """Their own time is that of the event."""
    bench = disorder(Fault.LATE, callback_late_seconds=7.5, **AT_ONCE)
    bench.send()
    assert {due for due, _ in bench.mail.posted} == {START + 7.5}
    assert {callback.time for _, callback in bench.mail.posted} == {START}


def test_shuffled_callbacks_end_with_what_came_first() -> None:
    """Delivered, and then still sending."""
    bench = disorder(Fault.SHUFFLED)
    bench.send(to=GROUP[:2])
    for number in GROUP[:2]:
        types = [e["type"] for e in bench.mail.events() if e["to"] == number]
        assert types == ["message-delivered", "message-sending"]


def test_unknown_types_come_along() -> None:
    """Beside the usual events, not in their place."""
    bench = disorder(Fault.UNKNOWN_TYPE, Fault.SENT)
    bench.send()
    types = Counter(event["type"] for event in bench.mail.events())
    assert sum(types[kind] for kind in STRANGE_TYPES) == 10
    assert types["message-sending"] == types["message-sent"] == 10
    assert types["message-delivered"] == 10


def test_foreign_messages_come_along() -> None:
    """Of another program on our number and of somebody else's account."""
    bench = disorder(Fault.FOREIGN)
    ids = {content(bench.send())["id"] for _ in range(20)}
    foreign = [e for e in bench.mail.events() if e["message"]["id"] not in ids]
    assert len(foreign) == 20
    tags = {event["message"].get("tag") for event in foreign}
    assert tags == {None, "somebody-else's"}
    assert not {(e["message"]["id"], e["to"]) for e in foreign} & truth(bench).keys()


@pytest.mark.parametrize("kind", [k for k in Fault if k.of_callbacks])
def test_never_is_never(kind: Fault) -> None:
    """A share of 0 is no share."""
    bench = disorder(kind, share=0)
    plain = Bench()
    assert bench.send() == plain.send()
    assert bench.mail.posted == plain.mail.posted


def test_the_same_seed_gives_the_same_disorder() -> None:
    """Run after run, message after message."""
    kinds = [kind for kind in Fault if kind.of_callbacks]
    first, second = (disorder(*kinds, share=0.3) for _ in range(2))
    for _ in range(30):
        assert first.send() == second.send()
    assert first.mail.posted == second.mail.posted


def test_shares_of_callbacks_are_kept() -> None:
    """Over many messages, and beside a fault of the send call."""
    bench = Bench(
        SimulatorConfig(faults={Fault.FAILED: 0.1, Fault.NO_FINAL: 0.2, Fault.SLOW: 1})
    )
    for _ in range(500):
        bench.send()
    states = Counter(fate.state for fate in truth(bench).values())
    assert 400 < states["failed"] < 600
    assert 750 < states["none"] < 1050


def test_callbacks_and_searches_tell_the_truth() -> None:
    """With all disorder at once, whatever is told ends as the truth says."""
    kinds = [kind for kind in Fault if kind.of_callbacks]
    bench = disorder(*kinds, share=0.2)
    for size in (1, 2, 10) * 30:
        bench.send(to=GROUP[:size])
    ours = truth(bench)
    heard = {who: fate for who, fate in told(bench).items() if who in ours}
    assert heard == {who: f for who, f in ours.items() if f.state != "none"}
    bench.now += LONG
    words = {"DELIVERED": "delivered", "FAILED": "failed", "SENDING": "none"}
    rows = bench.search(limit="1000")["messages"]
    assert ours == {
        (row["messageId"], row["destinationTn"]): Fate(
            words[row["messageStatus"]], row.get("errorCode")
        )
        for row in rows
    }
    assert len(rows) == 390


def test_a_search_sees_a_message_come_to_its_end() -> None:
    """Received, sending, delivered; never backwards."""
    bench = Bench(SimulatorConfig(callback_delay_ms=10_000))
    bench.send(to=GROUP[:2])
    seen = []
    for _ in range(2000):
        bench.now += 0.1
        (row, _) = bench.search(limit="5")["messages"]
        seen.append(row["messageStatus"])
    assert list(dict.fromkeys(seen)) == ["RECEIVED", "SENDING", "DELIVERED"]
    assert seen == sorted(seen, key=["RECEIVED", "SENDING", "DELIVERED"].index)


def test_a_status_is_a_filter() -> None:
    """A poller asks for failures only."""
    bench = disorder(Fault.INVALID)
    id_ = content(bench.send())["id"]
    bench.now += LONG
    found = bench.search(messageStatus="FAILED")
    assert found["totalCount"] == 1
    (row,) = found["messages"]
    assert (row["messageId"], row["errorCode"]) == (id_, INVALID_CODE)


def test_a_single_row_tells_the_worst() -> None:
    """In the layout with one row a message."""
    bench = disorder(
        Fault.FAILED, Fault.NO_FINAL, share=0.3, layout=Layout.MESSAGE, **AT_ONCE
    )
    for _ in range(100):
        bench.send(to=GROUP[:3])
    bench.now += LONG
    ends = defaultdict(set)
    for (id_, _), fate in truth(bench).items():
        ends[id_].add(fate.state)
    rows = bench.search(limit="100")["messages"]
    assert len(rows) == 100
    for row in rows:
        worst = min(ends[row["messageId"]], key=["failed", "none", "delivered"].index)
        words = {"failed": "FAILED", "none": "SENDING", "delivered": "DELIVERED"}
        assert row["messageStatus"] == words[worst]
        assert ("errorCode" in row) == (worst == "failed")


def test_the_answer_is_that_of_a_provider_without_callbacks() -> None:
    """Who calls back answers no otherwise."""
    bench = Bench()
    assert bench.ask("POST", PATH, encoded()).delay == 0
