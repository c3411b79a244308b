"""The simulated send call: what is refused and how, what is taken and noted.

`Bench` is a provider without sockets, files or a clock of its own; the other tests of
the simulator's logic use it too.
"""

from __future__ import annotations

import base64
import re
from random import Random
from typing import Any

import msgspec
import pytest

from dispatcher.simulator import CallbackCounts, Entry, SimulatorConfig
from dispatcher.simulator.callbacks import Callback
from dispatcher.simulator.carriers import Carriers
from dispatcher.simulator.exchange import Reply, Request
from dispatcher.simulator.faults import FaultPlan
from dispatcher.simulator.provider import Provider
from dispatcher.simulator.record import Record
from dispatcher.simulator.target import Target

START = 1_800_000_000.0
PATH = "/api/v2/users/5500001/messages"
SENDER = "+19195551212"
GROUP = [f"+1919555{n:04d}" for n in range(10)]
BODY = {
    "applicationId": "93de2206-9669-4e07-948d-329f4b722ee2",
    "from": SENDER,
    "to": GROUP,
    "text": "Doors open at 6 pm.",
    "tag": "nonce|0|1|open-house",
}


def basic(username: str, password: str) -> bytes:
    """An `Authorization` header's value."""
    return b"Basic " + base64.b64encode(f"{username}:{password}".encode())


class KeptRecord(Record):
    """A record in memory."""

    def __init__(self) -> None:
        super().__init__(None)
        self.entries: list[Entry] = []

    def add(self, entry: Entry) -> None:
        self.entries.append(entry)


class KeptMail:
    """Callbacks, and nobody who carries them."""

    def __init__(self) -> None:
        self.posted: list[tuple[float, Callback]] = []
        self.wanted = True
        self.counts = CallbackCounts()
        self.target: Target | None = None

    def post(self, callback: Callback, due: float) -> None:
        self.posted.append((due, callback))

    def direct(self, target: Target | None) -> None:
        self.target = target

    def events(self) -> list[dict[str, Any]]:
        """The objects in the bodies, in the order in which they are due."""
        ordered = sorted(self.posted, key=lambda posted: posted[0])
        return [msgspec.json.decode(callback.body())[0] for _, callback in ordered]


class Bench:
    """A provider, its record, and a clock that moves when told."""

    def __init__(self, config: SimulatorConfig | None = None) -> None:
        self.now = START
        self.record = KeptRecord()
        self.mail = KeptMail()
        config = config or SimulatorConfig()
        faults = FaultPlan(config.faults, Random(1))
        self.provider = Provider(
            config,
            faults=faults,
            record=self.record,
            carriers=Carriers(config, faults=faults, mail=self.mail, random=Random(3)),
            clock=lambda: self.now,
            random=Random(2),
        )

    def ask(
        self, method: str, target: str, body: bytes = b"", **headers: bytes
    ) -> Reply:
        """One request, with good credentials and content type unless told."""
        given = {b"authorization": basic("user", "password")}
        given[b"content-type"] = b"application/json"
        given |= {
            name.replace("_", "-").encode(): value for name, value in headers.items()
        }
        return self.provider.answer(
            Request(
                method=method, target=target, headers=given, body=body, peer="10.0.0.1"
            )
        )

    def send(self, **changes: object) -> Reply:
        """A good send call but for the changes; None leaves a field out."""
        return self.ask("POST", PATH, encoded(**changes))

    def search(self, **parameters: str) -> dict[str, Any]:
        """The body of a successful search."""
        query = "&".join(f"{name}={value}" for name, value in parameters.items())
        reply = self.ask("GET", f"{PATH}?{query}".replace("+", "%2B"))
        assert reply.status == 200, reply.body
        return content(reply)


def encoded(**changes: object) -> bytes:
    """A send call's body."""
    sender = {"from": changes.pop("sender")} if "sender" in changes else {}
    fields = BODY | changes | sender
    return msgspec.json.encode({k: v for k, v in fields.items() if v is not None})


def content(reply: Reply) -> dict[str, Any]:
    """A reply's body, read."""
    found = msgspec.json.decode(reply.body)
    assert isinstance(found, dict)
    return found


def complaints(reply: Reply) -> list[tuple[str, str]]:
    """The field errors of a 400."""
    assert reply.status == 400
    found = content(reply)
    assert found["type"] == "request-validation"
    assert found["description"] == "Your request could not be accepted"
    return [(e["fieldName"], e["description"]) for e in found["fieldErrors"]]


# -- what is taken ---------------------------------------------------------------


def test_the_202_is_the_documented_one() -> None:
    """Everything is echoed, with one id for the whole group."""
    body = content(Bench().send(media=["https://example.org/a.jpg"]))
    found = body.pop("id")
    assert re.fullmatch(r"1800000000000[a-z0-9]{16}", found)
    assert body == {
        "owner": SENDER,
        "applicationId": BODY["applicationId"],
        "time": "2027-01-15T08:00:00.000Z",
        "segmentCount": 1,
        "direction": "out",
        "to": GROUP,
        "from": SENDER,
        "text": "Doors open at 6 pm.",
        "media": ["https://example.org/a.jpg"],
        "tag": "nonce|0|1|open-house",
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"to": GROUP[0]},
        {"to": GROUP[:1]},
        {"text": "x" * 2048},
        {"text": None, "media": ["https://example.org/a.jpg"]},
        {"media": ["https://example.org/" + "a" * 4076] * 10},
        {"tag": "x" * 1024},
        {"tag": None},
        {"priority": "high"},
        {"expiration": "2027-01-15T08:00:01Z"},
        {"sender": "+442071838750"},
        {"unknown": [1, {"a": None}]},
    ],
)
def test_what_is_within_the_limits_is_taken(changes: dict[str, Any]) -> None:
    """Each limit is inclusive, and unknown fields are ignored."""
    bench = Bench()
    assert bench.send(**changes).status == 202
    assert bench.record.entries[0].taken


def test_a_lone_number_is_listed_in_the_answer() -> None:
    """`to` may be a string; the answer always lists."""
    assert content(Bench().send(to=GROUP[0]))["to"] == GROUP[:1]


def test_optional_fields_come_back_only_if_given() -> None:
    """A tag that was not sent is not invented."""
    body = content(Bench().send(tag=None, priority="high"))
    assert "tag" not in body
    assert "media" not in body
    assert body["priority"] == "high"


def test_no_two_ids_are_alike() -> None:
    """Also within one millisecond."""
    bench = Bench()
    assert len({content(bench.send())["id"] for _ in range(1000)}) == 1000


@pytest.mark.parametrize("prefix", ["/api/v2", "/v2", "", "/a/b/c"])
def test_any_base_path_leads_to_the_call(prefix: str) -> None:
    """The old and the new base URL both work."""
    reply = Bench().ask("POST", f"{prefix}/users/u-abc/messages", encoded())
    assert reply.status == 202
