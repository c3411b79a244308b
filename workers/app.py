"""The Celery application of the workers, and what happens when one starts or stops.

`celery -A workers worker` finds it through `workers.celery`. It is built when
first asked for, because building it reads the settings.
"""

from __future__ import annotations

import os
import sys
import threading
from functools import cache
from typing import Any, Final

import structlog
from celery import Celery, signals

from dispatcher import logs
from dispatcher.embedded import ledger_address, redis_address
from dispatcher.errors import DispatchError, LedgerUnreachable
from dispatcher.ledger.ledger import Ledger
from dispatcher.queue import make_app
from dispatcher.settings import Settings
from workers import stop, tasks
from workers.bandwidth import Bandwidth
from workers.child import Child
from workers.consumer import Consumer
from workers.shifts import Report

log = structlog.get_logger(__name__)

#: Seconds a stop may take. Longer than the children need (DRAIN_S and what follows):
#: a Redis that accepts connections and answers nothing holds Celery for ever.
LONGEST_STOP_S: Final = 19.5


@cache
def celery_app() -> Celery:
    """The application, built from the environment.

    Raises:
        SystemExit: The settings cannot be used; one line says why.
    """
    try:
        settings = Settings.load()
        app = make_app(redis_address(settings))
        ledger_url = ledger_address(settings)
    except DispatchError as error:
        raise SystemExit(f"dispatcher: {error}") from None
    engine = Engine(app, settings, ledger_url)
    tasks.register(app, engine.shift)
    app.conf.worker_consumer = Consumer
    engine.connect()
    return app


class Engine:
    """Ties the worker's life to Celery's signals; holds this process's child."""

    def __init__(self, app: Celery, settings: Settings, ledger_url: str) -> None:
        self._app = app
        self._settings = settings
        self._ledger_url = ledger_url
        self._child: Child | None = None

    def connect(self) -> None:
        """Listen to Celery."""
        signals.setup_logging.connect(self._logging, weak=False)
        signals.celeryd_init.connect(self._check, weak=False)
        signals.worker_process_init.connect(self._begin, weak=False)
        signals.worker_process_shutdown.connect(self._end, weak=False)
        signals.worker_shutting_down.connect(self._stop, weak=False)

    def shift(self) -> tuple[Report, bool]:
        """One shift of this process's child."""
        if self._child is None:
            self._begin()
        assert self._child is not None
        return self._child.shift()

    def _logging(self, **_: Any) -> None:  # noqa: ANN401 - Celery's signals
        logs.configure(self._settings.log_format, self._settings.log_level)

    def _check(self, options: dict[str, Any], **_: Any) -> None:  # noqa: ANN401
        """Before anything starts: can this worker do its work at all?"""
        pool = options.get("pool") or "prefork"
        if "prefork" not in str(pool):
            sys.exit("dispatcher: workers run with --pool prefork only")
        try:
            Bandwidth.from_settings(self._settings)
            with Ledger(self._ledger_url) as ledger:
                ledger.check()
                self._check_safety(ledger)
        except DispatchError as error:
            # A Redis that is away now may come back; a cluster will not change.
            if not isinstance(error, LedgerUnreachable):
                sys.exit(f"dispatcher: {error}")

    def _check_safety(self, ledger: Ledger) -> None:
        insisted = self._settings.allow_unsafe_redis
        remarks = ledger.check_safety(insisted=insisted)
        # Celery sets up logging after this.
        self._logging()
        for remark in remarks:
            log.warning("redis.unsafe", found=remark.found, advice=remark.advice)

    def _begin(self, **_: Any) -> None:  # noqa: ANN401
        self._child = Child(self._settings, self._ledger_url, self._app)

    def _end(self, **_: Any) -> None:  # noqa: ANN401
        if self._child is not None:
            self._child.close()

    def _stop(self, **_: Any) -> None:  # noqa: ANN401
        log.info("worker.stopping")
        stop.ask()
        watchdog = threading.Timer(LONGEST_STOP_S, _force)
        watchdog.daemon = True
        watchdog.start()


def _force() -> None:
    """End at once. The children end with their parent; what they held lapses."""
    log.error("worker.stop_forced")
    os._exit(os.EX_SOFTWARE)
