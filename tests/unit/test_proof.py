"""The decision about one unknown write, as tables; times are seconds after the gate."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from dispatcher.settings import Settings
from workers.proof import (
    CLOSE_S,
    LOOKS_S,
    UNKNOWN_SKEW_S,
    Case,
    Decision,
    Hold,
    Proof,
    Resend,
    Rules,
    Wait,
    decide,
)
from workers.search import (
    Candidate,
    Found,
    Searched,
    Status,
    Throttled,
    Unavailable,
)

GATE = 1_800_000_000.0
MEMBERS = frozenset(range(19195550000, 19195550010))
FEW = frozenset(sorted(MEMBERS)[:4])
#: Unknown a second after the gate: a connection that was cut.
CASE = Case(MEMBERS, GATE, GATE + 1)
HOLD = Rules(grace=300.0, policy="hold", deadline=15.0)
RESEND = replace(HOLD, policy="resend")
GRACE_END = 301.0

NOTHING = Found()
AWAY = Unavailable("500")


def candidate(at: float | None = 0.2, id_: str = "m1", **changes: object) -> Candidate:
    """The group's own message, received so long after the gate."""
    received_at = None if at is None else GATE + at
    statuses = dict.fromkeys(MEMBERS, Status("RECEIVED", 0))
    made = Candidate(id_, MEMBERS, len(MEMBERS), received_at, statuses)
    return replace(made, **changes)  # type: ignore[arg-type]


def found(*candidates: Candidate) -> Found:
    return Found(candidates)


def decided(
    searched: Searched,
    now: float = 3.0,
    rules: Rules = HOLD,
    skew: float | None = 0.0,
    case: Case = CASE,
) -> Decision | float:
    """The decision so long after the gate; of a `Wait` so long after it."""
    decision = decide(case, searched, GATE + now, rules, skew)
    if isinstance(decision, Wait) and decision.until is not None:
        return decision.until - GATE
    return decision


LOST, FAILED = (dict.fromkeys(MEMBERS, Status(w, 0)) for w in ("LOST", "FAILED"))
PROOF = Proof("m1")
OWN = candidate()

#: What is found, and what it is: "proof", "nothing", or "unclear".
FINDINGS: list[tuple[str, Found, str]] = [
    ("its own message", found(OWN), "proof"),
    ("its count is not said", found(candidate(recipients=None)), "proof"),
    ("its status is none we know", found(candidate(statuses=LOST)), "proof"),
    ("it failed, and was taken", found(candidate(statuses=FAILED)), "proof"),
    ("at the beginning of the window", found(candidate(-5.0)), "proof"),
    ("at its end", found(candidate(20.0)), "proof"),
    ("beside a smaller group's", found(OWN, candidate(id_="m2", members=FEW)), "proof"),
    ("beside a row of nobody", Found((OWN,), unreadable=1), "proof"),
    ("nothing", NOTHING, "nothing"),
    ("before the window", found(candidate(-5.1)), "nothing"),
    ("after the window", found(candidate(20.1)), "nothing"),
    ("to others, too", found(candidate(members=MEMBERS | {1, 2})), "nothing"),
    ("to others only", found(candidate(members=frozenset({1, 2}))), "nothing"),
    (
        "to a larger group, only our members shown",
        found(candidate(members=FEW, recipients=11)),
        "nothing",
    ),
    ("two of them", found(OWN, candidate(id_="m2")), "unclear"),
    ("a second one of unknown time", found(OWN, candidate(None, "m2")), "unclear"),
    ("not said when", found(candidate(None)), "unclear"),
    ("some of its rows", found(candidate(members=FEW)), "unclear"),
    ("its rows, by count another's", found(candidate(recipients=1)), "unclear"),
    ("its rows, by count a larger", found(candidate(recipients=11)), "unclear"),
    ("to a part of them", found(candidate(members=FEW, recipients=4)), "unclear"),
    ("an unreadable row among its own", found(candidate(readable=False)), "unclear"),
    ("a message without rows", found(candidate(members=frozenset())), "unclear"),
    ("more pages than were read", Found((OWN,), complete=False), "unclear"),
    ("only rows of nobody", Found(unreadable=1), "unclear"),
    ("no page to the end", Found(complete=False), "unclear"),
]
IDS = [what for what, _, _ in FINDINGS]


@pytest.mark.parametrize(("what", "searched", "finding"), FINDINGS, ids=IDS)
@pytest.mark.parametrize("rules", [HOLD, RESEND], ids=["hold", "resend"])
@pytest.mark.parametrize("now", [3.0, GRACE_END, 5000.0])
def test_findings(
    what: str, searched: Found, finding: str, rules: Rules, now: float
) -> None:
    """Proof at any time; else the grace time first; resent only if nothing is there."""
    decision = decided(searched, now, rules)
    if finding == "proof":
        assert decision == PROOF, what
    elif now < GRACE_END:
        assert decision == 6.0, what
    elif finding == "nothing" and rules.policy == "resend":
        assert decision == Resend(), what
    else:
        assert decision == Hold(), what


@pytest.mark.parametrize("rules", [HOLD, RESEND], ids=["hold", "resend"])
@pytest.mark.parametrize(
    ("searched", "now", "expected"),
    [
        (AWAY, 3.0, 6.0),
        (AWAY, GRACE_END - 0.1, GRACE_END),
        (AWAY, GRACE_END, Hold()),
        (AWAY, 5000.0, Hold()),
        (Throttled(100.0), 3.0, 103.0),
        (Throttled(100.0), GRACE_END, GRACE_END + 100),
    ],
)
def test_without_a_search(
    rules: Rules, searched: Searched, now: float, expected: Decision | float
) -> None:
    """Nothing is ever sent again without one; a search put off is waited for."""
    assert decided(searched, now, rules) == expected


