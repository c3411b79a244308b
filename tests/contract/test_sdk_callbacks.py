"""Callbacks of every type, built with Bandwidth's own models, taken and understood."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import httpx
import pytest
from bandwidth.models import (
    InboundCallback,
    InboundCallbackMessage,
    InboundCallbackTypeEnum,
    MessageDirectionEnum,
    PriorityEnum,
    StatusCallback,
    StatusCallbackMessage,
    StatusCallbackTypeEnum,
)
from pydantic import BaseModel

from dispatcher.callbacks import Ignored, Inbound, Report, read_callback
from dispatcher.ledger.keys import key
from dispatcher.ledger.states import DeliveryState
from dispatcher.tags import build_tag
from tests.bench import Bench
from tests.serving import serving

OURS: Final = "+19195551212"
THEIRS: Final = ["+19195550101", "+19195550102"]
NOON: Final = datetime(2026, 12, 1, 12, tzinfo=UTC)
TAG: Final = build_tag("0f1e2d3c4b5a6978", 12, 34, "open-house")
ID: Final = "1589228074636lm4k2je7j7jklbn2"

#: What each type means to us: a state, or why it is left out.
STATUS: Final = {
    StatusCallbackTypeEnum.MESSAGE_MINUS_SENDING: DeliveryState.SENDING,
    StatusCallbackTypeEnum.MESSAGE_MINUS_SENT: DeliveryState.SENT,
    StatusCallbackTypeEnum.MESSAGE_MINUS_DELIVERED: DeliveryState.DELIVERED,
    StatusCallbackTypeEnum.MESSAGE_MINUS_FAILED: DeliveryState.FAILED,
    StatusCallbackTypeEnum.MESSAGE_MINUS_READ: Ignored.UNKNOWN_TYPE,
}


def message(kind: type[Any], direction: MessageDirectionEnum, **more: Any) -> Any:  # noqa: ANN401 - one of two of their models
    return kind(
        id=ID,
        owner=OURS,
        application_id="93de2206-9669-4e07-948d-329f4b722ee2",
        time=NOON,
        segment_count=1,
        direction=direction,
        priority=PriorityEnum.DEFAULT,
        media=["https://example.org/poster.jpg"],
        **more,
    )


def status(kind: StatusCallbackTypeEnum) -> StatusCallback:
    failed = kind is StatusCallbackTypeEnum.MESSAGE_MINUS_FAILED
    sent = message(
        StatusCallbackMessage,
        MessageDirectionEnum.OUT,
        **{"to": THEIRS, "from": OURS, "text": "", "tag": TAG},
    )
    return StatusCallback(
        time=NOON,
        event_time=NOON,
        type=kind,
        to=THEIRS[1],
        description="rejected-unallocated" if failed else "ok",
        error_code=4720 if failed else None,
        carrier_name="Verizon",
        message=sent,
    )


def inbound(kind: InboundCallbackTypeEnum) -> InboundCallback:
    received = message(
        InboundCallbackMessage,
        MessageDirectionEnum.IN,
        **{"to": [OURS, THEIRS[1]], "from": THEIRS[0], "text": "Stop!"},
    )
    return InboundCallback(
        time=NOON,
        type=kind,
        to=OURS,
        description="Incoming message received",
        message=received,
    )


def stored(bench: Bench, *callbacks: BaseModel, array: bool = True) -> bytes:
    """What the receiver kept of a request with these."""
    each = ",".join(c.model_dump_json(by_alias=True) for c in callbacks)
    with serving(bench.url) as url:
        answer = httpx.post(
            f"{url}/callbacks",
            content=f"[{each}]" if array else each,
            headers={"Content-Type": "application/json; charset=utf-8"},
        )
    assert answer.status_code == 202
    (body,) = bench.redis.lrange(key("inbox"), 0, -1)
    assert isinstance(body, bytes)
    return body


@pytest.mark.parametrize("array", [True, False], ids=["array", "object"])
@pytest.mark.parametrize("kind", StatusCallbackTypeEnum)
def test_status(bench: Bench, kind: StatusCallbackTypeEnum, *, array: bool) -> None:
    """Ours by its tag; of one recipient, in whichever form it comes."""
    reading = read_callback(stored(bench, status(kind), array=array))
    expected = STATUS[kind]
    if isinstance(expected, Ignored):
        assert reading.ignored == {expected: 1}
        return
    (report,) = reading.events
    assert isinstance(report, Report)
    assert (report.message_id, report.state) == (ID, expected)
    assert (report.tag.load, report.tag.group) == ("0f1e2d3c4b5a6978", 12)
    assert report.code == (4720 if expected is DeliveryState.FAILED else 0)
    assert report.to == (int(THEIRS[1][1:]),)
    assert report.at == NOON.timestamp() * 1000


@pytest.mark.parametrize("kind", InboundCallbackTypeEnum)
def test_inbound(bench: Bench, kind: InboundCallbackTypeEnum) -> None:
    """Somebody's own words are read; answers to buttons are none of ours."""
    reading = read_callback(stored(bench, inbound(kind)))
    if kind is not InboundCallbackTypeEnum.MESSAGE_MINUS_RECEIVED:
        assert reading.ignored == {Ignored.UNKNOWN_TYPE: 1}
        return
    (event,) = reading.events
    assert isinstance(event, Inbound)
    assert (event.sender, event.to) == (int(THEIRS[0][1:]), int(OURS[1:]))
    assert event.text == "Stop!"


def test_several_in_one_array(bench: Bench) -> None:
    """Not promised, and not refused."""
    callbacks = [status(kind) for kind in STATUS]
    reading = read_callback(stored(bench, *callbacks))
    assert len(reading.events) == len(STATUS) - 1
    assert reading.ignored == {Ignored.UNKNOWN_TYPE: 1}


def test_every_type_of_theirs_is_known() -> None:
    """A new one in their models is a decision of ours."""
    assert set(STATUS) == set(StatusCallbackTypeEnum)
