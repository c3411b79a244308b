"""Callback bodies: every form the provider has used, and whatever else may come."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from dispatcher.callbacks import Ignored, Inbound, Report, read_callback
from dispatcher.ledger.states import DeliveryState
from dispatcher.tags import Tag

ANN, BOB, SENDER = 19195551212, 19195551213, 19195551200
AT = 1_789_410_016_000.0
TAG = "ab12cd34ef.7.2.open-house"
S = DeliveryState


def outbound(type_: str = "message-delivered", **changes: Any) -> dict[str, Any]:  # noqa: ANN401
    """An event as Bandwidth writes it; `message_x` changes the message's field x."""
    event: dict[str, Any] = {
        "type": type_,
        "time": "2026-09-14T18:20:16Z",
        "description": "Message delivered to carrier.",
        "to": f"+{ANN}",
        "message": {
            "id": "m1",
            "owner": f"+{ANN}",
            "applicationId": "93de2206-9669-4e07-948d-329f4b722ee2",
            "time": "2026-09-14T18:20:16Z",
            "segmentCount": 1,
            "direction": "out",
            "to": [f"+{ANN}", f"+{BOB}"],
            "from": f"+{SENDER}",
            "text": "",
            "tag": TAG,
        },
    }
    for name, value in changes.items():
        place = event["message"] if name.startswith("message_") else event
        place[name.removeprefix("message_")] = value
    return event


def inbound(**changes: Any) -> dict[str, Any]:  # noqa: ANN401
    usual: dict[str, Any] = {
        "to": f"+{SENDER}",
        "message_direction": "in",
        "message_from": f"+{ANN}",
        "message_to": [f"+{SENDER}", f"+{BOB}"],
        "message_text": "Stop!",
    }
    return outbound("message-received", **usual | changes)


def one(event: object) -> Report | Inbound | Ignored:
    """What a body of this one event reads as."""
    reading = read_callback(json.dumps([event]).encode())
    assert len(reading.events) + reading.ignored.total() == 1
    return reading.events[0] if reading.events else next(iter(reading.ignored))


@pytest.mark.parametrize(
    ("type_", "state"),
    [
        ("message-sending", S.SENDING),
        ("message-sent", S.SENT),
        ("message-delivered", S.DELIVERED),
        ("message-failed", S.FAILED),
    ],
)
def test_outbound(type_: str, state: DeliveryState) -> None:
    """The four types that say how far a message got."""
    tag = Tag("ab12cd34ef", 7, 2)
    assert one(outbound(type_)) == Report(tag, "m1", state, 0, (ANN,), AT)


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (4432, 4432),
        ("4432", 4432),
        (None, 0),
        ("", 0),
        ("x", 0),
        (-1, 0),
        (65536, 0),
        ("99999", 0),
        (4432.0, 0),
        ([4432], 0),
        (10**40, 0),
    ],
)
def test_code(given: object, code: int) -> None:
    """A whole number, perhaps written as a string; anything else is no code."""
    found = one(outbound("message-failed", errorCode=given))
    assert isinstance(found, Report)
    assert (found.state, found.code) == (S.FAILED, code)


def test_only_failures_have_a_code() -> None:
    """A code on another event means nothing."""
    found = one(outbound("message-delivered", errorCode=4432))
    assert isinstance(found, Report)
    assert found.code == 0


@pytest.mark.parametrize(
    ("changes", "to"),
    [
        ({"to": f"+{BOB}"}, (BOB,)),
        ({"to": [f"+{BOB}"]}, (BOB,)),
        ({"to": [f"+{ANN}", f"+{BOB}"]}, (ANN, BOB)),
        ({"to": None}, ()),
        ({"to": None, "message_to": [f"+{BOB}"]}, (BOB,)),
        ({"to": None, "message_to": f"+{BOB}"}, ()),
        ({"to": "bob"}, ()),
        ({"to": 7}, ()),
        ({"to": [f"+{BOB}", None, {}]}, (BOB,)),
    ],
)
def test_to(changes: dict[str, Any], to: tuple[int, ...]) -> None:
    """One number, a list, or missing; never taken from `owner`."""
    found = one(outbound(**changes))
    assert isinstance(found, Report)
    assert found.to == to


