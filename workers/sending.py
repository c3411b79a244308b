"""The function that runs one job: gate, write, outcome, for one claimed group.

    run -> _send -> _try_once -> _write -> _pass_gate   the way out
        -> _conclude | _hand_back | _cancel | _abandon      the way back, to _settle

Each step owns one decision. Nothing here claims, counts slots or knows Celery.
Whether the provider took a message is judged in outcomes.py; what follows from
that in retry.py.
"""

from __future__ import annotations

import asyncio
import logging
from functools import lru_cache, partial
from random import Random
from typing import Any, Final, Protocol

import structlog
from msgspec.structs import replace

from dispatcher.errors import DispatchError
from dispatcher.ledger import calls
from dispatcher.ledger.async_ledger import AsyncLedger
from dispatcher.ledger.calls import Refusal, Settlement, Verdict, left_out
from dispatcher.ledger.scripts import Call
from workers.bandwidth import Bandwidth, Message
from workers.jobs import Job, until_taken
from workers.outcomes import Kind, Outcome
from workers.retry import (
    Accepted,
    Failed,
    HandBack,
    Park,
    PauseAccount,
    PauseCampaign,
    RetryPolicy,
    next_step,
    try_quickly,
)

log = structlog.get_logger(__name__)

#: Seconds a permit lives, from the call that asked for it. More would let sends
#: of two different seconds reach the provider together, over the rate.
PERMIT_S: Final = 0.25
#: A group told to wait longer than this at the gate goes back, so that others,
#: perhaps more urgent ones, get its slot.
PATIENCE_MS: Final = 1000
#: A group whose people have an unresolved message from this sender asks again
#: after this long; such locks last 10 s to 30 min.
LOCKED_DELAY_MS: Final = 5000
#: A group whose gate call failed comes back after this long: Redis may be away.
UNCERTAIN_DELAY_MS: Final = 1000
#: A group on which our own code failed comes back after this long.
CRASH_DELAY_MS: Final = 30_000

#: Why a group is cancelled all of whose members opted out after loading.
NOBODY_LEFT: Final = "opted out"


class NotAdmitted(Exception):
    """The gate did not let a job pass; nothing was written.

    Attributes:
        answer: The gate's answer, None when its call failed and may have run.
    """

    def __init__(self, answer: int | None) -> None:
        super().__init__(f"gate answered {answer}")
        self.answer = answer

    @property
    def delay_ms(self) -> int:
        """When the group should be due again."""
        if self.answer is None:
            return UNCERTAIN_DELAY_MS
        return LOCKED_DELAY_MS if self.answer == Refusal.LOCKED else max(0, self.answer)


class OptedOut(Exception):
    """Members have opted out: the message is to be made anew, without them."""


class Deserted(Exception):
    """All members have opted out: there is nobody to write to."""


class Surroundings(Protocol):
    """What a job needs of the child that runs it.

    Attributes:
        stopping: Nothing may be written any more.
        connecting: Tasks that a stop cancels, for they have asked for nothing yet.
    """

    stopping: bool
    connecting: set[asyncio.Task[Any]]

    def admitted(self, job: Job) -> None:
        """The gate let a job through; never raises."""

    async def pause(self, seconds: float) -> None:
        """Sleep, but not past the child's stop."""

    async def heard(self, kind: Kind) -> None:
        """How a request ended, for the breaker; never raises."""


@lru_cache
def _policy(max_attempts: int) -> RetryPolicy:
    return RetryPolicy(max_attempts=max_attempts)


def _which(job: Job) -> dict[str, str | int]:
    """What a log line says of a job."""
    return {"campaign": job.id, "group": job.group, "serial": job.serial}


def _report(job: Job, outcome: Outcome) -> None:
    """One line for what a person may want to know; successes only when debugging."""
    if outcome.kind is not Kind.ACCEPTED:
        tell = getattr(log, outcome.kind.log_level)
    elif log.is_enabled_for(logging.DEBUG):
        tell = log.debug
    else:
        return
    tell("send.ended", outcome=outcome.kind.word, code=outcome.code, **_which(job))


