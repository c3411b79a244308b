"""The search: whatever a provider answers, nothing is proven that is not there."""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from workers.proof import Case, Decision, Hold, Proof, Resend, Rules, decide
from workers.search import Found, Page, read_page, read_pages

SENDER = "+19195551200"
GATE = 1_800_000_000.0
MEMBERS = frozenset({19195551201, 19195551202, 19195551203})
STRANGER = 19195559999
CASE = Case(MEMBERS, GATE, GATE + 1)
#: Offsets from the gate of times in and around the window, as the provider writes them.
TIMES = {
    "2027-01-15T07:59:54.900Z": -5.1,
    "2027-01-15T07:59:55Z": -5.0,
    "2027-01-15T08:00:00.250Z": 0.25,
    "2027-01-15T08:00:20.000000Z": 20.0,
    "2027-01-15T08:00:20.100Z": 20.1,
}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)
NUMBER = st.sampled_from(sorted(MEMBERS) * 3 + [STRANGER]).map("+{}".format)
NUMBERS = st.lists(NUMBER, min_size=1, max_size=4)
ID = st.sampled_from(["m1", "m2"])
COUNT = st.sampled_from([3, 3, 3, 4, 1])

#: What could come from the provider, one way or another.
SANE_ROW = st.fixed_dictionaries(
    {"messageId": ID, "destinationTn": NUMBER | NUMBERS},
    optional={"receiveTime": st.sampled_from(list(TIMES)), "recipientCount": COUNT},
)
#: The same fields with anything in them, or no row at all.
ODD_ROW = JSON | st.fixed_dictionaries(
    {},
    optional={
        "messageId": ID | JSON,
        "sourceTn": st.just(SENDER) | JSON,
        "destinationTn": NUMBERS.map(",".join) | JSON,
        "to": NUMBERS | JSON,
        "messageDirection": st.sampled_from(["OUTBOUND", "INBOUND"]) | JSON,
        "receiveTime": st.sampled_from(list(TIMES)) | JSON,
        "recipientCount": COUNT | JSON,
    },
)
BODY = st.fixed_dictionaries(
    {"messages": st.lists(ODD_ROW, max_size=4) | JSON},
    optional={
        "pageInfo": JSON | st.fixed_dictionaries({"nextPageToken": JSON}),
        "totalCount": JSON,
    },
)
RULES = st.builds(
    Rules,
    grace=st.sampled_from([0.0, 30.0, 300.0]),
    policy=st.sampled_from(["hold", "resend"]),
    deadline=st.just(15.0),
)
NOW = st.floats(0, 4000).map(lambda seconds: GATE + seconds)
SKEW = st.none() | st.floats(-100, 100)


def judged(
    rows: list[Any], rules: Rules, now: float, skew: float | None = 0.0
) -> Decision:
    return decide(CASE, read_pages([Page(rows)], SENDER), now, rules, skew)


@given(JSON | BODY, RULES, NOW, SKEW)
def test_any_json_is_read(
    content: object, rules: Rules, now: float, skew: float | None
) -> None:
    """A page or none, and a decision from it; never an error."""
    page = read_page(msgspec.json.encode(content))
    if page is not None:
        found = read_pages([page], SENDER)
        decide(CASE, found, now, rules, skew)
        assert len(found.candidates) + found.unreadable <= len(page.rows)


@given(st.binary(max_size=100))
def test_any_bytes_are_read(content: bytes) -> None:
    """What is no JSON is no page."""
    page = read_page(content)
    assert page is None or isinstance(read_pages([page], SENDER), Found)


def fits(rows: list[dict[str, Any]]) -> bool:
    """Whether these rows of one message say all that a proof needs."""
    lists = [row["destinationTn"] for row in rows]
    said = {
        n for names in lists for n in ([names] if isinstance(names, str) else names)
    }
    times = [TIMES[row["receiveTime"]] for row in rows if "receiveTime" in row]
    counts = {row["recipientCount"] for row in rows if "recipientCount" in row}
    return (
        said == {f"+{member}" for member in MEMBERS}
        and counts == {len(MEMBERS)}
        and bool(times)
        and -5 <= min(times) <= 20
    )


