"""One job, with a fake ledger and a fake provider: what is recorded, in which order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from dispatcher.campaign import Campaign
from dispatcher.errors import LedgerCorrupt, LedgerError
from dispatcher.ledger.calls import Claimed, Rates, Refusal, Verdict
from dispatcher.ledger.codec import member_lock
from tests.unit.worker_fakes import (
    AWAY,
    MEMBERS,
    PRIVATE,
    SENDER,
    TAKEN,
    TEXT,
    Calm,
    FakeLedger,
    FakeProvider,
    Script,
    Ungated,
    claimed,
    now,
    run,
    verdict,
)
from workers import jobs
from workers.jobs import Job, Lease
from workers.outcomes import Kind, Outcome
from workers.sending import PERMIT_S, Sender

REFUSED = Outcome(Kind.REFUSED, "400 bad", description="'+19195551201' is invalid")
THROTTLED = Outcome(Kind.THROTTLED, "429 queue-full")
STOPPED = Outcome(Kind.STOPPED, "403 forbidden")
UNKNOWN = Outcome(Kind.UNKNOWN, "timeout")
ERROR = Outcome(Kind.SERVER_ERROR, "500 internal", description="Try again")
UNWRITTEN = Outcome(Kind.NOT_WRITTEN, "not-written")
EXPIRED = Outcome(Kind.TOKEN_REFRESHED, "401")
UNREACHABLE = Ungated(Kind.UNREACHABLE, "connect-failed")

ACCEPTED, FAILED = Verdict.ACCEPTED, Verdict.FAILED
RETRY, BACK, PARKED = Verdict.RETRY, Verdict.BACK, Verdict.UNKNOWN


@dataclass
class Around:
    """A child that only takes notes."""

    stopping: bool = False
    pauses: list[float] = field(default_factory=list)
    connecting: set[asyncio.Task[Any]] = field(default_factory=set)
    kinds: list[Kind] = field(default_factory=list)
    serials: list[int] = field(default_factory=list)
    #: What happens during a pause.
    meanwhile: Callable[[], None] = lambda: None

    def admitted(self, job: Job) -> None:
        self.serials.append(job.serial)

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.meanwhile()

    async def heard(self, kind: Kind) -> None:
        self.kinds.append(kind)


@dataclass
class Sent:
    """How one job went."""

    word: str
    told: list[tuple[Any, ...]]
    ledger: FakeLedger
    provider: FakeProvider
    around: Around
    job: Job
    logs: list[Any]
    took: float

    @property
    def verdicts(self) -> list[tuple[Any, ...]]:
        words = {word.value for word in Verdict}
        return [told for told in self.told if told[0] in words]

    @property
    def gates(self) -> list[tuple[int, int]]:
        """(serial, spent) of each question at the gate."""
        return [(t[1], t[2]) for t in self.told if t[0] == "gate"]


def send(
    *script: Script,
    ledger: FakeLedger | None = None,
    around: Around | None = None,
    campaign: Campaign | None = None,
    of: Claimed | None = None,
) -> Sent:
    """Run one job to its end."""
    ledger = ledger or FakeLedger()
    around = around or Around()
    provider = FakeProvider(*script)
    campaign = campaign or Campaign(sender=SENDER, text=TEXT)
    given = of or claimed()

    async def go() -> Sent:
        lease = Lease(ledger, Rates())
        job = Job.of(given, lease, campaign, MEMBERS)
        sender = Sender(provider, ledger, around, "app-1", Calm())
        word = await sender.run(job)
        return Sent(word, ledger.told, ledger, provider, around, job, logs, now())

    with capture_logs([structlog.contextvars.merge_contextvars]) as logs:
        return run(go())


# -- the way back --------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "told", "word"),
    [
        pytest.param(
            [TAKEN],
            [("gate", 1, -1), verdict(ACCEPTED, 1, detail="m1")],
            "accepted",
            id="accepted",
        ),
        pytest.param(
            [Outcome(Kind.ACCEPTED, "202")],
            [("gate", 1, -1), verdict(ACCEPTED, 1)],
            "accepted",
            id="accepted without an id",
        ),
        pytest.param(
            [REFUSED],
            [
                ("gate", 1, -1),
                verdict(
                    *(FAILED, 1),
                    detail="400 bad",
                    sentence="'+19195551201' is invalid",
                    spent=1,
                ),
            ],
            "failed",
            id="refused",
        ),
        pytest.param(
            [UNKNOWN],
            [("gate", 1, -1), verdict(PARKED, 1, detail="timeout")],
            "unknown",
            id="unknown",
        ),
        pytest.param(
            [Outcome(Kind.THROTTLED, "429", retry_after=2.5)],
            [("gate", 1, -1), ("throttle", 2500), verdict(RETRY, 1, detail="429")],
            "retry",
            id="throttled for a time",
        ),
        pytest.param(
            [Outcome(Kind.THROTTLED, "429")],
            [("gate", 1, -1), ("throttle", ""), verdict(RETRY, 1, detail="429")],
            "retry",
            id="throttled",
        ),
        pytest.param(
            [STOPPED],
            [
                ("gate", 1, -1),
                ("control", "c1", "pause", "the provider answered 403 forbidden", 0),
                verdict(RETRY, 1, detail="403 forbidden"),
            ],
            "retry",
            id="stopped",
        ),
        pytest.param(
            [Ungated(Kind.STOPPED, "token: 401")],
            [
                ("control", "c1", "pause", "the provider answered token: 401", ""),
                verdict(BACK, 0),
            ],
            "back",
            id="stopped before the gate",
        ),
        pytest.param(
            [UNREACHABLE],
            [verdict(BACK, 0, delay=2000)],
            "back",
            id="unreachable",
        ),
        pytest.param(
            [Ungated(Kind.UNKNOWN, "internal-error")],
            [verdict(BACK, 0, delay=30_000)],
            "back",
            id="a fault before the gate",
        ),
        pytest.param(
            [ERROR, Ungated(Kind.UNKNOWN, "internal-error")],
            [
                ("gate", 1, -1),
                verdict(RETRY, 1, detail="internal-error", delay=30_000, spent=1),
            ],
            "retry",
            id="server error, then a fault before the gate",
        ),
        pytest.param(
            [ERROR],
            [
                ("gate", 1, -1),
                ("gate", 2, 1),
                verdict(RETRY, 2, detail="500 internal", delay=15_000, spent=1),
            ],
            "retry",
            id="two server errors",
        ),
        pytest.param(
            [ERROR, TAKEN],
            [("gate", 1, -1), ("gate", 2, 1), verdict(ACCEPTED, 2, detail="m1")],
            "accepted",
            id="server error, then accepted",
        ),
        pytest.param(
            [ERROR, UNKNOWN],
            [("gate", 1, -1), ("gate", 2, 1), verdict(PARKED, 2, detail="timeout")],
            "unknown",
            id="server error, then unknown",
        ),
        pytest.param(
            [ERROR, THROTTLED],
            [
                ("gate", 1, -1),
                ("gate", 2, 1),
                ("throttle", ""),
                verdict(RETRY, 2, detail="429 queue-full"),
            ],
            "retry",
            id="server error, then throttled",
        ),
        pytest.param(
            [ERROR, UNREACHABLE],
            [
                ("gate", 1, -1),
                verdict(RETRY, 1, detail="connect-failed", delay=2000, spent=1),
            ],
            "retry",
            id="server error, then unreachable",
        ),
        pytest.param(
            [UNWRITTEN],
            [
                ("gate", 1, -1),
                ("gate", 2, 0),
                verdict(RETRY, 2, detail="not-written"),
            ],
            "retry",
            id="not written twice",
        ),
        pytest.param(
            [Ungated(Kind.NOT_WRITTEN, "no-free-connection"), TAKEN],
            [("gate", 1, -1), verdict(ACCEPTED, 1, detail="m1")],
            "accepted",
            id="no free connection at first",
        ),
        pytest.param(
            [EXPIRED, TAKEN],
            [("gate", 1, -1), ("gate", 2, 0), verdict(ACCEPTED, 2, detail="m1")],
            "accepted",
            id="token refreshed",
        ),
    ],
)
def test_what_follows_from_an_outcome(
    script: list[Script], told: list[tuple[Any, ...]], word: str
) -> None:
    """Each way a send can end leads to its calls, in this order, and no others."""
    sent = send(*script)
    assert (sent.told, sent.word) == (told, word)
    if ("gate", 2, 1) in told or ("gate", 2, 0) in told:
        assert len(sent.around.pauses) == 1
        assert 0.2 <= sent.around.pauses[0] <= 2


@pytest.mark.parametrize(
    ("script", "kinds"),
    [
        ([TAKEN], [Kind.ACCEPTED]),
        ([REFUSED], [Kind.REFUSED]),
        ([ERROR], [Kind.SERVER_ERROR] * 2),
        ([UNREACHABLE], [Kind.UNREACHABLE]),
        ([UNKNOWN], [Kind.UNKNOWN]),
        ([Ungated(Kind.UNKNOWN, "internal-error")], []),
    ],
)
def test_what_the_breaker_hears(script: list[Script], kinds: list[Kind]) -> None:
    """How each write ended; a fault of ours before the gate tells nothing."""
    assert send(*script).around.kinds == kinds


def test_the_last_attempt_has_no_second_try() -> None:
    """With the attempts used up a server error is final, and is counted."""
    sent = send(ERROR, of=claimed(serial=7, attempts=4))
    last = "attempts used up: 500 internal"
    final = verdict(FAILED, 8, detail=last, sentence="Try again", spent=1)
    assert sent.told == [("gate", 8, -1), final]


def test_attempts_count_within_one_shift() -> None:
    """What the gate was told of the first try counts in the decision on the second."""
    sent = send(ERROR, of=claimed(serial=3, attempts=3))
    final = verdict(FAILED, 5, detail="attempts used up: 500 internal",
                    sentence="Try again", spent=1)  # fmt: skip
    assert sent.told == [("gate", 4, -1), ("gate", 5, 1), final]


# -- the gate ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "delay"),
    [
        (Refusal.LOST, {}),
        (Refusal.STOPPED, {}),
        (Refusal.CANARY, {}),
        (Refusal.LOCKED, {"delay": 5000}),
        (1001, {"delay": 1001}),
        (86_400_000, {"delay": 86_400_000}),
    ],
)
def test_a_refusal_hands_back(answer: int, delay: dict[str, int]) -> None:
    """A group that may not pass goes back: untouched, or proven unsent and charged."""
    first = send(ledger=FakeLedger(gate=[[answer]]))
    assert first.told == [("gate", 1, -1), verdict(BACK, 0, **delay)]
    assert first.provider.sent == []

    second = send(ERROR, ledger=FakeLedger(gate=[[0], [answer]]))
    retry = verdict(RETRY, 1, **delay, spent=1)
    assert second.told == [("gate", 1, -1), ("gate", 2, 1), retry]
    assert len(second.provider.sent) == 1


def test_a_short_wait_is_waited_at_the_gate() -> None:
    """Up to a second a group keeps its place and asks again for the same serial."""
    sent = send(ledger=FakeLedger(gate=[[1000], [40], [0]]))
    assert sent.gates == [(1, -1)] * 3
    assert sent.around.pauses == [1.0, 0.04]
    assert sent.word == "accepted"


def test_stop_while_waiting_at_the_gate() -> None:
    """The stop ends the wait; the group goes back and is due at once."""
    around = Around()

    def stop() -> None:
        around.stopping = True

    around.meanwhile = stop
    sent = send(ledger=FakeLedger(gate=[[900], [0]]), around=around)
    assert sent.told == [("gate", 1, -1), verdict(BACK, 0)]
    assert sent.provider.sent == []


def test_stop_before_the_second_try() -> None:
    """After the stop nothing is gated, a quick second try neither."""
    around = Around()

    def stop() -> None:
        around.stopping = True

    around.meanwhile = stop
    sent = send(ERROR, around=around)
    assert sent.told == [("gate", 1, -1), verdict(RETRY, 1, spent=1)]


@pytest.mark.parametrize("error", [AWAY, LedgerError("refused")])
def test_an_uncertain_gate(error: Exception) -> None:
    """A gate call that failed may have run: one script ends what it may have begun."""
    sent = send(ledger=FakeLedger(gate=[error]))
    assert sent.verdicts == [verdict(BACK, 1, delay=1000), verdict(BACK, 0, delay=1000)]
    assert sent.ledger.count("settle") == 1
    assert sent.provider.sent == []
    assert sent.word == "back"


def test_an_uncertain_gate_of_a_second_try() -> None:
    """If it ran the new serial ends, else the proven-unsent one before it does."""
    sent = send(ERROR, ledger=FakeLedger(gate=[[0], AWAY]))
    began, else_ = sent.verdicts
    assert began == verdict(BACK, 2, delay=1000)
    assert else_ == verdict(RETRY, 1, delay=1000, spent=1)
    assert sent.ledger.count("settle") == 1
    assert len(sent.provider.sent) == 1


def test_an_uncertain_gate_makes_the_lease_doubtful() -> None:
    """Nothing more is claimed under its token.

    Else the same group could be: it would be on the wire when the hand-back, its reply
    lost, is repeated, and would be sent a second time.
    """
    assert send(ledger=FakeLedger(gate=[AWAY])).job.lease.doubtful
    assert not send().job.lease.doubtful


def test_the_permit_runs_from_the_question(monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends a quarter of a second after the gate was asked, not answered."""
    times = iter([100.0, 200.0])
    monkeypatch.setattr(jobs, "boottime", lambda: next(times))
    sent = send(ledger=FakeLedger(gate=[[500], [0]]))
    assert sent.provider.permits == [200.0 + PERMIT_S]
    assert PERMIT_S == 0.25