class Sender:
    """Sends jobs; one for each worker child."""

    def __init__(
        self,
        client: Bandwidth,
        ledger: AsyncLedger,
        around: Surroundings,
        application_id: str | None,
        random: Random,
    ) -> None:
        self._client = client
        self._ledger = ledger
        self._around = around
        self._application_id = application_id
        self._random = random
        self._throttled = False

    async def run(self, job: Job) -> str:
        """Send one group and record what became of it.

        Returns:
            The word that the shift counts it under.
        """
        try:
            outcome = await self._send(job)
        except NotAdmitted as refusal:
            return await self._hand_back(job, refusal)
        except Deserted:
            return await self._cancel(job)
        except Exception:
            log.exception("send.crashed", **_which(job))
            return await self._abandon(job)
        return await self._conclude(job, outcome)

    # -- the way out -------------------------------------------------------

    async def _send(self, job: Job) -> Outcome:
        """One write, and quick second tries where nothing can have arrived."""
        return await try_quickly(
            partial(self._try_once, job),
            _policy(job.campaign.max_attempts),
            job.attempts,
            sleep=self._around.pause,
        )

    async def _try_once(self, job: Job) -> Outcome:
        before = job.serial
        outcome = await self._write(job)
        if job.serial > before and outcome.kind.sent == "no":
            job.unsent = int(outcome.kind.counts_as_attempt)
        # Unknown before the gate is a fault of ours, and tells nothing of the provider.
        if outcome.kind is not Kind.UNKNOWN or job.serial > before:
            await self._around.heard(outcome.kind)
        return outcome

    async def _write(self, job: Job) -> Outcome:
        """One write; when somebody has opted out, of a message made anew."""
        while True:
            try:
                return await self._connected(job)
            except OptedOut:
                continue

    async def _connected(self, job: Job) -> Outcome:
        """Connect, ask the gate, write; a stop waits for no connection.

        Raises:
            NotAdmitted: As `_pass_gate`, or stopped before it was asked.
        """
        task, connecting = asyncio.current_task(), self._around.connecting
        assert task is not None

        async def before_write() -> float:
            connecting.discard(task)
            return await self._pass_gate(job)

        if self._around.stopping:
            raise NotAdmitted(Refusal.STOPPED)
        connecting.add(task)
        try:
            return await self._client.send(self._message(job), before_write)
        except asyncio.CancelledError:
            if task not in connecting or task.uncancel():
                raise
            raise NotAdmitted(Refusal.STOPPED) from None
        finally:
            connecting.discard(task)

    async def _pass_gate(self, job: Job) -> float:
        """Wait for permission; returns until when it holds.

        Raises:
            NotAdmitted: Not now, or not at all.
            OptedOut, Deserted: Not to these people.
        """
        while not self._around.stopping:
            try:
                passed = await job.lease.gate(job.ticket())
            except DispatchError:
                raise NotAdmitted(None) from None
            if passed.answer == 0:
                job.passed()
                self._around.admitted(job)
                return passed.asked_at + PERMIT_S
            if mask := left_out(passed.answer):
                raise OptedOut if job.leave_out(mask) else Deserted
            if not 0 < passed.answer <= PATIENCE_MS:
                raise NotAdmitted(passed.answer)
            await self._around.pause(passed.answer / 1000)
        raise NotAdmitted(Refusal.STOPPED)

    def _message(self, job: Job) -> Message:
        campaign = job.campaign
        expires_at = campaign.expires_at
        return Message(
            application_id=campaign.application_id or self._application_id or "",
            sender=campaign.sender,
            to=job.to,
            text=campaign.text,
            media=tuple(map(str, campaign.media)),
            tag=job.tag,
            # The provider may not look at it for group messages; the gate does.
            expiration=expires_at.isoformat() if expires_at else None,
        )

    # -- the way back ------------------------------------------------------

    async def _conclude(self, job: Job, outcome: Outcome) -> str:
        """Record an outcome as the retry decision says."""
        _report(job, outcome)
        try:
            return await self._record(job, outcome)
        except Exception:
            # Known, and yet the ledger will call it unknown: a person can `resolve` it.
            log.exception(
                "outcome.not_recorded",
                outcome=outcome.kind.word,
                message_id=outcome.message_id,
                **_which(job),
            )
            raise

    async def _record(self, job: Job, outcome: Outcome) -> str:
        step = next_step(
            outcome,
            job.attempts,
            _policy(job.campaign.max_attempts),
            self._random.random,
        )
        match step:
            case Accepted(message_id):
                word = await _settle(job, _now(job, Verdict.ACCEPTED, message_id or ""))
                await self._unthrottle(job)
                return word
            case Failed(code, sentence):
                return await _settle(job, _failed(job, code, sentence or ""))
            case Park(code) if job.gated:
                return await _settle(job, _now(job, Verdict.UNKNOWN, code))
            case Park(code):
                # A fault of ours before the gate: nothing can have been written.
                return await _settle(job, _later(job, CRASH_DELAY_MS, code))
            case HandBack(pause=PauseCampaign() | PauseAccount() as pause):
                await self._obey(job, pause)
        return await _settle(job, _later(job, step.delay_s * 1000, outcome.code))

    async def _unthrottle(self, job: Job) -> None:
        """After a 429: the provider takes messages again."""
        if not self._throttled:
            return
        self._throttled = False
        try:
            await self._ledger.run(calls.unthrottle())
        except DispatchError as error:
            # The outcome is recorded; the next pause will only be a longer one.
            log.warning("throttle.not_lifted", reason=str(error), **_which(job))

    async def _obey(self, job: Job, pause: PauseCampaign | PauseAccount) -> None:
        """Before the group goes back, or it would be claimed again at once."""
        if isinstance(pause, PauseAccount):
            self._throttled = True
            call: Call[Any] = calls.throttle(pause.retry_after)
        else:
            reason = f"the provider answered {pause.reason}"
            refused = job.group if job.was_gated else None
            call = calls.control(job.id, "pause", reason, refused=refused)
        try:
            await until_taken(lambda: self._ledger.run(call))
        except DispatchError as error:
            # What is known of the group must not get lost with it.
            log.warning("pause.not_recorded", reason=str(error), **_which(job))

    async def _hand_back(self, job: Job, refusal: NotAdmitted) -> str:
        back = _later(job, refusal.delay_ms, "")
        if refusal.answer is not None:
            return await _settle(job, back)
        # The call may have run: then what it began ends here, in the same script.
        begun = _back(job, job.serial + 1, refusal.delay_ms)
        return await _settle(job, replace(begun, lock=job.next_lock), back)

    async def _cancel(self, job: Job) -> str:
        """Nobody is left. What was gated before has its serial settled first."""
        if job.unsent is not None:
            return await _settle(job, _later(job, 0, NOBODY_LEFT))
        return await _settle(job, _now(job, Verdict.CANCEL, NOBODY_LEFT))

    async def _abandon(self, job: Job) -> str:
        """A fault of ours: whatever may have been written is unknown."""
        return await _settle(
            job,
            _now(job, Verdict.UNKNOWN, "worker fault"),
            replace(_now(job, Verdict.UNKNOWN, "worker fault"), serial=job.serial + 1),
            _back(job, 0, CRASH_DELAY_MS),
        )


# -- the verdicts --------------------------------------------------------------


async def _settle(job: Job, *verdicts: Settlement) -> str:
    """Record what belongs together; the word that the shift counts it under."""
    await job.lease.settle(verdicts)
    return verdicts[-1].verdict.value


def _now(job: Job, verdict: Verdict, detail: str) -> Settlement:
    """What became of the last serial."""
    return Settlement(job.id, job.group, job.serial, verdict, job.lock, detail)


def _failed(job: Job, code: str, sentence: str) -> Settlement:
    final = _now(job, Verdict.FAILED, code)
    return replace(final, sentence=sentence, spent=1)


def _later(job: Job, delay_ms: float, code: str) -> Settlement:
    """Nothing of the group can have arrived: it is due again."""
    if job.unsent is None:
        return _back(job, job.serial, delay_ms)
    due = _now(job, Verdict.RETRY, code)
    return replace(due, delay_ms=int(delay_ms), spent=job.unsent)


def _back(job: Job, serial: int, delay_ms: float) -> Settlement:
    back = Settlement(job.id, job.group, serial, Verdict.BACK, job.lock)
    return replace(back, delay_ms=int(delay_ms))
