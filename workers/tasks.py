"""The task: a thin shell around a shift. It decides nothing."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from celery import Celery, Task

from dispatcher.errors import LedgerUnreachable
from dispatcher.queue import SEND_GROUPS, publish_wake_up
from workers.shifts import Report

log = structlog.get_logger(__name__)


def register(app: Celery, shift: Callable[[], tuple[Report, bool]]) -> None:
    """Make the task known to an application.

    Args:
        app: The application.
        shift: Runs one shift; tells what was settled and whether more is due.
    """

    # Not shared: by default every other application in the process would get it.
    @app.task(name=SEND_GROUPS, bind=True, shared=False)
    def send_groups(self: Task[[], Report]) -> Report:
        """One shift: groups by campaign and by what became of them."""
        report, more = shift()
        if more:
            _call_back(self.app)
        return report


def _call_back(app: Celery) -> None:
    """Call this child, or another; should that fail, a clock will."""
    try:
        publish_wake_up(app)
    except LedgerUnreachable as error:
        log.warning("wake_up.not_published", reason=str(error))
