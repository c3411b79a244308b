"""What users hold of one submitted campaign: `Run`, to watch and to steer it."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Final, Literal, overload

from dispatcher import books, results
from dispatcher.errors import InvalidInput, Refused
from dispatcher.explain import Explanation, explain
from dispatcher.ledger import calls
from dispatcher.ledger.calls import Settlement, Verdict
from dispatcher.ledger.day import used_up_until
from dispatcher.ledger.identity import SET_BACK, VERIFIED
from dispatcher.ledger.rows import CampaignRow, GroupRow
from dispatcher.ledger.states import CampaignState, GroupState
from dispatcher.order import Submission
from dispatcher.results import GroupResult, Progress, RecipientResult

if TYPE_CHECKING:
    from dispatcher.client import Dispatcher

#: Seconds between two looks of `wait`.
LOOK_S: Final = 0.25
#: Seconds `pause` waits for sends under way, beyond their HTTP deadline.
_SETTLE_S: Final = 5.0
#: Seconds a ledger that was set back listens to its workers (6), and room.
_HEARD_S: Final = 10.0
#: Sent, and nobody knows whether the provider took them or will yet.
_NO_ANSWER: Final = (GroupState.SENDING, GroupState.UNKNOWN, GroupState.HELD)
#: Groups asked for again in one script.
_BATCH: Final = 200


class Run:
    """One submitted campaign.

    Attributes:
        id: Its id.
        submission: What the submit that returned this did; None otherwise.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        id: str,  # noqa: A002 - the public word for it
        submission: Submission | None = None,
    ) -> None:
        self.id = id
        self.submission = submission
        self._dispatcher = dispatcher
        self._ledger = dispatcher.ledger

    def __repr__(self) -> str:
        return f"Run({self.id!r})"

    # -- reading -----------------------------------------------------------

    def progress(self) -> Progress:
        """Counts by state, rate and time left, as of now."""
        row, now = self._row(), self._ledger.now_ms()
        waits = row.state == CampaignState.RUNNING
        capped_until = used_up_until(self._ledger, now) if waits else 0
        return results.progress(row, now, capped_until)

    def wait(self, timeout: float | None = None) -> Progress:
        """Wait until nothing more happens by itself: done, cancelled or paused.

        Args:
            timeout: Seconds; None waits for ever.

        Raises:
            TimeoutError: It still runs.
        """
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            now = self.progress()
            if now.finished or now.state == CampaignState.PAUSED:
                return now
            if end is not None and time.monotonic() >= end:
                raise TimeoutError(f"campaign {self.id!r} still runs")
            time.sleep(LOOK_S)

    @overload
    def results(
        self, *, state: str | None = None, by: Literal["group"] = "group"
    ) -> Iterator[GroupResult]: ...

    @overload
    def results(
        self, *, state: str | None = None, by: Literal["recipient"]
    ) -> Iterator[RecipientResult]: ...

    def results(
        self, *, state: str | None = None, by: str = "group"
    ) -> Iterator[GroupResult] | Iterator[RecipientResult]:
        """What happened to every group, or to every recipient; streamed.

        Args:
            state: Only groups in this state.
            by: "group" or "recipient".

        Raises:
            InvalidInput: There is no such state, or no such view.
        """
        wanted = results.check_state(state)
        if by == "group":
            return results.by_group(self._ledger, self._row(), wanted)
        if by == "recipient":
            return results.by_recipient(self._ledger, self._row(), wanted)
        raise InvalidInput("results are by group or by recipient")

    def errors(self) -> dict[str, int]:
        """Failed groups by error code."""
        return self._ledger.error_counts(self._row())

    def explain(self) -> Explanation:
        """Why nothing is sent right now, or what limits the speed.

        Rates are settings of the workers: this takes them to have the same as here.
        """
        rates = self._dispatcher.settings.rates
        return explain(self.id, self._ledger.circumstances(self._row(), rates))

    def verify(self) -> books.Verification:
        """Recount the books from the raw records.

        A campaign that is paused because the ledger was set back may be resumed once
        its books balance.
        """
        found = books.verify(self._ledger, self.id)
        if found.balanced:
            self._vouch()
        return found

    def _vouch(self) -> None:
        """Let it be resumed if it waits for that: when every worker was heard."""
        end = time.monotonic() + _HEARD_S
        while self._row().reason == SET_BACK and time.monotonic() < end:
            self._command("vouch", CampaignState.PAUSED, VERIFIED)
            if self._row().reason == SET_BACK:
                time.sleep(LOOK_S)

    # -- steering ----------------------------------------------------------

    def pause(self) -> list[int]:
        """Send nothing more of this campaign until `resume`.

        Returns once no group is on its way any more, or after the HTTP deadline.

        Returns:
            The numbers of the groups that may still arrive: those on their way, and
            those that were and got no answer. None as a rule.

        Raises:
            Refused: It is done or cancelled.
        """
        if self._row().state != CampaignState.PAUSED:
            self._command("pause", CampaignState.PAUSED, "by hand")
        deadline = self._dispatcher.settings.http_deadline
        since = self._ledger.now_ms() - deadline * 1000
        end = time.monotonic() + deadline + _SETTLE_S
        while self._row().counts[GroupState.SENDING] and time.monotonic() < end:
            time.sleep(LOOK_S)
        return self._under_way(since)

    def resume(self) -> None:
        """Go on after a pause.

        Raises:
            Refused: It is not paused, or paused because the ledger was set back, and
                not verified since.
        """
        running = (CampaignState.RUNNING, CampaignState.SCHEDULED, CampaignState.DONE)
        row = self._row()
        if row.state != CampaignState.PAUSED:
            raise Refused(f"campaign {self.id!r} is {row.state}, not paused")
        if row.reason == SET_BACK:
            raise Refused(
                f"the ledger was set back: run dispatcher verify {self.id}, then resume"
            )
        self._command("resume", running)
        self._dispatcher.wake()

    def cancel(self) -> None:
        """Send nothing more of this campaign, for good.

        Raises:
            Refused: It is done.
        """
        if self._row().state != CampaignState.CANCELLED:
            self._command("cancel", CampaignState.CANCELLED, "by hand")

    def retry(
        self,
        *,
        failed: bool = False,
        held: bool = False,
        codes: Collection[str] | None = None,
    ) -> int:
        """Send groups again that would stay as they are.

        Args:
            failed: Those that failed.
            held: Those of which nobody knows whether they arrived. Each of them may
                then arrive twice.
            codes: Of those that failed, only these codes (`errors` has them); None is
                all. What was refused for its content is refused again.

        Returns:
            How many groups will be tried again.

        Raises:
            Refused: The campaign is cancelled.
        """
        row = self._row()
        if row.state == CampaignState.CANCELLED:
            raise Refused(f"campaign {self.id!r} is cancelled")
        wanted = {GroupState.FAILED} if failed else set()
        wanted |= {GroupState.HELD} if held else set()
        groups = (
            g
            for g in self._ledger.groups(row)
            if g.record.state in wanted and _has_code(g, codes)
        )
        asked = 0
        while batch := list(islice(groups, _BATCH)):
            asked += sum(self._settle(row, batch, Verdict.ASK))
        self._dispatcher.wake()
        return asked

    def resolve(self, group: int, *, message_id: str | None) -> None:
        """Tell what a person found out about an unknown or held group.

        Args:
            group: The group's number.
            message_id: The provider's id of the message that was sent; None: it was
                not sent, and is to be.

        Raises:
            Refused: The group is neither unknown nor held.
            UnknownCampaign: There is no such group.
        """
        row = self._row()
        found = self._ledger.group(row, group)
        if found.record.state not in (GroupState.UNKNOWN, GroupState.HELD):
            raise Refused(
                f"group {group} is {found.record.state.word}; only an unknown or held "
                "one can be resolved"
            )
        verdict = Verdict.RETRY if message_id is None else Verdict.ACCEPTED
        if not any(self._settle(row, [found], verdict, message_id or "")):
            self._row()  # The campaign may be archived: then that is what is told.
            raise Refused(f"group {group} was settled meanwhile; look at it again")
        if message_id is None:
            self._dispatcher.wake()

    def _settle(
        self,
        row: CampaignRow,
        groups: list[GroupRow],
        verdict: Verdict,
        detail: str = "",
    ) -> list[int]:
        items = [
            Settlement(
                *(self.id, g.group, g.record.serial, verdict),
                lock=g.lock(row.sender),
                detail=detail or g.record.tail,
            )
            for g in groups
        ]
        return self._ledger.run(calls.settle("", items))

    def _command(
        self,
        command: Literal["pause", "resume", "cancel", "vouch"],
        expected: CampaignState | tuple[CampaignState, ...],
        reason: str = "",
    ) -> None:
        answer = self._ledger.run(calls.control(self.id, command, reason))
        # Without an answer there is no such campaign, or not yet: that is told.
        state = answer[0] if answer else self._row().state
        if state not in (expected if isinstance(expected, tuple) else (expected,)):
            raise Refused(f"campaign {self.id!r} is {state}: it cannot {command}")

    def _under_way(self, since_ms: float) -> list[int]:
        row = self._row()
        if not sum(row.counts[state] for state in _NO_ANSWER):
            return []
        records = ((group.group, group.record) for group in self._ledger.groups(row))
        return [
            group
            for group, record in records
            if record.state == GroupState.SENDING
            or (record.state in _NO_ANSWER and record.gated_at >= since_ms)
        ]

    def _row(self) -> CampaignRow:
        return self._ledger.campaign(self.id)


def _has_code(group: GroupRow, codes: Collection[str] | None) -> bool:
    failed = group.record.state == GroupState.FAILED
    return codes is None or not failed or group.record.tail in codes
