"""One reading of an order's list: rows in, groups out, books kept.

It never writes to the ledger, and never holds the list in memory.
"""

from __future__ import annotations

import hashlib
import json
import math
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from pyroaring import BitMap64

from dispatcher import grouping
from dispatcher.errors import ListRejected, MediaExpire, UnitsExceeded
from dispatcher.forecast import Forecast, by_hours, forecast
from dispatcher.hours import Hours
from dispatcher.intake import Intake
from dispatcher.lanes import Lane, Lanes
from dispatcher.ledger.codec import Members, in_chunks
from dispatcher.numbers import Reason
from dispatcher.order import Order
from dispatcher.recipients import Recipients, as_rows
from dispatcher.rejections import RejectionsFile
from dispatcher.units import units


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

    @property
    def rejected(self) -> dict[str, int]:
        """Rows with a bad number so far, by reason."""
        return _plain(self.intake.rejected)

    @property
    def dropped(self) -> dict[str, int]:
        """Good numbers left out so far, by reason."""
        return _plain(self.intake.dropped)

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

    def check_units(self) -> None:
        """Does it cost no more than it may?

        Raises:
            UnitsExceeded: It does.
        """
        most = self._order.campaign.max_units
        if most is not None and self.units > most:
            raise UnitsExceeded(
                f"the list costs {self.units:,} units, more than the {most:,} that the "
                "campaign may cost; shorten it, or allow more"
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
            day=self._order.day,
        )
        if outlook.ends_at > until:
            raise MediaExpire(_media_expire(outlook, until))

    def fields(self) -> dict[str, str | int | float]:
        """What the ledger stores of the campaign."""
        campaign = self._order.campaign
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
            "recipients": self.intake.rows,
            "rejected": json.dumps(self.rejected),
            "dropped": json.dumps(self.dropped),
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
