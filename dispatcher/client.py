"""What users hold: `Dispatcher`, the way in. One submitted campaign is `run.py`'s."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from dispatcher.archive import Archive, archive
from dispatcher.campaign import Campaign
from dispatcher.embedded import ledger_address, redis_address
from dispatcher.errors import InvalidInput, LedgerError
from dispatcher.forecast import Day
from dispatcher.ledger.day import used_units
from dispatcher.ledger.ledger import Ledger
from dispatcher.order import Order, check_id, new_id
from dispatcher.producer import Producer
from dispatcher.queue import make_app, publish_wake_up
from dispatcher.recipients import Row
from dispatcher.run import Run
from dispatcher.settings import Settings
from dispatcher.suppression import Suppressor
from dispatcher.uploads import kept_until, read_files, upload

log = structlog.get_logger(__name__)


class Dispatcher(Suppressor):
    """Submits campaigns and tells what became of them.

    Args:
        settings: Read from the environment if None.

    Raises:
        ConfigError: A setting is missing or wrong.
        LedgerError: The Redis at the address cannot be the ledger.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings.load()
        self._broker_url = redis_address(self.settings)
        self.ledger = Ledger(ledger_address(self.settings))
        self.ledger.check()
        self._is_checked = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self.ledger.close()

    def submit(
        self,
        campaign: Campaign,
        recipients: Iterable[str | Row],
        *,
        id: str | None = None,  # noqa: A002 - the public word for it
        region: str = "US",
        strict: bool = False,
        stop_after: int | None = None,
    ) -> Run:
        """Load a list and start its campaign; from then on no group is lost.

        Args:
            campaign: The message and its rules.
            recipients: From `read_recipients`, or any iterable of written numbers.
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
        order = self.order(
            campaign,
            recipients,
            id,
            region=region,
            strict=strict,
            stop_after=stop_after,
        )
        return self.place(order)

    def order(
        self,
        campaign: Campaign,
        recipients: Iterable[str | Row],
        id: str | None = None,  # noqa: A002 - the public word for it
        *,
        region: str = "US",
        strict: bool = False,
        stop_after: int | None = None,
        dry_run: bool = False,
    ) -> Order:
        """An order as `submit` would place it, for `place`."""
        if stop_after is not None and stop_after < 1:
            raise InvalidInput("stop_after is a number of groups, 1 or more")
        if campaign.application_id is None and self.settings.application_id:
            application = {"application_id": self.settings.application_id}
            campaign = campaign.model_copy(update=application)
        return Order(
            id=check_id(id) if id is not None else new_id(),
            campaign=campaign,
            rows=recipients,
            region=region,
            strict=strict,
            stop_after=stop_after,
            dry_run=dry_run,
            hours_margin=self.settings.hours_margin,
            rates=(self.settings.account_rate, self.settings.sender_rate),
            day=self._day(),
            media_until=kept_until(campaign, self.settings, datetime.now(UTC)),
        )

    def _day(self) -> Day | None:
        cap = self.settings.daily_units
        if cap is None:
            return None
        return Day(cap, used_units(self.ledger, self.ledger.now_ms()))

    def place(self, order: Order) -> Run:
        """Submit an order; raises as `submit` does."""
        if order.dry_run:
            read_files(order.campaign)
        else:
            self._check_safety()
            campaign = upload(order.campaign, self.settings)
            order = replace(order, campaign=campaign)
        directory = self.settings.data_path / "rejections"
        submission = Producer(self.ledger, directory).submit(order)
        if not order.dry_run:
            self.wake()
        return Run(self, order.id, submission)

    def _check_safety(self) -> None:
        """Once: is what will be submitted safe there?"""
        if not self._is_checked:
            insisted = self.settings.allow_unsafe_redis
            for remark in self.ledger.check_safety(insisted=insisted):
                log.warning("redis.unsafe", found=remark.found, advice=remark.advice)
            self._is_checked = True

    def campaigns(self) -> list[Run]:
        """Every campaign of this ledger, oldest first."""
        return [Run(self, id_) for id_ in self.ledger.campaign_ids()]

    def campaign(self, id: str) -> Run:  # noqa: A002 - the public word for it
        """One campaign.

        Raises:
            UnknownCampaign: No campaign has that id.
        """
        self.ledger.campaign(check_id(id))
        return Run(self, id)

    def pause(self, id: str) -> list[int]:  # noqa: A002 - the public word for it
        """`Run.pause` of that campaign."""
        return self.campaign(id).pause()

    def resume(self, id: str) -> None:  # noqa: A002 - the public word for it
        """`Run.resume` of that campaign."""
        self.campaign(id).resume()

    def cancel(self, id: str) -> None:  # noqa: A002 - the public word for it
        """`Run.cancel` of that campaign."""
        self.campaign(id).cancel()

    def retry(
        self,
        id: str,  # noqa: A002 - the public word for it
        *,
        failed: bool = False,
        held: bool = False,
        codes: Collection[str] | None = None,
    ) -> int:
        """`Run.retry` of that campaign."""
        return self.campaign(id).retry(failed=failed, held=held, codes=codes)

    def ended_before(self, moment: datetime) -> list[Run]:
        """Campaigns that have been done or cancelled since before then.

        Args:
            moment: Has a time zone.
        """
        end = moment.timestamp() * 1000
        over = (row for row in self.ledger.campaigns() if row.finished)
        return [Run(self, row.id) for row in over if row.ended_at < end]

    def archive(
        self,
        id: str,  # noqa: A002 - the public word for it
        directory: str | Path,
        *,
        format: str = "csv",  # noqa: A002 - the public word for it
        keep: bool = False,
        anyway: bool = False,
    ) -> Archive:
        """Export a campaign that is done or cancelled, then remove it.

        It is removed when the files are on the disk and agree with the books. Its id
        stays taken. To call it again after a crash is harmless, and finishes it.

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
        return archive(
            self.ledger,
            check_id(id),
            Path(directory).expanduser(),
            format=format,
            keep=keep,
            anyway=anyway,
        )

    def wake(self) -> None:
        """Call a worker. Should that fail, a worker's clock finds the work."""
        try:
            publish_wake_up(self._app)
        except LedgerError as error:
            log.warning("wake_up.not_published", reason=str(error))

    @cached_property
    def _app(self):  # type: ignore[no-untyped-def]  # noqa: ANN202 - Celery
        return make_app(self._broker_url)
