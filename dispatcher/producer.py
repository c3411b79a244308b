"""The producer: recipients -> groups -> ledger, all or nothing.

A list is loaded under a random nonce and becomes the campaign's list in one
atomic step at the end. A submission that dies leaves only chunks that expire;
the next one with the same id starts again. The producer never sends, and never
holds the list in memory.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Final

from pyroaring import BitMap64
from tenacity import (
    Retrying,
    retry_if_exception_type,
    stop_after_delay,
    wait_random_exponential,
)

from dispatcher import grouping
from dispatcher.campaign import Campaign
from dispatcher.errors import (
    ContentConflict,
    InvalidInput,
    LedgerError,
    LedgerUnreachable,
    ListRejected,
    MediaExpire,
    Refused,
)
from dispatcher.forecast import Forecast, by_hours, forecast
from dispatcher.hours import Hours
from dispatcher.intake import Intake
from dispatcher.lanes import Lane, Lanes
from dispatcher.ledger import calls
from dispatcher.ledger.codec import Members, in_chunks
from dispatcher.ledger.ledger import Ledger
from dispatcher.ledger.loads import LOAD_TTL_S
from dispatcher.ledger.suppressions import snapshot
from dispatcher.numbers import Reason
from dispatcher.recipients import Recipients, Row, as_rows
from dispatcher.rejections import RejectionsFile
from dispatcher.units import units

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

_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True, slots=True)
class Order:
    """What to submit and how.

    Attributes:
        id: The campaign's id.
        strict: Submit nothing if any row is left out.
        stop_after: Pause after so many groups passed the gate (canary).
        dry_run: Only count.
        region: Country of numbers without a country code.
        hours_margin: Seconds before quiet hours from which on nothing is sent.
        rates: Units a second that are permitted, each None if not limited.
        media_until: When the provider deletes the first of its media; None if never.
    """

    id: str
    campaign: Campaign
    rows: Iterable[str | Row] = field(repr=False)
    region: str = "US"
    strict: bool = False
    stop_after: int | None = None
    dry_run: bool = False
    hours_margin: float = 0.0
    rates: Sequence[float | None] = ()
    media_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Submission:
    """What became of a submission.

    Attributes:
        existing: The same campaign was there already; nothing was changed.
        recipients: Rows read.
        groups: Groups made.
        units: Units they cost.
        rejected: Rows with a bad number, by reason.
        dropped: Good numbers left out, by reason (duplicate, opted_out).
        rejections_file: Where every row left out is listed; None if there is none.
        lanes: Runs of groups with the same sending hours; none without such hours.
    """

    id: str
    existing: bool
    recipients: int
    groups: int
    units: int
    rejected: Mapping[str, int]
    dropped: Mapping[str, int]
    rejections_file: Path | None
    lanes: Sequence[Lane] = field(default=(), repr=False)


def check_id(id_: str) -> str:
    """The id itself, if it can be one.

    Raises:
        InvalidInput: It has other characters, or too many.
    """
    if not _ID.fullmatch(id_):
        raise InvalidInput(
            "an id has 1 to 64 letters, digits, dots, underscores or hyphens"
        )
    return id_


def new_id() -> str:
    """An id for a campaign that was given none: its time and a random part."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