@pytest.mark.parametrize(
    ("time", "at"),
    [
        ("2026-09-14T18:20:16Z", AT),
        ("2026-09-14T18:20:16.979Z", AT + 979),
        ("2026-09-14T18:20:16.979456Z", AT + 979.456),
        ("2026-09-14T18:20:16.979+0000", AT + 979),
        ("2026-09-14T18:20:16", AT),
        ("now", None),
        ("", None),
        (None, None),
        (5, None),
        ({}, None),
    ],
)
def test_time(time: object, at: float | None) -> None:
    """Every form that was seen. What cannot be read costs the event nothing."""
    found = one(outbound(time=time, message_time=time))
    assert isinstance(found, Report)
    assert found.at == (at if at is None else pytest.approx(at, abs=0.001))


@pytest.mark.parametrize("text", ["Stop!", "", None, 7])
def test_inbound(text: object) -> None:
    """Who wrote, and what; media alone say nothing."""
    expected = Inbound(ANN, SENDER, text if isinstance(text, str) else "", AT)
    assert one(inbound(message_text=text)) == expected


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (outbound("message-read"), Ignored.UNKNOWN_TYPE),
        (outbound("message-exploded"), Ignored.UNKNOWN_TYPE),
        ({"message": {}}, Ignored.UNKNOWN_TYPE),
        (outbound(type=[]), Ignored.UNKNOWN_TYPE),
        (outbound(type={}), Ignored.UNKNOWN_TYPE),
        (outbound(message_tag="newsletter"), Ignored.FOREIGN),
        (outbound(message_tag=None), Ignored.FOREIGN),
        (outbound(message_tag={"a": 1}), Ignored.FOREIGN),
        (outbound(message_direction="in"), Ignored.WRONG_DIRECTION),
        (inbound(message_direction="out"), Ignored.WRONG_DIRECTION),
        (inbound(message_direction=None), Ignored.WRONG_DIRECTION),
        (inbound(message_from="12345"), Ignored.UNREADABLE),
        (inbound(message_from=None), Ignored.UNREADABLE),
        (outbound(message_id=None), Ignored.UNREADABLE),
        (outbound(message_id="m" * 257), Ignored.UNREADABLE),
        (outbound(message_id="a\nb"), Ignored.UNREADABLE),
        (outbound() | {"message": "m1"}, Ignored.UNREADABLE),
        ({"type": "message-delivered"}, Ignored.UNREADABLE),
        ("message-delivered", Ignored.UNREADABLE),
        (None, Ignored.UNREADABLE),
        ([outbound()], Ignored.UNREADABLE),
    ],
)
def test_ignored(event: object, reason: Ignored) -> None:
    """What does not concern us, by its reason."""
    assert one(event) == reason


def test_one_object_is_an_array_of_one() -> None:
    """The provider's own specification shows it so."""
    reading = read_callback(json.dumps(outbound()).encode())
    assert len(reading.events) == 1


def test_a_bad_event_costs_the_others_nothing() -> None:
    """They stay in order, and what was left out is counted."""
    events = [outbound("message-sending"), None, outbound("message-read"), inbound()]
    reading = read_callback(json.dumps(events).encode())
    assert [type(event) for event in reading.events] == [Report, Inbound]
    assert reading.ignored == Counter({Ignored.UNREADABLE: 1, Ignored.UNKNOWN_TYPE: 1})


@pytest.mark.parametrize(
    "body",
    [b"", b"x", b"[", b"\xff", b"7", b'"a"', b"null", b"[" * 60_000, b'{"a":' * 12_000],
)
def test_nonsense(body: bytes) -> None:
    """Whatever comes: counted once, and no error."""
    reading = read_callback(body)
    assert (reading.events, reading.ignored.total()) == ([], 1)


def test_an_empty_array() -> None:
    """Nothing happened."""
    assert read_callback(b"[]").events == []


def test_no_repr_shows_a_person() -> None:
    """Neither number nor text, wherever it may be printed."""
    body = json.dumps([outbound(), inbound()]).encode()
    shown = repr(read_callback(body))
    assert "9195551" not in shown
    assert "Stop" not in shown
