"""Results: rows exactly as the contract has them, progress and its arithmetic."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import cast

import pytest

from dispatcher import results
from dispatcher.codes import Action
from dispatcher.errors import InvalidInput
from dispatcher.ledger.codec import Record
from dispatcher.ledger.delivery import Delivery, Slots
from dispatcher.ledger.ledger import Ledger
from dispatcher.ledger.rows import CampaignRow, GroupRow, MemberChunk
from dispatcher.ledger.states import CampaignState, DeliveryState, GroupState
from dispatcher.results import by_group, by_recipient, check_state, progress

ANN, BOB = 19195551212, 19195551213
GATED_AT = 1_800_000_000_250.0
SENT_AT = "2027-01-15T08:00:00.250000+00:00"


class Shelf:
    """As much of a ledger as results read."""

    def __init__(self, *records: Record, deliveries: bytes | None = None) -> None:
        self.asked: list[list[int]] = []
        self._chunk = MemberChunk(
            0,
            [(ANN, BOB)] * len(records),
            dict(enumerate(records)),
            {0: deliveries} if deliveries else {},
        )

    def groups(self, row: CampaignRow) -> Iterator[GroupRow]:
        return self._chunk.rows(row)

    def sentences(self, row: CampaignRow, groups: Sequence[int]) -> list[str]:
        self.asked.append(list(groups))
        return [f"sentence of {row.id} {group}" for group in groups]


def shelf(*records: Record, deliveries: bytes | None = None) -> Ledger:
    return cast("Ledger", Shelf(*records, deliveries=deliveries))


def record(
    state: GroupState, tail: str = "", dropped: int = 0, serial: int = 1
) -> Record:
    gated_at = GATED_AT if serial else 0.0
    return Record(state, 2, 0, 0, dropped, serial, gated_at, tail)


def row(state: CampaignState = CampaignState.RUNNING, **values: object) -> CampaignRow:
    counts = dict.fromkeys(GroupState, 0) | cast(
        "dict[GroupState, int]", values.pop("counts", {})
    )
    return CampaignRow("c", state, counts=counts, **values)  # type: ignore[arg-type]


S, D = GroupState, DeliveryState
ERRORS = [
    (record(S.PENDING, serial=0), None),
    (record(S.CLAIMED, "token"), None),
    (record(S.SENDING, "token"), None),
    (record(S.RETRY, "429 too-many-requests"), "429 too-many-requests"),
    (record(S.RETRY), None),
    (record(S.ACCEPTED, "m1"), None),
    (record(S.FAILED, "400 bad"), "400 bad"),
    (record(S.UNKNOWN, "worker lost"), "worker lost"),
    (record(S.HELD, "timeout"), "timeout"),
    (record(S.CANCELLED, "poison"), "poison"),
]


@pytest.mark.parametrize(("stored", "code"), ERRORS)
def test_error(stored: Record, code: str | None) -> None:
    """A record's tail is an error only where it is one: never a token or an id."""
    (result,) = by_group(shelf(stored), row())
    assert (result.error.code if result.error else None) == code
    assert result.message_id == ("m1" if stored.state == S.ACCEPTED else None)


def test_accepted_row() -> None:
    """The row of an accepted group, as JSON lines show it."""
    (result,) = by_group(shelf(record(S.ACCEPTED, "m1")), row())
    assert json.loads(json.dumps(result.as_row())) == {
        "campaign": "c",
        "group": 0,
        "to": ["+19195551212", "+19195551213"],
        "state": "accepted",
        "message_id": "m1",
        "attempts": 2,
        "error": None,
        "sent_at": SENT_AT,
    }


def test_failed_row() -> None:
    """Code and the provider's sentence, which is asked for failed groups only."""
    stored = shelf(record(S.ACCEPTED, "m"), record(S.FAILED, "400 bad"))
    failed = list(by_group(stored, row()))[1].as_row()
    assert failed["error"] == {"code": "400 bad", "description": "sentence of c 1"}
    assert failed["message_id"] is None
    assert cast("Shelf", stored).asked == [[1]]


def test_accepted_without_an_id() -> None:
    """An answer whose id could not be read: accepted, and no id."""
    (result,) = by_group(shelf(record(S.ACCEPTED)), row())
    assert (result.state, result.message_id, result.error) == ("accepted", None, None)


