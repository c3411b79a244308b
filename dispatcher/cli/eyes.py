"""Looks at campaigns again and again, for `dispatcher watch`; shows nothing."""

from __future__ import annotations

from dispatcher.cli import up_note
from dispatcher.cli.vitals import crew
from dispatcher.cli.watching import QUIET_S, Look, Pulse, View, lowest, window
from dispatcher.client import Dispatcher
from dispatcher.errors import UnknownCampaign
from dispatcher.results import Progress


class Eye:
    """Looks at one campaign, and remembers what it needs of the looks before."""

    def __init__(self, dispatcher: Dispatcher, id_: str) -> None:
        self._dispatcher = dispatcher
        self._ledger = dispatcher.ledger
        self._id = dispatcher.campaign(id_).id
        self._pulse = Pulse()
        settings = dispatcher.settings
        # The rates that `dispatcher up` runs with are those that count.
        self._rates = up_note.running(settings) or settings

    def progress(self) -> Progress:
        """Look once more."""
        self._row = self._ledger.campaign(self._id)
        self._look = Look.of(self._row, self._ledger.now_ms())
        self._pulse.see(self._look, window(self._limit()[0]))
        return self._look.progress

    def view(self, *, closely: bool = True) -> View:
        """What there is to see; closely: with errors and workers."""
        pulse = self._pulse
        limit, whose = self._limit()
        return View(
            look=self._look,
            rate=pulse.rate,
            quiet=pulse.quiet,
            seen_change=pulse.seen_change,
            limit=limit,
            limited_by=whose,
            errors=self._errors() if closely else {},
            workers=self._workers() if closely else None,
        )

    def _limit(self) -> tuple[float | None, str]:
        rates = self._rates
        return lowest(rates.account_rate, rates.sender_rate, self._look.pace)

    def _errors(self) -> dict[str, int]:
        if not self._look.progress.counts["failed"]:
            return {}
        return self._ledger.error_counts(self._row)

    def _workers(self) -> int | None:
        if self._pulse.quiet < QUIET_S:
            return None
        return crew(self._dispatcher.settings).children


class Eyes:
    """Looks at every campaign that runs, and at those that ended meanwhile."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self._eyes: dict[str, Eye] = {}
        self._over: set[str] = set()

    def views(self) -> list[View]:
        """What there is to see."""
        for id_ in self._dispatcher.ledger.campaign_ids():
            if id_ not in self._over:
                self._look(id_)
        return [eye.view(closely=False) for eye in self._eyes.values()]

    def _look(self, id_: str) -> None:
        try:
            eye = self._eyes.get(id_) or Eye(self._dispatcher, id_)
            now = eye.progress()
        except UnknownCampaign:
            self._over.add(id_)
            return
        if now.finished:
            self._over.add(id_)
        if id_ in self._eyes or not (now.finished or now.state == "paused"):
            self._eyes[id_] = eye
