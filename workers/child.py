"""What one worker process holds after the fork: event loop, crew, reconciler, clock.

Nothing here is made before the fork: a loop, a connection or a thread that was
would be shared by all children, or dead in each of them.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import threading
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Final, TypeVar

import structlog
import uvloop
from celery import Celery

from dispatcher.errors import DispatchError
from dispatcher.garbage import look_rarely
from dispatcher.ledger.async_ledger import AsyncLedger
from dispatcher.ledger.keys import key
from dispatcher.ledger.ledger import Ledger
from dispatcher.settings import Settings
from workers import stop
from workers.bandwidth import Bandwidth
from workers.clock import Clock
from workers.proof import Rules
from workers.reconcile import Reconciler
from workers.rounds import keep_doing
from workers.shifts import GIVE_BACK_S, Crew, Report

T = TypeVar("T")

log = structlog.get_logger(__name__)

#: Seconds the child's last act may take; the worker's whole stop has 20.
CLOSE_S: Final = 18.0
#: Seconds between two reports of how fast the provider answers: what is lost at most
#: when the child is killed.
REPORT_S: Final = 5.0


class Child:
    """One worker process's engine.

    Args:
        settings: The worker's settings.
        ledger_url: Address of the ledger.
        app: For publishing wake-ups.
    """

    def __init__(self, settings: Settings, ledger_url: str, app: Celery) -> None:
        host = socket.gethostname()[:24]
        self.name = f"{host}:{os.getpid()}:{secrets.token_hex(3)}"
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="loop", daemon=True
        )
        self._thread.start()
        self._crew = self._call(self._begin(settings, ledger_url))
        self._clock = Clock(self.name, Ledger(ledger_url), settings, app)
        self._clock.start()
        look_rarely()
        log.info("child.ready", child=self.name)

    async def _begin(self, settings: Settings, ledger_url: str) -> Crew:
        self._ledger = AsyncLedger(ledger_url)
        self._client = Bandwidth.from_settings(settings)
        crew = Crew(self.name, self._ledger, self._client, settings, stop.asked)
        self._living = asyncio.create_task(crew.live())
        reconciler = Reconciler(
            self.name, self._ledger, self._client, Rules.from_settings(settings)
        )
        self._reconciling = asyncio.create_task(reconciler.live())
        self._reporting = asyncio.create_task(
            keep_doing(self._report, "latency", REPORT_S)
        )
        return crew

    async def _report(self) -> float:
        await self._ledger.add_up(key("latency"), self._client.latencies.take())
        return REPORT_S

    def shift(self) -> tuple[Report, bool]:
        """Run one shift from Celery's thread."""
        return self._call(self._crew.shift())

    def close(self) -> None:
        """End in order: what is on the wire ends, the rest goes back."""
        self._clock.stop()
        try:
            self._call(self._end(), CLOSE_S)
        except Exception:
            # The process ends anyway; the ledger takes back what it held.
            log.exception("child.not_closed", child=self.name)
        self._loop.call_soon_threadsafe(self._loop.stop)
        log.info("child.ended", child=self.name)

    async def _end(self) -> None:
        try:
            # First, so that no search shares the end with what is on the wire.
            self._reconciling.cancel()
            await asyncio.wait([self._reconciling])
            await self._crew.close()
            self._reporting.cancel()
            with suppress(TimeoutError, DispatchError):
                async with asyncio.timeout(GIVE_BACK_S):
                    await self._report()
        finally:
            self._living.cancel()
            await self._client.aclose()
            await self._ledger.aclose()

    def _call(
        self, coroutine: Coroutine[Any, Any, T], timeout: float | None = None
    ) -> T:
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result(timeout)
        except BaseException:
            future.cancel()
            raise
