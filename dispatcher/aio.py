"""The async twin of `client`, for web applications.

Everything that blocks runs on the blocking client, in threads of our own: each promise
has one implementation, and the event loop is never held up. Nothing is decided here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Collection, Iterable
from functools import partial
from types import TracebackType
from typing import Literal, Self, overload

from dispatcher.books import Verification
from dispatcher.bridge import Threads, load, stream
from dispatcher.campaign import Campaign
from dispatcher.client import LOOK_S, Dispatcher, Run
from dispatcher.errors import InvalidInput
from dispatcher.explain import Explanation
from dispatcher.ledger.states import CampaignState
from dispatcher.producer import Submission
from dispatcher.recipients import Row
from dispatcher.results import (
    GroupResult,
    Progress,
    RecipientResult,
    check_state,
)
from dispatcher.settings import Settings
from dispatcher.suppression import Suppression


class AsyncDispatcher:
    """Submits campaigns and tells what became of them, from an event loop.

    Use it as `async with AsyncDispatcher() as dispatcher`, one for the whole
    application, once; it belongs to the loop that it was entered in.

    A call that is cancelled stops waiting at once. What it asked for is still carried
    out if it had begun; only `submit` takes back what it did.

    Args:
        settings: Read from the environment if None.

    Raises:
        ConfigError: On entering: a setting is missing or wrong.
        LedgerError: On entering: the Redis at the address cannot be the ledger.
        RuntimeError: From every method: it is not entered, or closed already.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings
        self._threads = Threads()
        self._blocking: Dispatcher | None = None

    async def __aenter__(self) -> Self:
        try:
            self._blocking = await self._threads.call(Dispatcher, self._settings)
        except BaseException:
            self._threads.close(wait=False)
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Let the calls under way end, then give threads and connections back."""
        blocking, self._blocking = self._blocking, None
        if blocking is not None:
            await asyncio.to_thread(self._threads.close, wait=True)
            await asyncio.to_thread(blocking.close)

    async def submit(
        self,
        campaign: Campaign,
        recipients: Iterable[str | Row] | AsyncIterable[str | Row],
        *,
        id: str | None = None,  # noqa: A002 - the public word for it
        region: str = "US",
        strict: bool = False,
        stop_after: int | None = None,
    ) -> AsyncRun:
        """Load a list and start its campaign; from then on no group is lost.

        If the iterable raises, that error comes out of here and nothing is submitted.
        If this call is cancelled, either nothing is submitted or, when the last step
        was under way already, everything is; never a part. It ends when that is
        decided, or at the second cancellation.

        Args:
            campaign: The message and its rules.
            recipients: From `read_recipients`, or any iterable of written numbers,
                which is read in a thread; or an async iterable, such as an upload,
                which is read in the loop, no faster than the list can be stored.
            id: Makes a repeated call harmless: the same id and content again
                changes nothing. A random one if None.
            region: Country of numbers without a country code.
            strict: Submit nothing if any row would be left out.
            stop_after: Pause after so many groups were sent (canary).

        Raises:
            ContentConflict: The id belongs to a campaign with other content.
            ListRejected: There is nobody to send to, or `strict` forbids it.
            MediaExpire: The provider would delete uploaded media before the end.
            MediaError: The provider did not take a local file of `media`.
            InvalidInput: The list or a file of `media` cannot be read, or an argument
                is wrong.
            LedgerError: Redis cannot take it; nothing was submitted.
        """
        submit = partial(
            self._opened.submit,
            campaign,
            id=id,
            region=region,
            strict=strict,
            stop_after=stop_after,
        )
        run = await load(self._threads, submit, recipients)
        return AsyncRun(run, self._threads)

    async def campaigns(self) -> list[AsyncRun]:
        """Every campaign of this ledger, oldest first."""
        runs = await self._threads.call(self._opened.campaigns)
        return [AsyncRun(run, self._threads) for run in runs]

    async def campaign(self, id: str) -> AsyncRun:  # noqa: A002 - the public word
        """One campaign.

        Raises:
            UnknownCampaign: No campaign has that id.
        """
        run = await self._threads.call(self._opened.campaign, id)
        return AsyncRun(run, self._threads)

    async def pause(self, id: str) -> list[int]:  # noqa: A002 - the public word
        """`AsyncRun.pause` of that campaign."""
        return await self._threads.call(self._opened.pause, id)

    async def resume(self, id: str) -> None:  # noqa: A002 - the public word for it
        """`AsyncRun.resume` of that campaign."""
        await self._threads.call(self._opened.resume, id)

    async def cancel(self, id: str) -> None:  # noqa: A002 - the public word for it
        """`AsyncRun.cancel` of that campaign."""
        await self._threads.call(self._opened.cancel, id)

    async def retry(
        self,
        id: str,  # noqa: A002 - the public word for it
        *,
        failed: bool = False,
        held: bool = False,
        codes: Collection[str] | None = None,
    ) -> int:
        """`AsyncRun.retry` of that campaign."""
        retry = partial(self._opened.retry, failed=failed, held=held, codes=codes)
        return await self._threads.call(retry, id)

    # -- who gets nothing any more -----------------------------------------

    async def suppress(
        self,
        numbers: Iterable[str],
        sender: str | None = None,
        *,
        region: str = "US",
    ) -> int:
        """Send these people nothing any more; see `Dispatcher.suppress`.

        Args:
            numbers: Written in any usual way.
            sender: Only this sender (E.164) may not write to them; None: nobody may.
            region: Country of numbers without a country code.

        Returns:
            How many were not on that list before.

        Raises:
            InvalidInput: One is no phone number; nothing was stored.
            LedgerError: Redis cannot take them; some may be stored.
        """
        suppress = partial(self._opened.suppress, region=region)
        return await self._threads.call(suppress, numbers, sender)

    async def unsuppress(
        self,
        numbers: Iterable[str],
        sender: str | None = None,
        *,
        region: str = "US",
    ) -> int:
        """Take people off a list; see `Dispatcher.unsuppress`.

        Args:
            numbers: Written in any usual way.
            sender: From the list of this sender; None: from that of all senders.
            region: Country of numbers without a country code.

        Returns:
            How many were on it.

        Raises:
            InvalidInput: One is no phone number; nothing was changed.
            LedgerError: Redis cannot serve; some may be removed.
        """
        unsuppress = partial(self._opened.unsuppress, region=region)
        return await self._threads.call(unsuppress, numbers, sender)

    def suppressed(self, sender: str | None = None) -> AsyncIterator[Suppression]:
        """People who get nothing any more; streamed, in no order.

        Args:
            sender: Only those whom this sender may not write to; None: all lists.
        """
        blocking = self._opened
        return stream(self._threads, lambda: blocking.suppressed(sender))

    async def suppressed_count(self, sender: str | None = None) -> int:
        """How many entries `suppressed` has."""
        return await self._threads.call(self._opened.suppressed_count, sender)

    @property
    def _opened(self) -> Dispatcher:
        if self._blocking is None:
            raise RuntimeError(
                "the dispatcher is not open: use it inside `async with "
                "AsyncDispatcher() as dispatcher`"
            )
        return self._blocking


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
            The numbers of the groups still on their way; none as a rule.

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
