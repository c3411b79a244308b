"""Send one group message to every group of a very long list, exactly once.

    from dispatcher import Campaign, Dispatcher, read_recipients

Submit with `Dispatcher`, or with `AsyncDispatcher` from an event loop, run
`dispatcher worker` to send, read `Run.results`.
"""

from dispatcher.aio import AsyncDispatcher
from dispatcher.archive import Archive
from dispatcher.async_run import AsyncRun
from dispatcher.books import Verification
from dispatcher.campaign import Campaign
from dispatcher.client import Dispatcher
from dispatcher.errors import (
    CampaignArchived,
    CampaignError,
    ColumnError,
    ConfigError,
    ContentConflict,
    DispatchError,
    InboxFull,
    InvalidInput,
    LedgerCorrupt,
    LedgerError,
    LedgerUnreachable,
    ListError,
    ListRejected,
    MediaError,
    MediaExpire,
    Refused,
    UnitsExceeded,
    UnknownCampaign,
)
from dispatcher.explain import Explanation, Reason
from dispatcher.order import Submission
from dispatcher.recipients import Recipients, Row, read_recipients
from dispatcher.results import (
    CodeAction,
    GroupError,
    GroupResult,
    Progress,
    RecipientResult,
)
from dispatcher.run import Run
from dispatcher.settings import Settings
from dispatcher.suppression import Suppression

__all__ = [
    "Archive",
    "AsyncDispatcher",
    "AsyncRun",
    "Campaign",
    "CampaignArchived",
    "CampaignError",
    "CodeAction",
    "ColumnError",
    "ConfigError",
    "ContentConflict",
    "DispatchError",
    "Dispatcher",
    "Explanation",
    "GroupError",
    "GroupResult",
    "InboxFull",
    "InvalidInput",
    "LedgerCorrupt",
    "LedgerError",
    "LedgerUnreachable",
    "ListError",
    "ListRejected",
    "MediaError",
    "MediaExpire",
    "Progress",
    "Reason",
    "RecipientResult",
    "Recipients",
    "Refused",
    "Row",
    "Run",
    "Settings",
    "Submission",
    "Suppression",
    "UnitsExceeded",
    "UnknownCampaign",
    "Verification",
    "read_recipients",
]
