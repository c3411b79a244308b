"""The async twin of `client`, for web applications.

Everything that blocks runs on the blocking client, in threads of our own: each promise
has one implementation, and the event loop is never held up. Nothing is decided here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Collection, Iterable
from datetime import datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from dispatcher.archive import Archive
from dispatcher.async_run import AsyncRun
from dispatcher.bridge import Threads, load, stream
from dispatcher.campaign import Campaign
from dispatcher.client import Dispatcher
from dispatcher.recipients import Row
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
            UnitsExceeded: The list costs more than the campaign's `max_units`.
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

    async def ended_before(self, moment: datetime) -> list[AsyncRun]:
        """Campaigns that have been done or cancelled since before then.

        Args:
            moment: Has a time zone.
        """
        runs = await self._threads.call(self._opened.ended_before, moment)
        return [AsyncRun(run, self._threads) for run in runs]

    async def archive(
        self,
        id: str,  # noqa: A002 - the public word for it
        directory: str | Path,
        *,
        format: str = "csv",  # noqa: A002 - the public word for it
        keep: bool = False,
        anyway: bool = False,
    ) -> Archive:
        """Export a campaign that is over, then remove it; see `Dispatcher.archive`.

        Args:
            id: The campaign's.
            directory: Where the files go; made if it is not there.
            format: csv, jsonl or parquet (needs `group-dispatcher[parquet]`).
            keep: Only export.
            anyway: Also with held groups that nobody decided about, and with deliveries
                that are still awaited: how they ended will not be known.

        Raises:
            UnknownCampaign: No campaign has that id.
            CampaignArchived: It was archived before.
            Refused: It is not over, or something of it is open; nothing was removed.
            InvalidInput: There is no such format, or the place cannot be written to.
            DispatchError: The files could not be written; nothing was removed.
            LedgerError: Redis does not answer; call it again.
        """
        archive = partial(self._opened.archive, format=format, keep=keep, anyway=anyway)
        return await self._threads.call(archive, id, directory)

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
