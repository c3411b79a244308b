"""Looks at campaigns again and again, for `dispatcher watch`; shows nothing."""

from __future__ import annotations

from dispatcher.cli import up_note
from dispatcher.cli.watching import QUIET_S, Look, Pulse, View, lowest, window
from dispatcher.ledger.calls import Rates
from dispatcher.ledger.day import used_up_until
from dispatcher.ledger.ledger import Ledger
from dispatcher.ledger.rows import CampaignRow
from dispatcher.ledger.states import CampaignState
from dispatcher.ledger.vitals import vitals
from dispatcher.results import Progress
from dispatcher.settings import Settings


class Eye:
    """Looks at one campaign, and remembers what it needs of the looks before."""

    def __init__(self, ledger: Ledger, id_: str, rates: Rates) -> None:
        self._ledger = ledger
        self._id = id_
        self._rates = rates
        self._pulse = Pulse()

    def progress(self) -> Progress:
        """Look once more.

        Raises:
            UnknownCampaign: No campaign has that id.
        """
        row, now_ms = self._ledger.campaign(self._id), self._ledger.now_ms()
        return self.see(row, now_ms, used_up_until(self._ledger, now_ms))

    def see(self, row: CampaignRow, now_ms: float, capped_until: float) -> Progress:
        """Take in what a look found, and when the day's units end, if they do."""
        self._row = row
        waits = row.state == CampaignState.RUNNING
        self._look = Look.of(row, now_ms, capped_until if waits else 0)
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
        return lowest(self._rates.account, self._rates.sender, self._look.pace)

    def _errors(self) -> dict[str, int]:
        if not self._look.progress.counts["failed"]:
            return {}
        return self._ledger.error_counts(self._row)

    def _workers(self) -> int | None:
        if self._pulse.quiet < QUIET_S:
            return None
        return self._ledger.run(vitals()).children


class Eyes:
    """Looks at every campaign that runs, and at those that ended meanwhile."""

    def __init__(self, ledger: Ledger, rates: Rates) -> None:
        self._ledger = ledger
        self._rates = rates
        self._eyes: dict[str, Eye] = {}
        self._over: set[str] = set()

    def views(self) -> list[View]:
        """What there is to see."""
        now_ms = self._ledger.now_ms()
        capped_until = used_up_until(self._ledger, now_ms)
        for row in self._ledger.campaigns(but=self._over):
            self._see(row, now_ms, capped_until)
        return [eye.view(closely=False) for eye in self._eyes.values()]

    def _see(self, row: CampaignRow, now_ms: float, capped_until: float) -> None:
        eye = self._eyes.get(row.id) or Eye(self._ledger, row.id, self._rates)
        eye.see(row, now_ms, capped_until)
        if row.finished:
            self._over.add(row.id)
        if not (row.finished or row.state == CampaignState.PAUSED):
            self._eyes[row.id] = eye


def rates_of(settings: Settings) -> Rates:
    """The rates that count: those that `dispatcher up` runs with, if it does."""
    running = up_note.running(settings) or settings
    return Rates(running.account_rate, running.sender_rate)
