"""The scripts as text, and the calls as values: the two sides must fit."""

from __future__ import annotations

import re
from importlib import resources
from operator import itemgetter
from typing import Any

import msgspec
import pytest

from dispatcher.codes import TAKEN, Action
from dispatcher.ledger import (
    calls,
    circumstances,
    deliveries,
    graves,
    identity,
    scripts,
    suppressions,
)
from dispatcher.ledger.calls import (
    Claimed,
    GateItem,
    Lapsed,
    Rates,
    Refusal,
    Settlement,
    Verdict,
)
from dispatcher.ledger.deliveries import Answer, Parcel, Rule, Taken
from dispatcher.ledger.identity import Identity
from dispatcher.ledger.rows import CampaignRow
from dispatcher.ledger.scripts import Call
from dispatcher.ledger.states import (
    OPEN_STATES,
    CampaignState,
    DeliveryState,
    Event,
    GroupState,
)
from dispatcher.ledger.suppressions import Entry, Source
from dispatcher.ledger.totals import sum_up
from dispatcher.ledger.vitals import vitals

FOLDER = resources.files("dispatcher.ledger") / "lua"
NAMES = sorted(
    path.name.removesuffix(".lua")
    for path in FOLDER.iterdir()
    if path.name.endswith(".lua")
)
PARTS = ["buckets", "closed", "deliveries", "first", "lanes"]
ROW = CampaignRow(
    *("c", CampaignState.DONE),
    load="ab12",
    gated_units=7,
    doubled=6,
    counts={GroupState.ACCEPTED: 9},
    delivery={DeliveryState.SENT: 8},
)
RATES = Rates(account=0.5, daily=900)
EIGHT = bytes(7) + b"\x08"


def packed(*rows: list[object]) -> bytes:
    """Rows as the scripts read them."""
    return msgspec.msgpack.encode(rows)


CALLS: list[tuple[Call[Any], list[object]]] = [
    (calls.claim("T", 64, RATES, idle=True), ["T", 64, 30_000, 0.5, "", 900, 1]),
    (
        calls.gate(
            *("T", RATES),
            [
                GateItem("c", 7, 2, 10, "L", "8 8"),
                GateItem("d", 0, 1, 1, "M", "8", dropped=1, spent=1),
            ],
        ),
        [
            *("T", 0.5, "", 900),
            packed(["c", 7, 2, 10, "L", "8 8", 0, -1], ["d", 0, 1, 1, "M", "8", 1, 1]),
        ],
    ),
    (
        calls.settle(
            "T", [Settlement("c", 7, 2, Verdict.FAILED, "L", "400", "no", 5, 1)]
        ),
        ["T", packed(["c", 7, 2, "failed", "L", "400", "no", 5, 1])],
    ),
    (calls.lapse(), [500, ""]),
    (calls.lapse("T"), [500, "T"]),
    (calls.renew("child", ["T", "U"], in_shift=False), ["child", 30_000, 0, "T", "U"]),
    (calls.enter("child"), ["child"]),
    (calls.leave("child"), ["child"]),
    (identity.compare("child", Identity("n", 7)), ["child", "n", 7]),
    (calls.wake(RATES), [0.5, 900, 10_000]),
    (calls.throttle(None), [""]),
    (calls.throttle(1.25), [1250]),
    (calls.unthrottle(), []),
    (calls.breaker("child", "down", 0), ["child", "down", 0]),
    (calls.control("c", "pause", "by hand"), ["c", "pause", "by hand", ""]),
    (calls.control("c", "pause", "401", refused=0), ["c", "pause", "401", 0]),
    (calls.begin("c", 3600), ["c", 3600]),
    (
        deliveries.deliver(
            RATES,
            [Rule(4476, Action.PAUSE, "why")],
            [Parcel("c", "ab12", 7, "m1", b"abc")],
        ),
        [0.5, "", 1, 4476, "pause", "why", "c", "ab12", 7, "m1", b"abc"],
    ),
    (deliveries.sweep(1500.0), [1500, 4]),
    (deliveries.take_bodies("A", 2, 9, [b"x"]), ["A", 15_000, 2, 9, b"x"]),
    (calls.forget("c"), ["c"]),
    (
        graves.bury(ROW, "/srv/archive"),
        [
            *("c", "ab12", "/srv/archive", "accepted", 9, "delivery_sent", 8),
            *("gated_units", 7, "doubled", 6),
        ],
    ),
    (
        suppressions.add([Entry(7, Source.STOP, 5.0), Entry(8, Source.HAND)]),
        ["all", EIGHT[:7] + b"\7", "stop", 5, EIGHT, "hand", ""],
    ),
    (suppressions.remove([8], "+1"), ["+1", EIGHT]),
    (suppressions.opt_in([8]), ["", "", EIGHT]),
    (suppressions.opt_in([8], sender="+1", at=5.0), [5, "+1", EIGHT]),
    (circumstances.look("c", RATES), ["c", 0.5, "", 900, 16]),
    (vitals(), [10_000]),
    (sum_up(400), [400, 200]),
    (
        calls.commit("c", "ab12", "hash", 2, {"groups": 200, "pace": 0.5}),
        ["c", "ab12", "hash", 2, "groups", 200, "pace", 0.5],
    ),
]


