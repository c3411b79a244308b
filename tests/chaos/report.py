"""The fault matrix as a table, and its place in the page about reliability."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tests.chaos.rows import SECTIONS
from tests.chaos.trial import Row, Verdict

#: The generated part of the page stands between these lines; the rest is for people.
BEGIN: Final = "<!-- written by `make chaos`: do not edit from here -->"
END: Final = "<!-- to here -->"

_HEAD: Final = """\
| fault | policy | groups | lost | doubled | unknown | held | how unknown ones were \
settled | resumed after | runs |
|---|---|--:|--:|--:|--:|--:|---|--:|--:|
"""

Verdicts = Mapping[str, Sequence[Verdict | None]]


def table(verdicts: Verdicts) -> str:
    """All rows that ran, one line each; sums over their runs."""
    return _HEAD + "\n".join(_lines(verdicts)) + "\n"


def _lines(verdicts: Verdicts) -> Iterator[str]:
    for section, rows in SECTIONS.items():
        ran = [row for row in rows if row.name in verdicts]
        if ran:
            yield f"| **{section}** | | | | | | | | | |"
        for row in ran:
            yield _line(row, verdicts[row.name])


def _line(row: Row, verdicts: Sequence[Verdict | None]) -> str:
    ran = [verdict for verdict in verdicts if verdict is not None]
    cells = (
        row.fault + _broken(verdicts),
        row.policy,
        f"{sum(v.groups for v in ran):,}",
        *(f"{sum(getattr(v, name) for v in ran)}" for name in _COUNTED),
        _resolved(ran),
        _resumed(ran),
        str(len(verdicts)),
    )
    return f"| {' | '.join(cells)} |"


_COUNTED: Final = ("lost", "doubled", "unknown", "held")


def _broken(verdicts: Sequence[Verdict | None]) -> str:
    faults = Counter(
        fault
        for verdict in verdicts
        for fault in (verdict.broken if verdict else ("the trial itself failed",))
    )
    return "".join(f"<br>**broken: {fault}** ({n}x)" for fault, n in faults.items())


def _resolved(verdicts: Sequence[Verdict]) -> str:
    ways: Counter[str] = Counter()
    for verdict in verdicts:
        ways.update(verdict.resolved)
    return ", ".join(f"{way} {count}" for way, count in sorted(ways.items())) or "-"


def _resumed(verdicts: Sequence[Verdict]) -> str:
    times = sorted(v.resume_s for v in verdicts if v.resume_s is not None)
    if not times:
        return "-"
    fastest, slowest = f"{times[0]:.1f}", f"{times[-1]:.1f}"
    return f"{fastest} s" if fastest == slowest else f"{fastest} to {slowest} s"


def write(page: Path, made: str, seconds: float) -> None:
    """Replace the generated part of the page.

    Raises:
        ValueError: The page has no place for it.
    """
    before, begin, rest = page.read_text("utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{page} has no lines {BEGIN} and {END}")
    when = datetime.now(UTC).date().isoformat()
    said = (
        f"{when}, on a machine with {os.cpu_count()} cores, several "
        f"trials side by side, {seconds / 60:.0f} minutes. Counts are sums over runs."
    )
    page.write_text(f"{before}{begin}\n\n{said}\n\n{made}\n{end}{after}", "utf-8")