# -- opt-outs ------------------------------------------------------------------


def leave_out(mask: int) -> list[int]:
    """The gate's answer that asks for it."""
    return [-1024 - mask]


def test_somebody_has_opted_out() -> None:
    """The gate is asked again, and the message written, without them."""
    sent = send(ledger=FakeLedger(gate=[leave_out(0b01), [0]]))
    assert [message.to for message in sent.provider.sent] == [("+19195551202",)]
    first, second = sent.ledger.gated()
    assert (first.serial, first.dropped, first.cost) == (1, 0, 2)
    assert (second.serial, second.dropped, second.cost) == (1, 0b01, 1)
    (verdict_,) = sent.ledger.settled()
    assert verdict_.lock == second.lock == member_lock(SENDER, MEMBERS[1:])
    assert sent.word == "accepted"


def test_one_after_the_other_opts_out() -> None:
    """Until nobody is left: then the group is cancelled, and says why."""
    sent = send(ledger=FakeLedger(gate=[leave_out(0b10), leave_out(0b11)]))
    cancelled = verdict(Verdict.CANCEL, 0, detail="opted out")
    assert sent.told == [("gate", 1, -1), ("gate", 1, -1), cancelled]
    assert sent.provider.sent == []
    assert sent.word == "cancel"


def test_an_opt_out_before_the_second_try() -> None:
    """The second write is to those who are left; the first keeps its lock."""
    sent = send(ERROR, UNKNOWN, ledger=FakeLedger(gate=[[0], leave_out(0b01), [0]]))
    assert [len(message.to) for message in sent.provider.sent] == [2, 1]
    assert sent.gates == [(1, -1), (2, 1), (2, 1)]
    assert sent.verdicts == [verdict(PARKED, 2, detail="timeout")]


