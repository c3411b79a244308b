"""An order, as it goes to the producer, and what the producer says it did."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from dispatcher.campaign import Campaign
from dispatcher.errors import InvalidInput
from dispatcher.forecast import Day
from dispatcher.lanes import Lane
from dispatcher.recipients import Row

_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
#: Characters that the provider's message ids may have at most.
_LONGEST_ID: Final = 256


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
        day: The account's cap on the units of a day; None is none.
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
    day: Day | None = None
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
        archived_at: When the campaign that was there was archived; None if it is not.
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
    archived_at: datetime | None = None


def check_message_id(text: str) -> str:
    """A message id of the provider's as a person wrote it, without blanks around.

    Raises:
        InvalidInput: It is empty, too long, or holds what no id does.
    """
    if not text.strip() or len(text) > _LONGEST_ID or not text.isprintable():
        raise InvalidInput(
            f"write the provider's message id, at most {_LONGEST_ID} characters"
        )
    return text.strip()


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
