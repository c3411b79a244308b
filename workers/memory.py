"""What a child remembers of the ledger, so that one that was set back is noticed.

A Redis that lost its last writes, or a replica promoted without them, cannot know
what it forgot; a living child can. It never judges by itself: identify.lua does.
"""

from __future__ import annotations

from dataclasses import replace

import structlog

from dispatcher.errors import DispatchError
from dispatcher.ledger import identity
from dispatcher.ledger.async_ledger import AsyncLedger
from dispatcher.ledger.identity import Compared, Doubt, Identity

log = structlog.get_logger(__name__)


class Memory:
    """One child's memory.

    Args:
        child: Its name in the ledger.
    """

    def __init__(self, child: str, ledger: AsyncLedger) -> None:
        self._child = child
        self._ledger = ledger
        self._seen = Identity()
        self._history = ""

    def passed(self, count: int) -> None:
        """The gate told its count."""
        self._seen = replace(self._seen, count=max(self._seen.count, count))

    async def compare(self) -> bool:
        """Look whether the ledger is the one that we know; never raises.

        Returns:
            Whether its server was started anew or is another one: it may have
            forgotten what became of groups under a token of ours.
        """
        try:
            found = await self._ledger.run(identity.compare(self._child, self._seen))
        except DispatchError as error:
            log.warning("ledger.not_compared", reason=str(error))
        except Exception:
            # Whatever it is: the child's leases are kept beside this.
            log.exception("ledger.not_compared")
        else:
            return self._learn(found)
        return False

    def _learn(self, found: Compared) -> bool:
        if found.identity.nonce == self._seen.nonce and not found.doubt:
            self.passed(found.identity.count)
        else:
            self._seen = found.identity
        # Others may remember as much: the campaigns are paused once.
        if found.paused or found.doubt is Doubt.PRIMARY:
            log.error("ledger.set_back", found=str(found.doubt), paused=found.paused)
        before, self._history = self._history, found.history
        return bool(found.doubt) or before not in ("", found.history)