def test_everybody_opts_out_before_the_second_try() -> None:
    """The serial that is proven unsent is settled; the next claim finds nobody."""
    sent = send(ERROR, ledger=FakeLedger(gate=[[0], leave_out(0b11)]))
    assert sent.verdicts == [verdict(RETRY, 1, detail="opted out", spent=1)]
    assert sent.ledger.settled()[0].lock == member_lock(SENDER, MEMBERS)


def test_a_refusal_after_an_opt_out() -> None:
    """A lock that was only asked for is not freed: another may hold it."""
    sent = send(ERROR, ledger=FakeLedger(gate=[[0], leave_out(0b01), [5000]]))
    assert sent.verdicts == [verdict(RETRY, 1, delay=5000, spent=1)]
    assert sent.ledger.settled()[0].lock == member_lock(SENDER, MEMBERS)


def test_an_uncertain_gate_after_an_opt_out() -> None:
    """What may have begun holds the lock of those who are left."""
    sent = send(ERROR, ledger=FakeLedger(gate=[[0], leave_out(0b01), AWAY]))
    began, else_ = sent.ledger.settled()
    assert began.lock == member_lock(SENDER, MEMBERS[1:])
    assert else_.lock == member_lock(SENDER, MEMBERS)


def test_whom_an_earlier_send_left_out() -> None:
    """They stay left out."""
    sent = send(of=claimed(serial=3, dropped=0b10))
    assert [message.to for message in sent.provider.sent] == [("+19195551201",)]


