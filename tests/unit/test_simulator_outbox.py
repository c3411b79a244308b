"""Callbacks that wait: order, repetition, and when they are given up."""

from __future__ import annotations

import pytest

from dispatcher.simulator import CallbackCounts
from dispatcher.simulator.callbacks import DELIVERED, Callback, Letter
from dispatcher.simulator.outbox import LIFE, Answer, Errand, Outbox, Verdict, verdict

LETTER = Letter(b"", b"", "+19195551212")
OK = Answer(204)
CHALLENGE = Answer(401, challenge=True)
REFUSED = Answer(401)


def callback(name: str = "+19195550001") -> Callback:
    """Any callback; recognised by its recipient."""
    return Callback(type=DELIVERED, time=0.0, to=name, letter=LETTER)


def one(outbox: Outbox, now: float) -> Errand:
    """The one that is due, and no other."""
    errand = outbox.take(now)
    assert errand is not None
    assert outbox.take(now) is None
    return errand


def test_they_come_when_due_and_in_that_order() -> None:
    """Those due at one time in the order in which they were posted."""
    outbox = Outbox(1.0)
    for name, due in (("b", 2.0), ("a", 1.0), ("c", 2.0)):
        outbox.put(callback(name), due)
    assert outbox.next_due == 1.0
    assert outbox.take(0.9) is None
    taken = [outbox.take(2.0) for _ in range(4)]
    assert [e and e.callback.to for e in taken] == ["a", "b", "c", None]
    assert outbox.next_due is None


@pytest.mark.parametrize(
    ("answer", "authorized", "expected"),
    [
        (Answer(200), False, Verdict.ACKNOWLEDGED),
        (Answer(204), True, Verdict.ACKNOWLEDGED),
        (Answer(299), False, Verdict.ACKNOWLEDGED),
        (Answer(302), False, Verdict.AGAIN),
        (Answer(400), False, Verdict.AGAIN),
        (Answer(429), False, Verdict.AGAIN),
        (Answer(503), True, Verdict.AGAIN),
        (None, False, Verdict.AGAIN),
        (None, True, Verdict.AGAIN),
        (CHALLENGE, False, Verdict.CHALLENGED),
        (CHALLENGE, True, Verdict.AGAIN),
        (REFUSED, False, Verdict.LOST),
        (REFUSED, True, Verdict.AGAIN),
    ],
)
def test_what_an_answer_means(
    answer: Answer | None, *, authorized: bool, expected: Verdict
) -> None:
    """Any 2xx is enough; a 401 without a challenge loses the event."""
    errand = Errand(callback(), 0.0, authorized=authorized)
    assert verdict(errand, answer) is expected


def test_what_is_not_acknowledged_comes_again() -> None:
    """After pauses that double up to a bound."""
    outbox = Outbox(0.5)
    outbox.put(callback(), 100.0)
    now, pauses = 100.0, []
    for _ in range(8):
        outbox.back(one(outbox, now), Answer(500), now)
        due = outbox.next_due
        assert due is not None
        assert outbox.take(due - 0.001) is None
        pauses.append(due - now)
        now = due
    assert pauses == [0.5, 1, 2, 4, 8, 8, 8, 8]
    outbox.back(one(outbox, now), OK, now)
    assert outbox.counts == CallbackCounts(posted=1, acknowledged=1)


def test_a_challenge_is_answered_at_once_and_every_time() -> None:
    """Each try begins without credentials, as the provider's does."""
    outbox = Outbox(1.0)
    outbox.put(callback(), 0.0)
    for now in (0.0, 1.0):
        first = one(outbox, now)
        assert not first.authorized
        outbox.back(first, CHALLENGE, now)
        second = one(outbox, now)
        assert second.authorized
        outbox.back(second, Answer(503) if now == 0.0 else OK, now)
    assert outbox.counts == CallbackCounts(posted=1, acknowledged=1)


def test_an_event_is_lost_where_nobody_asks_for_credentials() -> None:
    """401 and no `WWW-Authenticate`: there is no second try."""
    outbox = Outbox(1.0)
    outbox.put(callback(), 0.0)
    outbox.back(one(outbox, 0.0), REFUSED, 0.0)
    assert outbox.next_due is None
    assert outbox.counts == CallbackCounts(posted=1, lost=1)


def test_a_day_later_it_is_given_up() -> None:
    """Not a moment earlier, however often it was tried."""
    outbox = Outbox(1.0)
    outbox.put(callback(), 50.0)
    outbox.back(one(outbox, 50.0), None, 50.0)
    outbox.back(one(outbox, 50.0 + LIFE), None, 50.0 + LIFE)
    assert outbox.counts.pending == 1
    assert outbox.take(50.0 + LIFE + 3600) is None
    assert outbox.counts == CallbackCounts(posted=1, expired=1)
