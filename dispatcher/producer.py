"""The producer: recipients -> groups -> ledger, all or nothing.

A list is loaded under a random nonce and becomes the campaign's list in one
atomic step at the end. A submission that dies leaves only chunks that expire;
the next one with the same id starts again. The producer never sends, and never
holds the list in memory.
"""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Final

from tenacity import (
    Retrying,
    retry_if_exception_type,
    stop_after_delay,
    wait_random_exponential,
)

from dispatcher.errors import (
    CampaignArchived,
    ContentConflict,
    LedgerError,
    LedgerUnreachable,
    Refused,
)
from dispatcher.ledger import calls
from dispatcher.ledger.ledger import Ledger
from dispatcher.ledger.loads import LOAD_TTL_S
from dispatcher.ledger.suppressions import snapshot
from dispatcher.load import Load
from dispatcher.order import Order, Submission, check_id
from dispatcher.rejections import RejectionsFile

#: Chunks written in one pipeline: some 100 KB on the wire.
PIPELINE: Final = 16
#: Seconds between two renewals of a load that takes long.
RENEW_S: Final = LOAD_TTL_S / 6

#: Seconds a load bears Redis being away.
PATIENCE_S: Final = 60.0
#: For what may be repeated: a chunk is written again as it was.
_PATIENT: Final = Retrying(
    retry=retry_if_exception_type(LedgerUnreachable),
    stop=stop_after_delay(PATIENCE_S),
    wait=wait_random_exponential(0.1, max=2),
    reraise=True,
)


class Producer:
    """Submits orders to a ledger.

    Args:
        directory: Where rejections go, and what does not fit into memory.
    """

    def __init__(self, ledger: Ledger, directory: Path) -> None:
        self._ledger = ledger
        self._directory = directory

    def submit(self, order: Order) -> Submission:
        """Load a list and make it a campaign, unless it is one already.

        Raises:
            ContentConflict: The id belongs to a campaign with other content.
            ListRejected: There is nobody to send to, or `strict` forbids it.
            UnitsExceeded: The list costs more than the campaign's `max_units`.
            MediaExpire: It would still be sending when its media are deleted.
            ListError: The list cannot be read.
            LedgerError: Redis cannot take it; nothing was submitted.
        """
        check_id(order.id)
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        rejections = RejectionsFile(self._directory / f"{order.id}-rejections.csv")
        opted_out = snapshot(self._ledger, order.campaign.sender)
        load = Load(order, self._directory, rejections, opted_out)
        committed = "" if order.dry_run else self._begin(order)
        try:
            with rejections:
                existing = self._load(load, order, committed)
        except BaseException:
            self._forget(load, order)
            raise
        return Submission(
            id=order.id,
            existing=existing,
            recipients=load.intake.rows,
            groups=load.groups,
            units=load.units,
            rejected=load.rejected,
            dropped=load.dropped,
            rejections_file=rejections.path,
            lanes=load.lanes,
            archived_at=self._archived_at(order) if existing else None,
        )

    def _archived_at(self, order: Order) -> datetime | None:
        try:
            self._ledger.campaign(order.id)
        except CampaignArchived as archived:
            return datetime.fromtimestamp(archived.archived_at / 1000, UTC)
        return None

    def _begin(self, order: Order) -> str:
        return self._ledger.run(calls.begin(order.id, LOAD_TTL_S))

    def _forget(self, load: Load, order: Order) -> None:
        """Leave nothing behind of a campaign that never was one."""
        with suppress(LedgerError):
            if not order.dry_run:
                self._ledger.drop_chunks(load.nonce, load.chunks)
                self._ledger.run(calls.forget(order.id))

    def _load(self, load: Load, order: Order, committed: str) -> bool:
        """Whether the campaign existed."""
        if committed or order.dry_run:
            for _ in load:
                pass
        else:
            self._write(load)
        return self._finish(load, order, committed)

    def _write(self, load: Load) -> None:
        chunks = iter(load)
        written, renew_at = 0, time.monotonic() + RENEW_S
        while batch := list(islice(chunks, PIPELINE)):
            _PATIENT(self._ledger.put_chunks, load.nonce, written, batch)
            written += len(batch)
            if time.monotonic() >= renew_at:
                self._ledger.renew_chunks(load.nonce, written)
                renew_at = time.monotonic() + RENEW_S
        self._ledger.put_lanes(load.nonce, load.lanes)

    def _finish(self, load: Load, order: Order, committed: str) -> bool:
        try:
            load.check()
            if not committed:
                load.check_units()
                load.check_media()
        except Refused:
            self._ledger.drop_chunks(load.nonce, load.chunks)
            raise
        if order.dry_run:
            return False
        content = load.content()
        if not committed:
            commit = calls.commit(
                order.id, load.nonce, content, load.chunks, load.fields()
            )
            committed = self._ledger.run(commit)
            if not committed:
                return False
            # Somebody else was first with this id.
            self._ledger.drop_chunks(load.nonce, load.chunks)
        if committed != content:
            raise ContentConflict(
                f"the id {order.id!r} belongs to a campaign with other content; "
                "choose another id"
            )
        return True