# -- the message ---------------------------------------------------------------


def test_the_message() -> None:
    """Everything the campaign says, the group's numbers, the settings' application."""
    campaign = Campaign(sender=SENDER, text=TEXT, media=["https://x.test/a.jpg"])
    (message,) = send(campaign=campaign).provider.sent
    assert message.application_id == "app-1"
    assert (message.sender, message.text) == (SENDER, TEXT)
    assert message.media == ("https://x.test/a.jpg",)
    assert message.to == ("+19195551201", "+19195551202")


def test_the_campaign_s_application_wins() -> None:
    """The settings' application is only the default."""
    campaign = Campaign(sender=SENDER, text=TEXT, application_id="own")
    (message,) = send(campaign=campaign).provider.sent
    assert message.application_id == "own"


def test_the_provider_is_told_when_a_message_is_too_late() -> None:
    """As RFC 3339, and nothing where the campaign does not expire."""
    end = datetime(2099, 1, 2, 3, tzinfo=UTC)
    campaign = Campaign(sender=SENDER, text=TEXT, expires_at=end)
    (message,) = send(campaign=campaign).provider.sent
    assert message.expiration == "2099-01-02T03:00:00+00:00"
    (message,) = send(campaign=Campaign(sender=SENDER, text=TEXT)).provider.sent
    assert message.expiration is None


