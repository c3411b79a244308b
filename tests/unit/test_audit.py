"""Books beside messages, as a pure comparison: what is asked for, what is told."""

from __future__ import annotations

from itertools import pairwise

from dispatcher.audit import LONGEST_S, PIECE_GROUPS, SLACK_S, Audit, Comparison
from dispatcher.ledger.codec import Record
from dispatcher.ledger.rows import CampaignRow, GroupRow
from dispatcher.ledger.states import CampaignState, GroupState
from workers.search import Candidate

SENDER = "+19195551200"
START = 1_800_000_000.0
NOW = START + 10_000.0
DAY = 86_400.0


def members(group: int) -> tuple[int, ...]:
    return tuple(range(19_195_560_000 + 10 * group, 19_195_560_010 + 10 * group))


def group(
    number: int,
    id_: str = "",
    state: GroupState = GroupState.ACCEPTED,
    *,
    at: float = 0.0,
    dropped: int = 0,
) -> GroupRow:
    """A group that passed the gate so long after the start; at -1 it never did."""
    gated_at = 0 if at < 0 else (START + at) * 1000
    record = Record(state, 1, 0, 0, dropped, at >= 0, gated_at, id_)
    return GroupRow(number, members(number), record)


def audit(*groups: GroupRow, lag: float = 300.0, **extra: str) -> Audit:
    row = CampaignRow(
        "c", CampaignState.RUNNING, sender=SENDER, started_at=START * 1000
    )
    names = {name.replace("_", ":").strip("g"): id_ for name, id_ in extra.items()}
    made = Audit(row, names, NOW, lag)
    for given in groups:
        made.expect(given)
    return made


def message(id_: str, number: int, first: int = 0) -> Candidate:
    return Candidate(id_, frozenset(members(number)[first:]))


def seen(made: Audit, *messages: Candidate) -> Comparison:
    for one in messages:
        made.see(one)
    return made.result()


# -- what is asked for ---------------------------------------------------------


def test_the_time_of_a_finished_campaign() -> None:
    """From its first gate to its last one and the deadline, and a little more."""
    made = audit(group(0, "m0", at=5.0), group(1, "m1", at=20.0))
    assert made.times(15.0) == [(START - SLACK_S, START + 20 + 15 + SLACK_S)]


def test_the_time_of_one_that_goes_on() -> None:
    """Until now: a ledger that was set back has forgotten its last gates."""
    for state in (GroupState.PENDING, GroupState.RETRY, GroupState.UNKNOWN):
        made = audit(group(0, "m0"), group(1, state=state, at=-1))
        assert made.times(15.0) == [(START - SLACK_S, NOW + SLACK_S)]


def test_a_large_campaign_is_asked_for_in_pieces() -> None:
    """Each of so many groups, without a gap."""
    count = 3 * PIECE_GROUPS
    made = audit(*(group(i, f"m{i}", at=float(i)) for i in range(count)))
    times = made.times(15.0)
    assert len(times) == 3
    assert all(a[1] == b[0] for a, b in pairwise(times))
    assert (times[0][0], times[-1][1]) == (START - 60, START + count - 1 + 15 + 60)


def test_a_long_campaign() -> None:
    """No piece is longer than the provider allows."""
    made = audit(group(0, "m0"), group(1, "m1", at=30 * DAY))
    made._now = START + 31 * DAY
    times = made.times(15.0)
    assert len(times) == 3
    assert max(end - start for start, end in times) <= LONGEST_S < 14 * DAY


# -- what is told --------------------------------------------------------------


def test_agreement() -> None:
    """Main and further ids are all there; a message seen twice counts once."""
    made = audit(group(0, "m0"), group(1, "m2"), g1_1="m1")
    all_seen = [message("m0", 0), message("m0", 0), message("m1", 1), message("m2", 1)]
    assert seen(made, *all_seen) == Comparison(3, 0, 0, 0, [])


def test_members_that_were_left_out() -> None:
    """The message of a group from which somebody opted out is its own all the same."""
    made = audit(group(0, "m0", dropped=0b1), group(1, "m1", dropped=0b1))
    assert seen(made, message("m0", 0, 1), message("m1", 1)).differences == []


def test_an_unreadable_message() -> None:
    """It is there; whom it went to cannot be said."""
    odd = Candidate("m0", frozenset(), readable=False)
    assert seen(audit(group(0, "m0")), odd).differences == []


def test_an_unreadable_message_and_a_group_with_nobody_left() -> None:
    """Nothing ties them together: it is somebody else's."""
    nobody = group(0, "opted out", GroupState.CANCELLED, at=-1, dropped=0xFFFF)
    odd = Candidate("m0", frozenset(), readable=False)
    assert seen(audit(nobody), odd) == Comparison(0, 0, 0, 1, [])


def test_one_id_for_two_groups() -> None:
    """It cannot be both's."""
    made = audit(group(0, "m0"), group(1, "m0"))
    assert "groups 0 and 1 are both m0" in seen(made, message("m0", 0)).differences


def test_too_new_to_be_found() -> None:
    """Within the lag of the search an absence says nothing."""
    old, new = group(0, "m0", at=10_000 - 301), group(1, "m1", at=10_000 - 299)
    found = seen(audit(old, new))
    assert found.differences == ["group 0: the provider does not have m0"]
    assert found.not_found_yet == 1


def test_recorded_in_the_meantime() -> None:
    """What was on its way when the books were read is looked at once more."""
    made = audit(group(0, state=GroupState.SENDING), group(1, state=GroupState.HELD))
    made.see(message("m0", 0))
    made.see(message("m1", 1))
    assert made.unbooked == {"m0": 0, "m1": 1}
    made.again(group(0, "m0"), ())
    made.again(group(1, state=GroupState.HELD), ())
    assert made.result() == Comparison(
        2, 0, 0, 0, ["group 1 (held): the provider has m1, which is not in the books"]
    )


def test_another_campaign_s() -> None:
    """It is in other books."""
    made = audit(group(0, "m0"))
    made.see(message("m0", 0))
    made.see(message("m9", 0))
    made.explain("m9")
    assert made.result() == Comparison(1, 0, 0, 1, [])


def test_what_cannot_be_read() -> None:
    """The time is named: nobody may take it for agreement."""
    made = audit()
    made.miss(START, START + 1)
    (told,) = made.result().differences
    assert told == (
        "not all that was received from 2027-01-15 08:00:00 UTC to "
        "2027-01-15 08:00:01 UTC is shown"
    )
