"""The task: a thin shell around a shift. It decides nothing."""

from __future__ import annotations

from collections.abc import Callable

from celery import Celery, Task

from dispatcher.queue import SEND_GROUPS, publish_wake_up
from workers.shifts import Report


def register(app: Celery, shift: Callable[[], tuple[Report, bool]]) -> None:
    """Make the task known to an application.

    Args:
        shift: Runs one shift; tells what was settled and whether more is due.
    """

    @app.task(name=SEND_GROUPS, bind=True)
    def send_groups(self: Task[[], Report]) -> Report:
        """One shift: groups by campaign and by what became of them."""
        report, more = shift()
        if more:
            publish_wake_up(self.app)
        return report