@pytest.mark.parametrize(("own", "end"), [(None, ""), ("open-house", ".open-house")])
def test_the_tag_names_the_serial(own: str | None, end: str) -> None:
    """nonce.group.serial and the user's own; the serial is the one permitted."""
    campaign = Campaign(sender=SENDER, text=TEXT, tag=own)
    sent = send(ERROR, TAKEN, campaign=campaign, of=claimed(12, serial=4))
    tags = [message.tag for message in sent.provider.sent]
    assert tags == [f"nonce.12.5{end}", f"nonce.12.6{end}"]
    assert [serial for serial, _ in sent.gates] == [5, 6]


def test_the_lock_is_that_of_sender_and_members() -> None:
    """Gate and verdict name the same lock."""
    ledger = send().ledger
    lock = member_lock(SENDER, MEMBERS)
    assert [item.lock for item in ledger.gated()] == [lock]
    assert [item.lock for item in ledger.settled()] == [lock]


# -- faults --------------------------------------------------------------------


def test_a_fault_of_ours_after_the_gate_is_unknown() -> None:
    """One script parks whatever may have been written, and hands back the rest."""
    sent = send(ZeroDivisionError("ours"))
    assert sent.verdicts == [
        verdict(PARKED, 1, detail="worker fault"),
        verdict(PARKED, 2, detail="worker fault"),
        verdict(BACK, 0, delay=30_000),
    ]
    assert sent.ledger.count("settle") == 1
    assert len(sent.provider.sent) == 1
    assert sent.logs[-1]["event"] == "send.crashed"