def text(name: str) -> str:
    return (FOLDER / f"{name}.lua").read_text("utf-8")


@pytest.mark.parametrize(("call", "arguments"), CALLS)
def test_call(call: Call[Any], arguments: list[object]) -> None:
    """Each call passes its arguments in the order in which its script reads them."""
    assert call.arguments == arguments


def test_every_script_has_a_call() -> None:
    """No script without a call, no call without a script; doubts have their own."""
    assert {call.script for call, _ in CALLS} == set(NAMES) - {"doubt"}


@pytest.mark.parametrize("name", NAMES)
def test_header(name: str) -> None:
    """Each script says at its top what it does, takes and returns."""
    head = re.match(r"(--[^\n]*\n)+", text(name))
    assert head
    assert head[0].startswith(f"-- {name}.lua: ")
    assert "-- ARGV: now" in head[0]
    assert "-- returns" in head[0]


@pytest.mark.parametrize("name", NAMES)
def test_source(name: str) -> None:
    """The whole text: flags in the first line, then tables, parts, script."""
    source = scripts.source(name)
    tables = source.index("local STATE = {")
    assert source.startswith("#!lua flags=")
    assert tables < source.index("local function open(id)") < source.index(text(name))


@pytest.mark.parametrize("name", NAMES)
def test_needs(name: str) -> None:
    """A script names the parts that it uses and no other."""
    code = re.sub("--.*", "", text(name))
    used = [part for part in PARTS if set(re.findall(r"\w+", code)) & makes(part)]
    assert sorted(scripts.needs(text(name))) == used


def makes(part: str) -> set[str]:
    """The names that a part brings."""
    found = re.findall(
        r"^local (?:function )?(\w+)", text(f"parts/{part}"), re.MULTILINE
    )
    return set(found)


@pytest.mark.parametrize("name", NAMES)
def test_names_are_taken_once(name: str) -> None:
    """A second function of a name would silently take the first one's place."""
    names = re.findall(r"^local function (\w+)", scripts.source(name), re.MULTILINE)
    assert sorted(set(names)) == sorted(names)


def test_what_may_run_without_memory() -> None:
    """What ends, limits or frees something may exceed memory, what begins it not."""
    roomy = {
        name for name in NAMES if "allow-oom" in scripts.source(name).split("\n")[0]
    }
    assert roomy == {
        *("settle", "lapse", "renew", "leave", "control", "identify"),
        *("deliver", "sweep", "inbox"),
        *("throttle", "unthrottle", "breaker", "bury"),
    }


@pytest.mark.parametrize(("name", "item"), [("gate", GateItem), ("settle", Settlement)])
def test_rows(name: str, item: type[msgspec.Struct]) -> None:
    """Gate and settle read an item's fields in the order they are packed in."""
    read = re.findall(r"(\w+) = (?:open\()?row\[(\d)\]", text(name))
    assert {int(place) for _, place in read} == set(range(1, len(read) + 1))
    names = {"campaign": "id", "delay": "delay_ms"}
    in_order = [names.get(field, field) for field, _ in sorted(read, key=itemgetter(1))]
    assert in_order == list(item.__struct_fields__)


def test_refusals() -> None:
    """The gate's refusals have the same numbers on both sides."""
    match = re.search(r"local (LOST[A-Z, ]+) = ([-0-9, ]+)\n", text("gate"))
    assert match
    named = dict(zip(match[1].split(", "), map(int, match[2].split(", ")), strict=True))
    assert named == {refusal.name: refusal.value for refusal in Refusal}


