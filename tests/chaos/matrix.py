"""The fault matrix, run by one command; exit 1 if a promise is broken.

    python -m tests.chaos.matrix                        every row once
    python -m tests.chaos.matrix --runs 3 --write docs/reliability.md
    python -m tests.chaos.matrix kill-worker outage --jobs 1

Real server, real worker processes, the simulated provider, whose own record of what
it took is the witness. Trials wait most of the time, so several run side by side.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from tests.chaos import report
from tests.chaos.rows import ROWS
from tests.chaos.trial import Row, Verdict, play


def run(
    rows: Sequence[Row], runs: int, jobs: int, logs: Path | None = None
) -> Iterator[tuple[Row, Verdict | None]]:
    """Every row so many times, as the trials end; None: the trial itself failed."""
    with ThreadPoolExecutor(jobs) as pool:
        # The first run of every row comes first: what is broken shows early.
        trials = {
            pool.submit(play, row, logs): row
            for number in range(runs)
            for row in rows
            if number < row.runs
        }
        for done in as_completed(trials):
            row = trials[done]
            if error := done.exception():
                traceback.print_exception(error)
                yield row, None
            else:
                yield row, done.result()


def _tell(row: Row, verdict: Verdict | None) -> None:
    if verdict is None:
        sys.stderr.write(f"{row.name}: the trial itself failed\n")
        return
    said = "; ".join(verdict.broken) or "kept"
    resume = "" if verdict.resume_s is None else f", resumed {verdict.resume_s:.1f} s"
    sys.stderr.write(
        f"{row.name}: {said} ({dict(verdict.resolved)}{resume}, "
        f"{verdict.took_s:.0f} s)\n"
    )


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.matrix")
    parser.add_argument("rows", nargs="*", metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--runs", type=int, default=1, help="of every row")
    parser.add_argument("--jobs", type=int, default=4, help="trials side by side")
    parser.add_argument("--logs", type=Path, help="folder for those of broken trials")
    parser.add_argument("--write", type=Path, help="the page to put the table into")
    given = parser.parse_args(words)
    if strange := set(given.rows) - set(ROWS):
        parser.error(f"no such row: {', '.join(sorted(strange))}")
    return given


def main(words: Sequence[str] | None = None) -> int:
    """Run it; the exit code."""
    given = _arguments(words)
    rows = [ROWS[name] for name in given.rows] or list(ROWS.values())
    begun = time.monotonic()
    verdicts: Mapping[str, list[Verdict | None]] = defaultdict(list)
    for row, verdict in run(rows, given.runs, given.jobs, given.logs):
        verdicts[row.name].append(verdict)
        _tell(row, verdict)
    table = report.table(verdicts)
    print(table)  # noqa: T201 - a program's output
    if given.write:
        report.write(given.write, table, time.monotonic() - begun)
    kept = (v is not None and not v.broken for many in verdicts.values() for v in many)
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
