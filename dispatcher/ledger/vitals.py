"""The ledger's signs of life: what is due, who works, what holds everything up.

One read of many keys; it judges nothing and changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dispatcher.ledger import suppressions
from dispatcher.ledger.calls import HEARTBEAT_MS
from dispatcher.ledger.ledger import Ledger
from dispatcher.ledger.rows import CampaignRow


@dataclass(frozen=True, slots=True)
class Vitals:
    """How things stand.

    Attributes:
        due_s: Seconds that the group handed back first has been due.
        rest_s: Seconds that the account still pauses because of a 429.
        children: Worker processes whose heart beats.
        down: Those that cannot reach the provider.
        inbox: Callbacks stored and not applied.
        doubts: Writes that are looked for at the provider.
        suppressed: Opted-out numbers.
    """

    due_s: float
    rest_s: float
    children: int
    down: int
    inbox: int
    doubts: int
    suppressed: int


def read_vitals(ledger: Ledger, running: Sequence[CampaignRow]) -> Vitals:
    """Look at everything but the campaigns' own hashes.

    Args:
        ledger: Where to look.
        running: Campaigns whose groups may be due.
    """
    now = ledger.now_ms()
    first_due, pause_until, sizes = ledger.vital_signs(
        [row.load for row in running], since=now - HEARTBEAT_MS, now=now
    )
    return Vitals(
        due_s=max(0.0, now - min(first_due, default=now)) / 1000,
        rest_s=max(0.0, pause_until - now) / 1000,
        suppressed=sum(
            suppressions.count(ledger, scope) for scope in suppressions.scopes(ledger)
        ),
        **sizes,
    )