@pytest.mark.parametrize("mask", [1, 0b1000000001, 0xFFFF])
def test_left_out(mask: int) -> None:
    """A mask travels in the gate's answer; no other answer is taken for one."""
    match = re.search(r"local LEAVE_OUT = (-\d+)\n", text("gate"))
    assert match
    assert calls.left_out(int(match[1]) - mask) == mask
    for other in (0, 1, 86_400_000, *Refusal):
        assert calls.left_out(other) == 0


def test_verdicts() -> None:
    """Every verdict has its function in settle.lua, and there is no other."""
    functions = re.findall(r"function verdicts\.(\w+)", text("settle"))
    assert sorted(functions) == sorted(Verdict)


def test_events() -> None:
    """The scripts move groups by events that exist, and every event is used."""
    code = "\n".join(map(text, NAMES))
    moves = re.findall(r"(?:move|change)\([^'\n]*'(\w+)'", code)
    returns = re.findall(r"'(return_\w+)'", code)
    waits = re.findall(r"waits_again\(item, '(\w+)'\)", code)
    assert {*moves, *returns, *waits} - {""} == set(Event)


def test_open_states() -> None:
    """What keeps a campaign from being done is the same on both sides."""
    body = (
        text("parts/base").partition("local function is_open")[2].partition("\nend")[0]
    )
    assert set(re.findall(r"campaign\.(\w+)", body)) == {s.word for s in OPEN_STATES}


@pytest.mark.parametrize("name", [*NAMES, "parts/base", "parts/deliveries"])
def test_states(name: str) -> None:
    """A script names only states that exist: a typo would be nil, and never equal."""
    words = {state.word for state in GroupState}
    assert set(re.findall(r"STATE\.(\w+)", text(name))) <= words
    ranks = {state.word for state in DeliveryState}
    assert set(re.findall(r"RANK\.(\w+)", text(name))) <= ranks


def test_replies() -> None:
    """The raw replies read as values."""
    claim = calls.claim("T", 1, RATES, idle=True).read
    rows = packed(["c", "ab12", 7, 1, 2, 0, 5], ["d", "cd34", 0, 0, 0, 3, 0])
    reply = claim([0, 0, rows])
    assert reply.groups == [
        Claimed("c", "ab12", 7, serial=1, attempts=2, crashes=0, dropped=5),
        Claimed("d", "cd34", 0, serial=0, attempts=0, crashes=3),
    ]
    assert (reply.wait_ms, reply.alone) == (0, False)
    assert claim([-1, 1, packed()]).wait_ms is None
    assert claim([250, 1, packed()]).alone
    assert calls.lapse().read([1, 2, 3, 1]) == Lapsed(1, 2, 3, more=True)
    assert calls.wake(RATES).read([2, -1]) == (2, None)
    assert calls.wake(RATES).read([0, 40]) == (0, 40)
    assert calls.control("c", "pause").read([]) is None
    assert calls.control("c", "pause").read([b"paused", b"by hand"]) == (
        "paused",
        "by hand",
    )
    assert calls.begin("c", 1).read(b"abc") == "abc"


def test_delivery_replies() -> None:
    """An answer for each parcel, then what was done; nothing when another applies."""
    parcels = [Parcel("c", "ab12", 7, "m1", b"abc")] * 2
    read = deliveries.deliver(RATES, [], parcels).read
    assert read([1, -2]) == ([Answer.NEWS, Answer.OTHER], [])
    _, taken = read([1, 1, b"c", 4476, b"pause"])
    assert taken == [Taken("c", 4476, Action.PAUSE)]
    assert deliveries.sweep(1).read([3, 1]) == (3, True)
    take = deliveries.take_bodies("A", 0, 9).read
    assert (take([]), take([1]), take([1, b"x"])) == (None, [], [b"x"])


def test_answers() -> None:
    """The negative answers have the same numbers on both sides."""
    match = re.search(r"local (UNPROVEN[A-Z, ]+) = ([-0-9, ]+)\n", text("deliver"))
    assert match
    named = dict(zip(match[1].split(", "), map(int, match[2].split(", ")), strict=True))
    assert named == {answer.name: answer.value for answer in Answer if answer < 0}


def test_actions() -> None:
    """Every action that can be taken has its function in deliver.lua."""
    functions = re.findall(r"function act\.(\w+)", text("deliver"))
    assert sorted(functions) == sorted(TAKEN)
