"""Every error this library raises.

DispatchError
 + InvalidInput        the caller's words are off (exit code 2 on the command line)
 | + ConfigError       settings; all faults of all settings in one message
 | + CampaignError     a campaign that the provider would refuse; all faults at once
 | + ListError         a recipient list that cannot be read at all
 |   + ColumnError     the column asked for is not there, or one must be chosen
 + LedgerError         the ledger (Redis) cannot serve
 | + LedgerUnreachable nothing answers at the address
 | + LedgerCorrupt     what is stored breaks a rule of the ledger
 | + InboxFull         too many callbacks wait to be applied
 + MediaError          the provider's store of media did not do what was asked
 + Refused             a valid request that the present state forbids
   + UnknownCampaign   no campaign has that id
   | + CampaignArchived   it was exported and removed
   + ContentConflict   the id is taken by a campaign with other content
   + ListRejected      no recipient is left, or one is bad under `strict`
   + UnitsExceeded     the list costs more units than the campaign may
   + MediaExpire       the provider would delete the media before the last group

No message holds a phone number, message text or credential.
"""

from __future__ import annotations


class DispatchError(Exception):
    """Root of every error raised by `dispatcher`."""


class InvalidInput(DispatchError):
    """What the caller passed cannot be used; the message says how to mend it."""


class ConfigError(InvalidInput):
    """One or more settings are missing or wrong; all of them are named."""


class CampaignError(InvalidInput):
    """The campaign breaks limits of the provider's send call; all are named.

    Attributes:
        faults: One sentence for each fault, naming the field.
    """

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


class ListError(InvalidInput):
    """The recipient list cannot be read: missing, binary, not text, no column."""


class ColumnError(ListError):
    """The list has no column of that name, or several that may hold the number."""


class LedgerError(DispatchError):
    """The ledger (Redis) cannot do its work."""


class LedgerUnreachable(LedgerError):
    """Nothing answers at the ledger's address, or it stopped answering."""


class LedgerCorrupt(LedgerError):
    """Stored data breaks a rule of the ledger; nothing was changed."""


class InboxFull(LedgerError):
    """As many callbacks wait to be applied as may wait; ask again later."""


class MediaError(DispatchError):
    """The provider did not store, list or delete media, or cannot be reached."""


class Refused(DispatchError):
    """A valid request that the present state does not allow."""


class UnknownCampaign(Refused):
    """No campaign has that id in this ledger."""


class CampaignArchived(UnknownCampaign):
    """It is over, was exported, and is not in the ledger any more.

    Attributes:
        archived_at: When, ms since the epoch.
    """

    def __init__(self, message: str, archived_at: float) -> None:
        super().__init__(message)
        self.archived_at = archived_at


class ContentConflict(Refused):
    """The id already belongs to a campaign with other content."""


class ListRejected(Refused):
    """Nothing was submitted: no usable recipient, or a bad one under `strict`."""


class UnitsExceeded(Refused):
    """Nothing was submitted: the list costs more than the campaign's `max_units`."""


class MediaExpire(Refused):
    """Uploaded media would be gone before the last group was sent."""
