"""The function that runs one job: gate, write, outcome, for one claimed group.

    run -> _send -> _try_once -> _pass_gate       the way out
        -> _conclude | _hand_back | _abandon      the way back

Each step owns one decision. Nothing here claims, counts slots or knows Celery.
Whether the provider took a message is judged in outcomes.py; what follows from
that in retry.py.
"""

from __future__ import annotations

from random import Random
from typing import Final, Protocol

import structlog
from structlog.contextvars import bound_contextvars

from dispatcher.errors import DispatchError
from dispatcher.ledger import calls
from dispatcher.ledger.calls import Refusal, Settlement, Verdict
from dispatcher.ledger.ledger import AsyncLedger
from workers.bandwidth import Bandwidth, Message
from workers.jobs import Job
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
    quick_retrying,
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
#: A group on which our own code failed comes back after this long.
CRASH_DELAY_MS: Final = 30_000

#: Outcomes that say nothing about whether the provider can be reached.
_NO_ANSWER: Final = (Kind.NOT_WRITTEN, Kind.UNKNOWN)


class NotAdmitted(Exception):  # noqa: N818 - a refusal, not an error
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
        if self.answer == Refusal.LOCKED:
            return LOCKED_DELAY_MS
        return max(0, self.answer or 0)


class Surroundings(Protocol):
    """What a job needs of the child that runs it."""

    stopping: bool

    async def pause(self, seconds: float) -> None:
        """Sleep, but not past the child's stop."""

    async def reachable(self, *, reached: bool) -> None:
        """The provider answered, or could not be connected to."""


def _policy(job: Job) -> RetryPolicy:
    return RetryPolicy(max_attempts=job.campaign.max_attempts)


def _report(job: Job, outcome: Outcome) -> None:
    """One line for what a person may want to know; successes only when debugging."""
    level = "debug" if outcome.kind is Kind.ACCEPTED else outcome.kind.log_level
    tell = getattr(log, level)
    tell("send.ended", outcome=outcome.kind.name.lower(), code=outcome.code,
         serial=job.serial)  # fmt: skip


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
        with bound_contextvars(campaign=job.id, group=job.group):
            try:
                return await self._conclude(job, await self._send(job))
            except NotAdmitted as refusal:
                return await self._hand_back(job, refusal)
            except Exception:
                log.exception("send.crashed", serial=job.serial)
                return await self._abandon(job)

    # -- the way out -------------------------------------------------------

    async def _send(self, job: Job) -> Outcome:
        """One write, and quick second tries where nothing can have arrived."""
        policy = _policy(job)
        quick = quick_retrying(policy, job.attempts, sleep=self._around.pause)
        return await quick(self._try_once, job)

    async def _try_once(self, job: Job) -> Outcome:
        before = job.serial

        async def before_write() -> float:
            return await self._pass_gate(job)

        outcome = await self._client.send(self._message(job), before_write)
        if job.serial > before and outcome.kind.sent == "no":
            job.unsent = int(outcome.kind.counts_as_attempt)
        await self._tell(outcome)
        return outcome

    async def _pass_gate(self, job: Job) -> float:
        """Wait for permission; returns until when it holds.

        Raises:
            NotAdmitted: Not now, or not at all.
        """
        while not self._around.stopping:
            try:
                passed = await job.lease.gate(job.ticket())
            except DispatchError:
                raise NotAdmitted(None) from None
            if passed.answer == 0:
                job.passed()
                return passed.asked_at + PERMIT_S
            if not 0 < passed.answer <= PATIENCE_MS:
                raise NotAdmitted(passed.answer)
            await self._around.pause(passed.answer / 1000)
        raise NotAdmitted(Refusal.STOPPED)

    def _message(self, job: Job) -> Message:
        campaign = job.campaign
        return Message(
            application_id=campaign.application_id or self._application_id or "",
            sender=campaign.sender,
            to=job.to,
            text=campaign.text,
            media=campaign.media,
            tag=job.tag,
        )

    async def _tell(self, outcome: Outcome) -> None:
        """What concerns more than this group: can the provider be reached at all?"""
        if outcome.kind is Kind.UNREACHABLE:
            await self._around.reachable(reached=False)
        elif outcome.kind not in _NO_ANSWER:
            await self._around.reachable(reached=True)
        if outcome.kind is Kind.ACCEPTED and self._throttled:
            self._throttled = False
            await self._ledger.run(calls.unthrottle())

    # -- the way back ------------------------------------------------------

    async def _conclude(self, job: Job, outcome: Outcome) -> str:
        """Record an outcome as the retry decision says."""
        step = next_step(outcome, job.attempts, _policy(job), self._random.random)
        _report(job, outcome)
        match step:
            case Accepted(message_id):
                return await self._settle(job, Verdict.ACCEPTED, message_id or "")
            case Failed(code, sentence):
                return await self._settle(job, Verdict.FAILED, code, sentence or "")
            case Park(code):
                return await self._settle(job, Verdict.UNKNOWN, code)
            case HandBack(pause=PauseCampaign() | PauseAccount() as pause):
                await self._obey(job, pause)
        return await self._return(job, step.delay_s, outcome.code)

    async def _obey(self, job: Job, pause: PauseCampaign | PauseAccount) -> None:
        """Before the group goes back, or it would be claimed again at once."""
        if isinstance(pause, PauseAccount):
            self._throttled = True
            await self._ledger.run(calls.throttle(pause.retry_after))
        else:
            reason = f"the provider answered {pause.reason}"
            await self._ledger.run(calls.control(job.id, "pause", reason))

    async def _hand_back(self, job: Job, refusal: NotAdmitted) -> str:
        if refusal.answer is None:
            # The call may have run: then what it began ends here.
            next_serial = job.serial + 1
            await self._settle(job, Verdict.BACK, serial=next_serial)
        return await self._return(job, refusal.delay_ms / 1000, "")

    async def _return(self, job: Job, delay_s: float, code: str) -> str:
        """Put a group back: nothing of it can have arrived."""
        delay_ms = int(delay_s * 1000)
        if job.unsent is None:
            return await self._settle(job, Verdict.BACK, delay_ms=delay_ms)
        return await self._settle(
            job, Verdict.RETRY, code, delay_ms=delay_ms, spent=job.unsent
        )

    async def _abandon(self, job: Job) -> str:
        """A fault of ours: whatever may have been written is unknown."""
        for serial in (job.serial, job.serial + 1):
            await self._settle(job, Verdict.UNKNOWN, "worker fault", serial=serial)
        return await self._settle(job, Verdict.BACK, serial=0, delay_ms=CRASH_DELAY_MS)

    async def _settle(
        self,
        job: Job,
        verdict: Verdict,
        detail: str = "",
        sentence: str = "",
        *,
        serial: int | None = None,
        delay_ms: int = 0,
        spent: int = 0,
    ) -> str:
        serial = job.serial if serial is None else serial
        await job.lease.settle(
            Settlement(
                *(job.id, job.group, serial, verdict, job.lock),
                *(detail, sentence, delay_ms, spent),
            )
        )
        return verdict.value
