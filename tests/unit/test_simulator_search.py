"""The simulated message search: filters, windows, pages, lag and limits."""

from __future__ import annotations

from typing import Any

import pytest

from dispatcher.simulator import Layout, SimulatorConfig
from tests.unit.test_simulator_send import (
    GROUP,
    SENDER,
    START,
    Bench,
    content,
)

OTHER = "+442071838750"
MEDIA = ["https://example.org/a.jpg"]


def at(seconds: float) -> str:
    """A time so many seconds after the start, below an hour."""
    minutes, rest = divmod(seconds, 60)
    return f"2027-01-15T08:{int(minutes):02d}:{rest:06.3f}Z"


def filled(config: SimulatorConfig | None = None) -> tuple[Bench, list[str]]:
    """Four messages, a second apart, and their ids; the clock stands at +10 s."""
    bench = Bench(config)
    ids = []
    for changes in (
        {"to": GROUP[:3]},
        {"to": GROUP[2:4], "sender": OTHER},
        {"to": GROUP[5:6], "text": "hello"},
        {"to": GROUP[5:6], "media": MEDIA, "text": None},
    ):
        ids.append(str(content(bench.send(**changes))["id"]))
        bench.now += 1
    bench.now = START + 10
    return bench, ids


def places(found: dict[str, Any], ids: list[str]) -> list[tuple[int, str]]:
    """The rows as (place of the message, last digit of the recipient)."""
    return [
        (ids.index(row["messageId"]), row["destinationTn"][-1])
        for row in found["messages"]
    ]


def test_a_row_is_the_documented_one() -> None:
    """One for each recipient, with what belongs to the whole message."""
    bench, ids = filled()
    found = bench.search(messageId=ids[0], destinationTn=GROUP[1])
    assert found == {
        "totalCount": 1,
        "pageInfo": {},
        "messages": [
            {
                "messageId": ids[0],
                "accountId": "5500001",
                "sourceTn": SENDER,
                "destinationTn": GROUP[1],
                "messageStatus": "DELIVERED",
                "messageDirection": "OUTBOUND",
                "messageType": "mms",
                "segmentCount": 1,
                "receiveTime": "2027-01-15T08:00:00.000Z",
                "messageLength": 19,
                "attachmentCount": 0,
                "recipientCount": 3,
            }
        ],
    }


def test_the_other_layout_has_one_row_for_a_message() -> None:
    """With those of its recipients that were asked for."""
    bench, ids = filled(SimulatorConfig(layout=Layout.MESSAGE))
    found = bench.search(sourceTn=SENDER, destinationTn=",".join(GROUP[1:6]))
    assert found["totalCount"] == 3
    assert [(r["messageId"], r["destinationTn"]) for r in found["messages"]] == [
        (ids[3], GROUP[5:6]),
        (ids[2], GROUP[5:6]),
        (ids[0], GROUP[1:3]),
    ]


ASC = {"sort": "receiveTime:asc"}
FOUND: dict[str, tuple[dict[str, str], list[tuple[int, str]]]] = {
    "newest first": (
        {"limit": "100"},
        [(3, "5"), (2, "5"), (1, "2"), (1, "3"), (0, "0"), (0, "1"), (0, "2")],
    ),
    "a sender": (ASC | {"sourceTn": OTHER}, [(1, "2"), (1, "3")]),
    "several senders": (
        ASC | {"sourceTn": f"{OTHER},{SENDER}", "destinationTn": GROUP[2]},
        [(0, "2"), (1, "2")],
    ),
    "senders that begin alike": (
        ASC | {"sourceTn": "+19195", "messageType": "sms"},
        [(2, "5")],
    ),
    "no such sender": ({"sourceTn": "+19998887777"}, []),
    "recipients": (
        ASC | {"destinationTn": f"{GROUP[0]},{GROUP[3]},+19998887777"},
        [(0, "0"), (1, "3")],
    ),
    "recipients that begin alike": (
        ASC | {"destinationTn": "191955500", "messageType": "mms"},
        [(0, "0"), (0, "1"), (0, "2"), (1, "2"), (1, "3"), (3, "5")],
    ),
    "group and picture are MMS": (
        ASC | {"messageType": "mms", "destinationTn": GROUP[5]},
        [(3, "5")],
    ),
    "one recipient and text is SMS": ({"messageType": "sms"}, [(2, "5")]),
    "never RCS": ({"messageType": "rcs"}, []),
    "outbound": ({"messageDirection": "OUTBOUND", "messageType": "sms"}, [(2, "5")]),
    "never inbound": ({"messageDirection": "INBOUND"}, []),
    "delivered": ({"messageStatus": "DELIVERED", "messageType": "sms"}, [(2, "5")]),
    "under way no more": ({"messageStatus": "SENDING"}, []),
    "from a time on": ({"fromDateTime": at(2)}, [(3, "5"), (2, "5")]),
    "after a time": ({"fromDateTime": at(2.001)}, [(3, "5")]),
    "up to a time": (
        {"toDateTime": at(1)},
        [(1, "2"), (1, "3"), (0, "0"), (0, "1"), (0, "2")],
    ),
    "between times": (
        {"fromDateTime": at(1), "toDateTime": at(1)},
        [(1, "2"), (1, "3")],
    ),
    "between times the wrong way": ({"fromDateTime": at(3), "toDateTime": at(1)}, []),
    "a time with an offset": (
        {"fromDateTime": "2027-01-15T10:00:03+02:00"},
        [(3, "5")],
    ),
    "a time without one is UTC": ({"fromDateTime": "2027-01-15T08:00:03"}, [(3, "5")]),
    "the count's own limit changes nothing": (
        {"limitTotalCount": "true", "messageType": "sms"},
        [(2, "5")],
    ),
}


@pytest.mark.parametrize(("asked", "expected"), FOUND.values(), ids=FOUND.keys())
def test_what_is_found(asked: dict[str, str], expected: list[tuple[int, str]]) -> None:
    """Filters narrow, all of them together; the count is that of the rows."""
    bench, ids = filled()
    found = bench.search(**asked)
    assert places(found, ids) == expected
    assert found["totalCount"] == len(expected)


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"sourceTn": OTHER},
        {"destinationTn": GROUP[4]},
        {
            "toDateTime": at(0),
            "fromDateTime": "2027-01-14T08:00:00Z",
            "sourceTn": OTHER,
        },
    ],
)
def test_an_id_is_one_filter_among_others(asked: dict[str, str]) -> None:
    """A message that another filter leaves out is not found by its id."""
    bench, ids = filled()
    found = bench.search(messageId=ids[0], **asked)
    assert found["totalCount"] == (0 if asked else 3)


def test_an_unknown_id_finds_nothing() -> None:
    """An empty answer, not an error."""
    assert filled()[0].search(messageId="unknown")["messages"] == []


def test_accounts_do_not_see_one_another() -> None:
    """Neither by search nor by id."""
    bench, ids = filled()
    for query in ("limit=100", f"messageId={ids[0]}"):
        reply = bench.ask("GET", f"/api/v2/users/other/messages?{query}")
        assert content(reply)["messages"] == []


def test_refused_messages_are_not_found() -> None:
    """Only what was taken is."""
    bench = Bench()
    bench.send(text=None)
    assert bench.search(limit="5")["totalCount"] == 0