@given(st.lists(SANE_ROW, max_size=8), st.lists(JSON, max_size=2), RULES, NOW)
def test_proof_is_of_exactly_these_people(
    rows: list[dict[str, Any]], junk: list[Any], rules: Rules, now: float
) -> None:
    """One message names every member and nobody else, in the window; no other does."""
    junk = [row for row in junk if not isinstance(row, dict)]
    decision = judged([*junk, *rows], rules, now)
    if isinstance(decision, Proof):
        named = {row["messageId"] for row in rows}
        fitting = [
            id_ for id_ in named if fits([r for r in rows if r["messageId"] == id_])
        ]
        assert fitting == [decision.message_id]


@given(st.lists(SANE_ROW | ODD_ROW, max_size=4), RULES, NOW, SKEW)
def test_what_policy_may_do(
    rows: list[Any], rules: Rules, now: float, skew: float | None
) -> None:
    """Held or resent only after the grace; resent only when it was asked for."""
    decision = judged(rows, rules, now, skew)
    if isinstance(decision, Hold | Resend):
        assert now >= CASE.grace_end(rules)
    if isinstance(decision, Resend):
        assert rules.policy == "resend"
        assert now >= GATE + 25


PEOPLE = st.sets(st.sampled_from([*sorted(MEMBERS), STRANGER]), min_size=1)
MESSAGES = st.lists(st.tuples(PEOPLE, st.sampled_from(list(TIMES))), max_size=5)
LAYOUT = st.sampled_from(["row for each recipient", "row for the message"])


def rows_of(
    id_: str, people: set[int], received: str, layout: str
) -> list[dict[str, Any]]:
    """A message's rows; the search was for our members only."""
    numbers = [f"+{number}" for number in sorted(people & MEMBERS)]
    count = 1 if layout == "rows that count themselves" else len(people)
    common = {"messageId": id_, "receiveTime": received, "recipientCount": count}
    if layout == "row for the message":
        return [common | {"destinationTn": numbers}] if numbers else []
    return [common | {"destinationTn": number} for number in numbers]


@given(MESSAGES, LAYOUT, st.integers())
def test_against_what_was_received(
    messages: list[tuple[set[int], str]], layout: str, seed: int
) -> None:
    """Either layout, any order: proof if and only if exactly one message fits."""
    rows = [
        row
        for number, (people, received) in enumerate(messages)
        for row in rows_of(f"m{number}", people, received, layout)
    ]
    Random(seed).shuffle(rows)
    inside = {
        f"m{number}": people
        for number, (people, received) in enumerate(messages)
        if -5 <= TIMES[received] <= 20
    }
    ours = [id_ for id_, people in inside.items() if people == MEMBERS]
    # Some of its rows may not be indexed yet, and a count alone clears only a larger
    # group of which not all of ours are members.
    near = any(
        people & MEMBERS and (people >= MEMBERS or len(people) <= len(MEMBERS))
        for people in inside.values()
    )
    rules = Rules(grace=300.0, policy="resend", deadline=15.0)
    decision = judged(rows, rules, GATE + 301)
    if len(ours) == 1:
        assert decision == Proof(ours[0])
    else:
        assert decision == (Hold() if near else Resend())


@given(MESSAGES, st.integers())
def test_rows_that_count_themselves(
    messages: list[tuple[set[int], str]], seed: int
) -> None:
    """They may hide a stranger in the group: no proof, and nothing is sent again."""
    rows = [
        row
        for number, (people, received) in enumerate(messages)
        for row in rows_of(f"m{number}", people, received, "rows that count themselves")
    ]
    Random(seed).shuffle(rows)
    near = any(
        people & MEMBERS and -5 <= TIMES[received] <= 20
        for people, received in messages
    )
    rules = Rules(grace=300.0, policy="resend", deadline=15.0)
    assert judged(rows, rules, GATE + 301) == (Hold() if near else Resend())