class Load:
    """One reading of an order's list: chunks out, books kept.

    Args:
        suppressed: Who had opted out when it began.
    """

    def __init__(
        self,
        order: Order,
        directory: Path,
        rejections: RejectionsFile,
        suppressed: BitMap64,
    ) -> None:
        self.nonce = secrets.token_hex(5)
        self.groups = 0
        self.units = 0
        self.chunks = 0
        self._order = order
        self._directory = directory
        self._grouped = isinstance(order.rows, Recipients) and order.rows.grouped
        region = (
            order.rows.region if isinstance(order.rows, Recipients) else order.region
        )
        self._lanes = _lanes(order)
        self.intake = Intake(
            as_rows(order.rows),
            region=region,
            place=self._lanes.place if self._lanes else None,
            suppressed=suppressed,
            reject=rejections.add,
        )

    def __iter__(self) -> Iterator[list[Members]]:
        """The chunks, in order."""
        for chunk in in_chunks(self._counted(self._members())):
            self.chunks += 1
            yield chunk

    def _members(self) -> Iterator[Members]:
        size = self._order.campaign.group_size
        if self._lanes:
            return self._lanes.groups(
                self.intake, size, self._directory, by_key=self._grouped
            )
        if self._grouped:
            return grouping.by_key(self.intake, size, self._directory)
        return grouping.in_order((number for number, _ in self.intake), size)

    def _counted(self, groups: Iterable[Members]) -> Iterator[Members]:
        campaign = self._order.campaign
        single = units(1, campaign.text, bool(campaign.media))
        for group in groups:
            self.groups += 1
            self.units += len(group) if len(group) > 1 else single
            yield group

    @property
    def lanes(self) -> Sequence[Lane]:
        """Runs of groups with the same sending hours; known once all chunks are."""
        return self._lanes.lanes if self._lanes else ()

    def content(self) -> str:
        """The identity of what was read and of the message it is for."""
        campaign = json.dumps(self._order.campaign.content(), sort_keys=True)
        text = f"{campaign}\n{self._grouped}\n{self.intake.digest()}"
        return hashlib.sha256(text.encode()).hexdigest()

    def check(self) -> None:
        """Is there anything to send, and may it be sent?

        Raises:
            ListRejected: No recipient is left, or one was left out under `strict`.
        """
        left_out = self.intake.rejected.total() + self.intake.dropped.total()
        if not self.intake.accepted:
            raise ListRejected(f"none of {self.intake.rows} rows can get a message")
        if self._order.strict and left_out:
            raise ListRejected(
                f"{left_out} of {self.intake.rows} rows would be left out, "
                "and strict allows none"
            )

    def check_media(self) -> None:
        """Would its media last as long as it does?

        Raises:
            MediaExpire: It would still be sending when the provider deletes them.
        """
        until = self._order.media_until
        if until is None:
            return
        campaign = self._order.campaign
        outlook = forecast(
            self.units,
            (*self._order.rates, campaign.pace),
            now=datetime.now(UTC).astimezone(),
            starts_at=campaign.starts_at,
            hours=by_hours(self.lanes, self.units, self.groups),
        )
        if outlook.ends_at > until:
            raise MediaExpire(_media_expire(outlook, until))

    def fields(self) -> dict[str, str | int | float]:
        """What the ledger stores of the campaign."""
        campaign, intake = self._order.campaign, self.intake
        return {
            "spec": campaign.to_json(),
            "sender": campaign.sender,
            "group_size": campaign.group_size,
            "priority": campaign.priority,
            "pace": campaign.pace or 0,
            "stop_after": self._order.stop_after or 0,
            "error_threshold": campaign.error_threshold or 0,
            "starts_at": _ms(campaign.starts_at),
            "expires_at": _ms(campaign.expires_at),
            "lanes": len(self.lanes),
            "groups": self.groups,
            "units": self.units,
            "recipients": intake.rows,
            "rejected": json.dumps(_plain(intake.rejected)),
            "dropped": json.dumps(_plain(intake.dropped)),
        }


def _media_expire(outlook: Forecast, until: datetime) -> str:
    late = outlook.starts_at > until
    hours = f"{outlook.seconds / 3600:.0f} hours"
    when = "begins later" if late else f"takes {hours} at the permitted rate"
    return (
        "media: the provider deletes uploaded files after 48 hours, and this campaign "
        f"{when}; put the file on a server of your own and pass its URL"
    )


def _plain(books: Mapping[Reason, int]) -> dict[str, int]:
    return {reason.value: count for reason, count in books.items()}


def _lanes(order: Order) -> Lanes | None:
    """What sorts the groups by their hours, if the campaign has such.

    Raises:
        InvalidInput: Nothing is left of the hours.
    """
    quiet = order.campaign.quiet_hours
    if quiet is None:
        return None
    hours = Hours.parse(quiet).others.shortened(math.ceil(order.hours_margin / 60))
    return Lanes(hours, datetime.now(UTC))


def _ms(moment: datetime | None) -> int:
    return int(moment.timestamp() * 1000) if moment else 0


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
            rejected=_plain(load.intake.rejected),
            dropped=_plain(load.intake.dropped),
            rejections_file=rejections.path,
            lanes=load.lanes,
        )

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
