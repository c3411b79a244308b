"""Campaigns as the commands read them, for the tests of what they show."""

from __future__ import annotations

from dispatcher.ledger.states import GroupState
from dispatcher.results import Progress


def progress(id_: str = "c", /, *, groups: int = 10, **counts: int) -> Progress:
    """One that runs, of ten people a group; groups by state, none where not given."""
    none = {state.word: 0 for state in GroupState}
    return Progress(
        id=id_,
        state="running",
        reason="",
        recipients=10 * groups,
        groups=groups,
        units=10 * groups,
        counts=none | counts,
        rejected={},
        dropped={},
        doubled=0,
        rate=None,
        eta=None,
        created_at=None,
        started_at=None,
        ended_at=None,
    )
