"""Archiving: a campaign that is over is exported, then removed from the ledger.

The order is what keeps it safe. Files are written, counted against the books, and on
the disk under their names. Then one atomic step makes a tombstone of it, if nothing
happened to it meanwhile. Then its memory is given back in small steps. A crash before
the second step leaves it as it was; after it, the next call goes on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from dispatcher import parquet
from dispatcher.archive_files import Differs, Export, Place
from dispatcher.errors import DispatchError, InvalidInput, Refused
from dispatcher.exports import FORMATS
from dispatcher.ledger.graves import bury
from dispatcher.ledger.ledger import Ledger
from dispatcher.ledger.rows import CampaignRow
from dispatcher.ledger.states import DeliveryState, GroupState
from dispatcher.words import count

#: Times that a campaign is exported when something happens to it meanwhile.
TRIES: Final = 3

#: No final word came yet.
_AWAITED: Final = (DeliveryState.AWAITING, DeliveryState.SENDING, DeliveryState.SENT)
_OPEN: Final = (GroupState.CLAIMED, GroupState.SENDING, GroupState.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Archive:
    """What became of one campaign.

    Attributes:
        id: Its id.
        files: What was written; none if an earlier call had written it.
        groups: Groups in them.
        recipients: Recipients in them.
        removed: Whether the campaign is not in the ledger any more.
    """

    id: str
    files: tuple[Path, ...] = ()
    groups: int = 0
    recipients: int = 0
    removed: bool = False

    def as_row(self) -> dict[str, Any]:
        """The form of `archive --json`."""
        files = [str(file) for file in self.files]
        counts = {"groups": self.groups, "recipients": self.recipients}
        return {"id": self.id, "files": files, **counts, "removed": self.removed}


def archive(
    ledger: Ledger,
    id_: str,
    directory: Path,
    *,
    format: str = "csv",  # noqa: A002 - the public word for it
    keep: bool = False,
    anyway: bool = False,
) -> Archive:
    """Export one campaign, then remove it unless it is to be kept.

    Raises:
        UnknownCampaign: No campaign has that id; or it is archived already.
        Refused: It is not over, something of it is open, or its books do not balance.
        InvalidInput: There is no such format, or what it needs is not installed.
        DispatchError: The files cannot be written; nothing was removed.
        LedgerError: Redis does not answer; call it again.
    """
    check_format(format)
    if id_ in finish(ledger):
        return Archive(id_, removed=True)
    for _ in range(TRIES):
        row = ledger.campaign(id_)
        if reason := obstacle(ledger, row, anyway=anyway):
            raise Refused(reason)
        done = _exported(ledger, row, Place(directory, id_, format))
        if done and keep:
            return done
        if done and ledger.run(bury(row, str(directory.resolve()))) == "buried":
            finish(ledger)
            return replace(done, removed=True)
    raise Refused(f"campaign {id_!r} changes while it is exported: archive it later")


def _exported(ledger: Ledger, row: CampaignRow, place: Place) -> Archive | None:
    """The files, on the disk; None when something happened to the campaign meanwhile.

    Raises:
        Refused: Its books do not balance.
        DispatchError: They cannot be written.
    """
    try:
        rows = Export(ledger, row, place).write()
    except Differs:
        if ledger.campaign(row.id) != row:
            return None
        raise Refused(
            f"the books of {row.id!r} do not balance (dispatcher verify {row.id}): "
            "nothing was removed"
        ) from None
    except OSError as error:
        raise DispatchError(
            f"the archive of {row.id!r} cannot be written to {place.directory}: "
            f"{error.strerror or error}; nothing was removed"
        ) from None
    files = (place.groups, place.recipients, place.facts)
    return Archive(row.id, files, rows["group"], rows["recipient"])


def finish(ledger: Ledger) -> set[str]:
    """Remove what is left of campaigns that became tombstones; their ids."""
    graves = ledger.graves()
    for grave in graves:
        ledger.clear(grave)
    return {grave.id for grave in graves}


def check_format(name: str) -> None:
    """Whether there is a format of that name.

    Raises:
        InvalidInput: There is none of that name, or what it needs is not installed.
    """
    if name not in FORMATS:
        raise InvalidInput(f"write {', '.join(FORMATS)} as format, not {name!r}")
    if name == "parquet":
        parquet.library()


def obstacle(ledger: Ledger, row: CampaignRow, *, anyway: bool = False) -> str:
    """Why a campaign cannot be archived now, in one line; empty if it can.

    Args:
        ledger: Where it is.
        row: The campaign.
        anyway: Also with held groups, and with deliveries that are still awaited: how
            they end is never known then.
    """
    whose = f"campaign {row.id!r}"
    if not row.finished:
        return f"{whose} is {row.state}: only one that is done or cancelled is archived"
    if number := sum(row.counts[state] for state in _OPEN):
        return f"{whose} has {count(number, 'group')} on their way or unknown: wait"
    return "" if anyway else _undecided(ledger, row, whose)


def _undecided(ledger: Ledger, row: CampaignRow, whose: str) -> str:
    if held := row.counts[GroupState.HELD]:
        return (
            f"{whose} has {count(held, 'held group')}, which nobody decided about: "
            f"dispatcher results {row.id} --state held; or pass --anyway"
        )
    if awaited := sum(row.delivery[state] for state in _AWAITED):
        return (
            f"{whose} waits for the deliveries of {count(awaited, 'recipient')}, some "
            "hours at most; or pass --anyway"
        )
    if doubts := ledger.entries("doubts", row.id):
        return (
            f"{whose} has {count(doubts, 'message')} looked for at the provider, half "
            "an hour at most; or pass --anyway"
        )
    return ""
