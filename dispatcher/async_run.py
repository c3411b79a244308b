"""The async twin of `run`; like all of `aio`, it decides nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from functools import partial
from typing import Literal, overload

from dispatcher.books import Verification
from dispatcher.bridge import Threads, stream
from dispatcher.errors import InvalidInput
from dispatcher.explain import Explanation
from dispatcher.ledger.states import CampaignState
from dispatcher.order import Submission
from dispatcher.results import GroupResult, Progress, RecipientResult, check_state
from dispatcher.run import LOOK_S, Run


class AsyncRun:
    """One submitted campaign, from an event loop.

    Attributes:
        id: Its id.
        submission: What the submit that returned this did; None otherwise.
    """

    def __init__(self, run: Run, threads: Threads) -> None:
        self.id: str = run.id
        self.submission: Submission | None = run.submission
        self._run = run
        self._threads = threads

    def __repr__(self) -> str:
        return f"AsyncRun({self.id!r})"

    # -- reading -----------------------------------------------------------

    async def progress(self) -> Progress:
        """Counts by state, rate and time left, as of now."""
        return await self._threads.call(self._run.progress)

    async def wait(self, timeout: float | None = None) -> Progress:  # noqa: ASYNC109 - as `Run.wait`
        """Wait until nothing more happens by itself: done, cancelled or paused.

        Waiting takes no thread, and may be cancelled.

        Args:
            timeout: Seconds; None waits for ever.

        Raises:
            TimeoutError: It still runs.
        """
        clock = asyncio.get_running_loop().time
        end = None if timeout is None else clock() + timeout
        while True:
            now = await self.progress()
            if now.finished or now.state == CampaignState.PAUSED:
                return now
            if end is not None and clock() >= end:
                raise TimeoutError(f"campaign {self.id!r} still runs")
            await asyncio.sleep(LOOK_S)

    @overload
    def results(
        self, *, state: str | None = None, by: Literal["group"] = "group"
    ) -> AsyncIterator[GroupResult]: ...

    @overload
    def results(
        self, *, state: str | None = None, by: Literal["recipient"]
    ) -> AsyncIterator[RecipientResult]: ...

    def results(
        self, *, state: str | None = None, by: str = "group"
    ) -> AsyncIterator[GroupResult] | AsyncIterator[RecipientResult]:
        """What happened to every group, or to every recipient; streamed.

        They are fetched some hundred at a time, as fast as they are taken. Whoever
        stops half-way leaves nothing open.

        Args:
            state: Only groups in this state.
            by: "group" or "recipient".

        Raises:
            InvalidInput: There is no such state, or no such view.
        """
        check_state(state)
        run = self._run
        if by == "group":
            return stream(self._threads, lambda: run.results(state=state))
        if by == "recipient":
            by_recipient = partial(run.results, state=state, by="recipient")
            return stream(self._threads, by_recipient)
        raise InvalidInput("results are by group or by recipient")

    async def errors(self) -> dict[str, int]:
        """Failed groups by error code."""
        return await self._threads.call(self._run.errors)

    async def explain(self) -> Explanation:
        """Why nothing is sent right now, or what limits the speed.

        Rates are settings of the workers: this takes them to have the same as here.
        """
        return await self._threads.call(self._run.explain)

    async def verify(self) -> Verification:
        """Recount the books from the raw records.

        A campaign that is paused because the ledger was set back may be resumed once
        its books balance.
        """
        return await self._threads.call(self._run.verify)

    # -- steering ----------------------------------------------------------

    async def pause(self) -> list[int]:
        """Send nothing more of this campaign until `resume`.

        Returns once no group is on its way any more, or after the HTTP deadline.

        Returns:
            The numbers of the groups that may still arrive: those on their way, and
            those that were and got no answer. None as a rule.

        Raises:
            Refused: It is done or cancelled.
        """
        return await self._threads.call(self._run.pause)

    async def resume(self) -> None:
        """Go on after a pause.

        Raises:
            Refused: It is not paused, or paused because the ledger was set back, and
                not verified since.
        """
        await self._threads.call(self._run.resume)

    async def cancel(self) -> None:
        """Send nothing more of this campaign, for good.

        Raises:
            Refused: It is done.
        """
        await self._threads.call(self._run.cancel)

    async def retry(
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
        return await self._threads.call(
            partial(self._run.retry, failed=failed, held=held, codes=codes)
        )

    async def resolve(self, group: int, *, message_id: str | None) -> None:
        """Tell what a person found out about an unknown or held group.

        Args:
            group: The group's number.
            message_id: The provider's id of the message that was sent; None: it was
                not sent, and is to be.

        Raises:
            Refused: The group is neither unknown nor held.
            UnknownCampaign: There is no such group.
        """
        resolve = partial(self._run.resolve, message_id=message_id)
        await self._threads.call(resolve, group)
