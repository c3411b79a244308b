"""Asks the provider what it has of a campaign, for `dispatcher verify --provider`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Display

from dispatcher.audit import Audit, Comparison, ids_beside
from dispatcher.cli import up_note
from dispatcher.cli.screen import console, watched
from dispatcher.cli.up_system import simulated
from dispatcher.client import Dispatcher
from dispatcher.ledger.ledger import Ledger
from dispatcher.ledger.rows import CampaignRow
from dispatcher.settings import Settings


def compare(id_: str) -> Comparison:
    """Compare a campaign's books with what the provider's search shows.

    Raises:
        UnknownCampaign: No campaign has that id.
        ConfigError: The account or its credentials are not set.
        DispatchError: The provider does not search.
    """
    with Dispatcher() as dispatcher:
        ledger, settings = dispatcher.ledger, _account(dispatcher.settings)
        row = ledger.campaign(id_)
        now = ledger.now_ms() / 1000
        audit = Audit(row, ledger.extra_ids(row), now, settings.unknown_grace)
        for group in ledger.groups(row):
            audit.expect(group)
        times = audit.times(settings.http_deadline)
        asyncio.run(_look(audit, row.sender, settings, times))
        _explain(audit, ledger, row)
        return audit.result()


def _account(settings: Settings) -> Settings:
    """With the simulated provider of `dispatcher up`, if that is what workers use."""
    note = up_note.running(settings)
    if note is None or not note.simulator:
        return settings
    fields = {field.alias: name for name, field in Settings.model_fields.items()}
    changes = {fields[key]: value for key, value in simulated(note.simulator).items()}
    return Settings.load(**changes)


async def _look(
    audit: Audit, sender: str, settings: Settings, times: Sequence[tuple[float, float]]
) -> None:
    # The worker's own client; nobody else imports it.
    from workers.bandwidth import Bandwidth  # noqa: PLC0415
    from workers.survey import survey  # noqa: PLC0415

    client = Bandwidth.from_settings(settings)
    try:
        with _bar(sum(end - start for start, end in times)) as advance:
            async for stretch in survey(client, sender, times):
                for message in stretch.messages:
                    audit.see(message)
                if not stretch.complete:
                    audit.miss(stretch.start, stretch.end)
                advance(stretch.end - stretch.start)
    finally:
        await client.aclose()


def _explain(audit: Audit, ledger: Ledger, row: CampaignRow) -> None:
    """Look once more for what was not in the books: here, and in other campaigns'."""
    if not audit.unbooked:
        return
    extra = ledger.extra_ids(row).values()
    for group in set(audit.unbooked.values()):
        audit.again(ledger.group(row, group), extra)
    if audit.unbooked:
        for id_ in ids_beside(ledger, row):
            audit.explain(id_)


@contextmanager
def _bar(seconds: float) -> Iterator[Callable[[float], None]]:
    """How much of the time in question is looked through; nothing in a pipe."""
    columns = (TextColumn("asking the provider"), BarColumn(), TaskProgressColumn(),
               TimeElapsedColumn())  # fmt: skip
    shown = Display(
        *columns, console=console(sys.stderr), disable=not watched(), transient=True
    )
    with shown:
        task = shown.add_task("", total=seconds)
        yield lambda done: shown.advance(task, done)