def test_fresh_row() -> None:
    """Never sent: no time, no attempts."""
    (result,) = by_group(shelf(Record.unpack(None)), row())
    fields = result.as_row()
    assert (fields["state"], fields["attempts"]) == ("pending", 0)
    assert fields["sent_at"] is None


def test_dropped_members() -> None:
    """Who opted out meanwhile stays in `to`, is listed, and awaits nothing."""
    stored = shelf(record(S.ACCEPTED, "m1", dropped=0b10))
    (result,) = by_group(stored, row())
    assert result.as_row()["dropped"] == ["+19195551213"]
    assert len(result.as_row()["to"]) == 2


@pytest.mark.parametrize(
    ("state", "tail", "delivery"), [(S.ACCEPTED, "m1", "awaiting"), (S.RETRY, "", None)]
)
def test_a_dropped_recipient(
    state: GroupState, tail: str, delivery: str | None
) -> None:
    """Got nothing and will get nothing, whatever becomes of the others."""
    stored = shelf(record(state, tail, dropped=0b10))
    ann, bob = by_recipient(stored, row())
    assert (ann.state, ann.message_id) == (state.word, tail or None)
    assert ann.delivery == delivery
    assert (bob.state, bob.message_id, bob.delivery) == ("cancelled", None, None)


def test_filter_of_recipients() -> None:
    """By the recipient's own state."""
    stored = shelf(record(S.ACCEPTED, "m1", dropped=0b10), record(S.CANCELLED))
    accepted = list(by_recipient(stored, row(), S.ACCEPTED))
    assert [(r.group, r.number) for r in accepted] == [(0, f"+{ANN}")]
    cancelled = by_recipient(stored, row(), S.CANCELLED)
    assert [(r.group, r.number) for r in cancelled] == [
        (0, f"+{BOB}"),
        (1, f"+{ANN}"),
        (1, f"+{BOB}"),
    ]


def test_recipient_rows() -> None:
    """One row a recipient, as JSON lines show it."""
    ann, bob = by_recipient(shelf(record(S.ACCEPTED, "m1")), row())
    assert json.loads(json.dumps(ann.as_row())) == {
        "campaign": "c",
        "group": 0,
        "number": "+19195551212",
        "state": "accepted",
        "message_id": "m1",
        "delivery": "awaiting",
        "error_code": None,
    }
    assert bob.number == "+19195551213"
    (held, _) = by_recipient(shelf(record(S.HELD)), row())
    assert held.delivery is None


def test_deliveries() -> None:
    """How far it got, in words; a code only where one was given."""
    slots = Slots(2)
    slots.put(0, Delivery(D.DELIVERED))
    slots.put(1, Delivery(D.FAILED, 4720))
    accepted = record(S.ACCEPTED, "m1")
    ann, bob = by_recipient(shelf(accepted, deliveries=slots.pack()), row())
    assert (ann.delivery, ann.error_code) == ("delivered", None)
    assert (bob.delivery, bob.error_code) == ("failed", 4720)
    slots = Slots(2)
    slots.put(0, Delivery(D.FAILED))
    left_out = record(S.ACCEPTED, "m1", dropped=0b11)
    ann, bob = by_recipient(shelf(left_out, deliveries=slots.pack()), row())
    assert (ann.delivery, ann.error_code, bob.delivery) == ("failed", None, None)


@pytest.mark.parametrize("state", [S.PENDING, S.RETRY])
def test_waiting_in_a_cancelled_campaign(state: GroupState) -> None:
    """What still waited counts as cancelled, and says why."""
    cancelled = row(CampaignState.CANCELLED, reason="by hand")
    (result,) = by_group(shelf(record(state)), cancelled)
    assert (result.state, str(result.error)) == ("cancelled", "by hand")


def test_filter() -> None:
    """Only the state asked for, and by its state in this campaign."""
    stored = shelf(record(S.ACCEPTED, "m"), record(S.HELD), Record.unpack(None))
    assert [r.number for r in by_group(stored, row(), S.HELD)] == [1]
    cancelled = row(CampaignState.CANCELLED, reason="expired")
    assert [r.number for r in by_group(stored, cancelled, S.CANCELLED)] == [2]


