"""The clock: takes back dead claims, ends long waits, publishes wake-ups.

Every worker child has one, in a thread of its own, so that a slow broker never
delays a send or a lease. At a time only one of them ticks: the one that holds a
short lease in the ledger. Losing a tick, or ticking twice, is harmless.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Final

import structlog
from celery import Celery

from dispatcher.errors import DispatchError, LedgerUnreachable, UnknownCampaign
from dispatcher.ledger import calls
from dispatcher.ledger.calls import Settlement, Verdict
from dispatcher.ledger.deliveries import sweep
from dispatcher.ledger.keys import key
from dispatcher.ledger.ledger import Ledger
from dispatcher.ledger.states import GroupState
from dispatcher.queue import publish_wake_up
from dispatcher.settings import Settings
from workers.reconcile import held_after

log = structlog.get_logger(__name__)

#: Another child takes over this long after the ticking one went silent.
TICK_LEASE_MS: Final = 3000
#: Longest time between two looks.
REST_S: Final = 1.0
#: Shortest, so that a clock never spins; a bucket forgives 0.25 s.
BREATH_S: Final = 0.01
#: Work is due, but every child is busy or already called.
BUSY_S: Final = 0.2
#: Looks between two warnings that the ledger or the broker cannot be reached.
TELL_EVERY: Final = 60
#: Unknown groups looked at in one tick.
GRACE_LIMIT: Final = 200
#: Looks for unconfirmed recipients in one tick; what is left has time.
SWEEPS: Final = 5


class Clock(threading.Thread):
    """One child's clock.

    Args:
        child: This child's name in the ledger.
    """

    def __init__(
        self, child: str, ledger: Ledger, settings: Settings, app: Celery
    ) -> None:
        super().__init__(name="clock", daemon=True)
        self._child = child
        self._ledger = ledger
        self._settings = settings
        self._rates = settings.rates
        self._app = app
        self._ended = threading.Event()
        self._failures = 0

    def stop(self) -> None:
        """End soon; does not wait."""
        self._ended.set()

    def run(self) -> None:
        """Tick until stopped; a fault of Redis only delays."""
        pause = BREATH_S
        while not self._ended.wait(pause):
            try:
                pause = self.beat()
                self._recovered()
            except DispatchError as error:
                self._failed(error)
                pause = REST_S
            except Exception:
                log.exception("clock.crashed")
                pause = REST_S

    def _failed(self, error: DispatchError) -> None:
        """Tell the first time, and then rarely: an outage is one event."""
        if self._failures % TELL_EVERY == 0:
            log.warning("clock.failed", reason=str(error), failures=self._failures + 1)
        self._failures += 1

    def _recovered(self) -> None:
        if self._failures:
            log.info("clock.recovered", failures=self._failures)
            self._failures = 0

    def beat(self) -> float:
        """One look; seconds until the next."""
        if not self._ledger.hold(key("tick"), self._child, TICK_LEASE_MS):
            return REST_S
        # One damaged group must not keep the workers from all others.
        _tolerate(self._take_back)
        _tolerate(self._end_grace)
        _tolerate(self._end_waiting)
        return self._call_workers()

    def _take_back(self) -> None:
        more = True
        while more:
            lapsed = self._ledger.run(calls.lapse())
            more = lapsed.more
            if lapsed.returned or lapsed.unknown or lapsed.poisoned:
                log.warning(
                    "claims.lapsed",
                    returned=lapsed.returned,
                    unknown=lapsed.unknown,
                    poisoned=lapsed.poisoned,
                )

    def _end_grace(self) -> None:
        """Hold what the reconciler should have decided by now.

        Never sent again here: that takes a search which found nothing.
        """
        end = self._ledger.now_ms() - held_after(self._settings) * 1000
        for id_, group in self._ledger.unknown_before(end, GRACE_LIMIT):
            _tolerate(partial(self._hold, id_, group))

    def _hold(self, id_: str, group: int) -> None:
        try:
            campaign = self._ledger.campaign(id_)
        except UnknownCampaign:
            return  # Settled, and archived, since it was listed.
        row = self._ledger.group(campaign, group)
        if row.record.state == GroupState.UNKNOWN:
            lock = row.lock(campaign.sender)
            held = Settlement(id_, group, row.record.serial, Verdict.HOLD, lock)
            self._ledger.run(calls.settle("", [held]))
            log.warning("group.grace_ended", campaign=id_, group=group)

    def _end_waiting(self) -> None:
        """Of whom no final word came for long enough: unconfirmed."""
        after_ms = self._settings.unconfirmed_after * 1000
        for _ in range(SWEEPS):
            unconfirmed, more = self._ledger.run(sweep(after_ms))
            if unconfirmed:
                log.info("recipients.unconfirmed", recipients=unconfirmed)
            if not more:
                return

    def _call_workers(self) -> float:
        publish, due_ms = self._ledger.run(calls.wake(self._rates))
        for _ in range(publish):
            publish_wake_up(self._app)
        if due_ms is None:
            return REST_S
        return min(REST_S, max(BREATH_S, due_ms / 1000)) if due_ms else BUSY_S


def _tolerate(duty: Callable[[], None]) -> None:
    """Do one duty; a fault of its data is told and ends only this one.

    Raises:
        LedgerUnreachable: The other duties cannot be done either.
    """
    try:
        duty()
    except LedgerUnreachable:
        raise
    except Exception:
        log.exception("clock.duty_failed")
