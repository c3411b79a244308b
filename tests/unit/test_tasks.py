"""The task: a thin shell. It runs a shift, calls again if need be, decides nothing."""

from __future__ import annotations

from typing import Any

import pytest
from celery import Celery
from kombu.exceptions import OperationalError
from structlog.testing import capture_logs

from dispatcher.errors import LedgerUnreachable
from dispatcher.queue import SEND_GROUPS
from workers import tasks
from workers.shifts import Report


class App(Celery):
    """Counts wake-ups instead of publishing them."""

    published = 0
    fault: Exception | None = None

    def send_task(self, *_: object, **__: object) -> Any:  # noqa: ANN401
        if self.fault:
            raise self.fault
        self.published += 1


REPORT: Report = {"c1": {"accepted": 5}}


def run(app: App, *, more: bool) -> Report:
    tasks.register(app, lambda: (REPORT, more))
    report: Report = app.tasks[SEND_GROUPS].run()
    return report


@pytest.fixture
def app() -> App:
    return App("test", set_as_current=False)


@pytest.mark.parametrize(("more", "published"), [(True, 1), (False, 0)])
def test_a_shift_that_leaves_work_calls_again(
    app: App, published: int, *, more: bool
) -> None:
    """One wake-up when there is more, none when there is not; counts are returned."""
    assert run(app, more=more) == REPORT
    assert app.published == published


def test_a_lost_call_costs_no_report(app: App) -> None:
    """The broker does not take it: a clock calls, and the counts are not lost."""
    app.fault = OperationalError("redis://u:s3cret@h refused")
    with capture_logs() as logs:
        assert run(app, more=True) == REPORT
    (line,) = logs
    assert line["event"] == "wake_up.not_published"
    assert "s3cret" not in repr(line)


def test_a_failed_shift_fails_loudly(app: App) -> None:
    """Flower shows it; nothing is called again: the clock does that."""

    def shift() -> tuple[Report, bool]:
        raise LedgerUnreachable("Redis does not answer")

    tasks.register(app, shift)
    with pytest.raises(LedgerUnreachable):
        app.tasks[SEND_GROUPS].run()
    assert app.published == 0


def test_the_task_takes_nothing(app: App) -> None:
    """Nothing can travel in a message: the task has no parameter."""
    tasks.register(app, lambda: (REPORT, False))
    with pytest.raises(TypeError):
        app.tasks[SEND_GROUPS].run("+19195551212")