def test_many_groups_are_streamed() -> None:
    """Sentences are fetched for some hundred groups at a time, and all come out."""
    stored = shelf(*[record(S.FAILED, "400")] * 1001)
    results_ = by_group(stored, row())
    assert next(results_).number == 0
    assert [len(asked) for asked in cast("Shelf", stored).asked] == [500]
    assert sum(1 for _ in results_) == 1000


def test_no_repr_shows_a_number() -> None:
    """Results end up in logs and tracebacks; numbers and sentences do not."""
    stored = shelf(record(S.FAILED, "400", dropped=1))
    for result in (*by_group(stored, row()), *by_recipient(stored, row())):
        assert "1919" not in repr(result)
        assert "sentence" not in repr(result)


def test_check_state() -> None:
    """A state's word in any case; none means all; a wrong one names the right."""
    assert check_state("Failed") is S.FAILED
    assert check_state(None) is None
    with pytest.raises(InvalidInput, match="pending, claimed, sending, retry"):
        check_state("sent")


def test_progress() -> None:
    """Status as JSON has it, every count present."""
    counts = {S.ACCEPTED: 3, S.FAILED: 1, S.PENDING: 5, S.RETRY: 1}
    stored = row(
        counts=counts, recipients=105, groups=10, units=100, gated_units=40, doubled=1,
        rejected={"empty": 3}, dropped={"duplicate": 2},
        delivery={D.AWAITING: 25, D.DELIVERED: 4, D.FAILED: 1}, codes={4781: 1},
        actions={(Action.SLOW, 4781): 1}, slow_pace=0.5, slow_until=GATED_AT,
        created_at=GATED_AT - 21_000, started_at=GATED_AT - 20_000,
    )  # fmt: skip
    shown = progress(stored, GATED_AT - 1, GATED_AT).as_row()
    assert shown == {
        "id": "c", "state": "running", "reason": None,
        "recipients": 105, "groups": 10, "units": 100,
        "pending": 5, "claimed": 0, "sending": 0, "retry": 1, "accepted": 3,
        "failed": 1, "unknown": 0, "held": 0, "cancelled": 0,
        "rejected": {"empty": 3}, "dropped": {"duplicate": 2}, "doubled": 1,
        "delivery": {"awaiting": 25, "sending": 0, "sent": 0, "unconfirmed": 0,
                     "delivered": 4, "failed": 1},
        "codes": {"4781": 1},
        "actions": [{"action": "slow", "code": 4781, "times": 1,
                     "reason": "faster than AT&T lets this campaign send"}],
        "slow_pace": 0.5, "slow_until": SENT_AT, "capped_until": SENT_AT,
        "rate": pytest.approx(2.0, 1e-3), "eta_seconds": pytest.approx(30.0, 1e-3),
        "created_at": "2027-01-15T07:59:39.250000+00:00",
        "started_at": "2027-01-15T07:59:40.250000+00:00", "ended_at": None,
    }  # fmt: skip
    assert json.dumps(shown)
    healed = progress(stored, GATED_AT)
    assert (healed.slow_pace, healed.slow_until) == (None, None)


def test_rate_and_time_left() -> None:
    """Nothing is guessed before the first send, nor after the end."""
    assert progress(row(), GATED_AT).rate is None
    just = row(started_at=GATED_AT, gated_units=10, groups=2, units=20)
    assert progress(just, GATED_AT).rate is None
    ended = row(CampaignState.DONE, started_at=GATED_AT, ended_at=GATED_AT + 5000,
                gated_units=20, groups=2, units=20)  # fmt: skip
    done = progress(ended, GATED_AT + 99_000)
    assert (done.rate, done.eta, done.finished) == (4.0, None, True)


def test_settled() -> None:
    """Final groups: accepted, failed, cancelled, held."""
    counts = {state: 10**state for state in S}
    expected = sum(10**s for s in (S.ACCEPTED, S.FAILED, S.CANCELLED, S.HELD))
    assert progress(row(counts=counts), 0).settled == expected


def test_moment() -> None:
    """Times are aware, in UTC; zero means not set."""
    assert results._moment(GATED_AT) == datetime.fromisoformat(SENT_AT).astimezone(UTC)
    assert results._moment(0) is None