def test_resend_waits_for_the_window_to_close() -> None:
    """However short the grace: the windows of both writes must not overlap."""
    hasty = replace(RESEND, grace=1.0)
    assert decided(NOTHING, 3.0, hasty) == 6.0
    assert decided(NOTHING, 24.9, hasty) == 25.0
    assert decided(NOTHING, 25.0, hasty) == Resend()
    assert decided(NOTHING, 3.0, replace(HOLD, grace=1.0)) == Hold()
    again = Case(MEMBERS, GATE + 25, GATE + 26)
    assert CASE.window(hasty, 0.0)[1] <= again.window(hasty, 0.0)[0]


# -- the provider's clock ------------------------------------------------------


@pytest.mark.parametrize(
    ("skew", "at", "expected"),
    [
        (0.0, -5.1, 6.0),
        (30.0, 30.2, PROOF),
        (30.0, 25.0, PROOF),
        (30.0, 24.9, 6.0),
        (30.0, 50.1, 6.0),
        (-30.0, -29.8, PROOF),
        (-30.0, 0.2, 6.0),
    ],
)
def test_skew(skew: float, at: float, expected: Decision | float) -> None:
    """The window stands where the provider's clock has it."""
    assert decided(found(candidate(at)), skew=skew) == expected


@pytest.mark.parametrize(
    ("candidates", "expected"),
    [
        ((), Resend()),
        ((candidate(0.2),), PROOF),
        ((candidate(-6.0),), Hold()),
        ((candidate(21.0),), Hold()),
        ((candidate(0.2), candidate(-6.0, "m2")), Hold()),
        ((candidate(-5.1 - UNKNOWN_SKEW_S),), Resend()),
        ((candidate(20.1 + UNKNOWN_SKEW_S),), Resend()),
    ],
)
def test_unknown_skew(candidates: tuple[Candidate, ...], expected: Decision) -> None:
    """What lies near the window may be its own: no proof, and no reason to resend."""
    assert decided(found(*candidates), GRACE_END, RESEND, None) == expected


def test_what_is_asked() -> None:
    """All of the window, and more while the skew is not known."""
    query = CASE.query("+19195551200", HOLD, 2.0)
    assert (query.start - GATE, query.end - GATE) == (-3.0, 22.0)
    assert query.members == MEMBERS
    wide = CASE.query("+19195551200", HOLD, None)
    assert (query.start - wide.start, wide.end - query.end) == (62.0, 58.0)


@pytest.mark.parametrize("size", [1, 2, 9, 10])
def test_a_count_that_is_not_said(size: int) -> None:
    """Others might be in the message, whose rows were not asked for; not in a full one.

    The provider takes ten at most. One row without a count says no more.
    """
    few = frozenset(sorted(MEMBERS)[:size])
    case = replace(CASE, members=few)
    searched = found(candidate(members=few, recipients=None))
    assert (decided(searched, case=case) == PROOF) == (size == 10)
    assert decided(searched, GRACE_END, RESEND, case=case) == (
        PROOF if size == 10 else Hold()
    )
    counted = found(candidate(members=few, recipients=size))
    assert decided(counted, case=case) == PROOF


# -- when to look --------------------------------------------------------------


def looks(rules: Rules, case: Case = CASE) -> list[float]:
    """Every look, seconds after the group became unknown."""
    at: float | None = case.unknown_at
    made = []
    while at is not None and (at := case.next_look(at, rules)) is not None:
        made.append(round(at - case.unknown_at, 3))
    return made


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (HOLD, [5, 15, 45, 135, 300, 405, 1215, 1799]),
        (RESEND, [5, 15, 45, 135, 300, 405, 1215, 1799]),
        (replace(HOLD, grace=0.0), [5, 15, 45, 135, 405, 1215, 1799]),
        (replace(HOLD, grace=1.0), [1, 5, 15, 45, 135, 405, 1215, 1799]),
        (replace(RESEND, grace=1.0), [5, 15, 24, 45, 135, 405, 1215, 1799]),
        (replace(HOLD, grace=3600.0), [5, 15, 45, 135, 405, 1215, 3600]),
    ],
)
def test_looks(rules: Rules, expected: list[float]) -> None:
    """Few at first, one for the decision, the last when the lock ends."""
    assert looks(rules) == expected


def test_a_late_look_skips_what_it_missed() -> None:
    """A backlog is not made longer by looks that came too late."""
    assert CASE.next_look(GATE + 100, HOLD) == CASE.unknown_at + 135
    assert CASE.next_look(GATE + CLOSE_S, HOLD) is None


def test_looks_become_rarer() -> None:
    """Each waits longer than the one before it."""
    waits = [later - sooner for sooner, later in pairwise((0.0, *LOOKS_S))]
    assert waits == sorted(waits)


# -- settings and privacy ------------------------------------------------------


def test_rules_from_settings() -> None:
    """As the environment has them."""
    settings = Settings.load(unknown_grace=7, unknown_policy="resend", http_deadline=3)
    assert Rules.from_settings(settings) == Rules(7.0, "resend", 3.0)


def test_no_repr_shows_a_number() -> None:
    """Neither of a case nor of what was decided."""
    shown = [CASE, CASE.query("+19195551200", HOLD, None), OWN, decided(found(OWN))]
    assert "919555" not in repr(shown)