def test_a_fault_of_ours_before_the_gate_goes_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A group that never passed the gate only waits for a while."""

    def crash(_: Job) -> str:
        raise ZeroDivisionError

    monkeypatch.setattr(Job, "tag", property(crash))
    sent = send(of=claimed(serial=3))
    assert sent.verdicts[-1] == verdict(BACK, 0, delay=30_000)
    assert sent.provider.sent == []


@pytest.mark.parametrize("script", ["unthrottle", "throttle", "control"])
@pytest.mark.parametrize("error", [LedgerError("no memory"), LedgerCorrupt("damaged")])
@pytest.mark.parametrize("outcome", [TAKEN, THROTTLED, STOPPED])
def test_a_failed_side_call_costs_no_outcome(
    outcome: Outcome, error: LedgerError, script: str
) -> None:
    """What is known of a group is recorded though Redis refuses everything else."""
    ledger = FakeLedger(**{script: [error]})
    provider = FakeProvider(THROTTLED, outcome)

    async def go() -> None:
        sender = Sender(provider, ledger, Around(), None, Calm())
        lease = Lease(ledger, Rates())
        campaign = Campaign(sender=SENDER, text=TEXT)
        for group in (0, 1):
            await sender.run(Job.of(claimed(group), lease, campaign, MEMBERS))

    with capture_logs():
        run(go())
    first, second = ledger.settled()
    assert first.verdict == RETRY
    assert second.verdict == (ACCEPTED if outcome is TAKEN else RETRY)
    assert second.serial == 1


def test_a_pause_is_told_until_redis_takes_it() -> None:
    """The group goes back after the pause, or it would be claimed again at once."""
    ledger = FakeLedger(throttle=[AWAY, AWAY, 100])
    sent = send(THROTTLED, ledger=ledger)
    assert [told[0] for told in sent.told] == ["gate", *["throttle"] * 3, "retry"]


def test_an_accepted_send_lifts_the_pause_once() -> None:
    """After a 429, the first message taken says so; later ones need not."""
    ledger, around = FakeLedger(), Around()
    provider = FakeProvider(THROTTLED, TAKEN)

    async def go() -> None:
        sender = Sender(provider, ledger, around, None, Calm())
        campaign = Campaign(sender=SENDER, text=TEXT)
        for group in range(3):
            lease = Lease(ledger, Rates())
            await sender.run(Job.of(claimed(group), lease, campaign, MEMBERS))

    run(go())
    words = [told[0] for told in ledger.told if told[0] != "gate"]
    assert words == ["throttle", "retry", "accepted", "unthrottle", "accepted"]


def test_an_outcome_that_cannot_be_recorded_is_told() -> None:
    """When Redis refuses for good, the log has what a person needs to enter it."""
    ledger = FakeLedger(settle=[LedgerCorrupt("damaged")])
    with capture_logs([structlog.contextvars.merge_contextvars]) as logs:

        async def go() -> None:
            lease = Lease(ledger, Rates())
            campaign = Campaign(sender=SENDER, text=TEXT)
            sender = Sender(FakeProvider(), ledger, Around(), None, Calm())
            with pytest.raises(LedgerCorrupt):
                await sender.run(Job.of(claimed(5), lease, campaign, MEMBERS))

        run(go())
    (line,) = [line for line in logs if line["event"] == "outcome.not_recorded"]
    assert (line["campaign"], line["group"], line["serial"]) == ("c1", 5, 1)
    assert (line["outcome"], line["message_id"]) == ("accepted", "m1")


# -- what is told --------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "level"),
    [
        (TAKEN, "debug"),
        (REFUSED, "warning"),
        (UNKNOWN, "warning"),
        (STOPPED, "error"),
        (THROTTLED, "info"),
    ],
)
def test_one_line_for_each_outcome(outcome: Outcome, level: str) -> None:
    """It names campaign, group, serial, outcome and code at the outcome's level."""
    (line,) = send(outcome).logs
    assert line == {
        "event": "send.ended",
        "log_level": level,
        "campaign": "c1",
        "group": 0,
        "serial": 1,
        "outcome": outcome.kind.name.lower(),
        "code": outcome.code,
    }


@pytest.mark.parametrize(
    "script",
    [[TAKEN], [REFUSED], [ERROR], [STOPPED], [UNREACHABLE], [ZeroDivisionError(TEXT)]],
)
def test_no_line_is_private(script: list[Script]) -> None:
    """No number and no text is passed to a logger."""
    lines = [{k: v for k, v in line.items() if k != "exc_info"}
             for line in send(*script).logs]  # fmt: skip
    assert lines
    assert not [secret for secret in PRIVATE if secret in repr(lines)]


def test_no_repr_is_private() -> None:
    """A job in a traceback or a log shows neither members nor text."""
    sent = send()
    shown = repr((sent.job, sent.job.claimed, sent.provider.sent, sent.job.ticket()))
    assert not [secret for secret in PRIVATE if secret in shown]
