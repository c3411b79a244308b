"""The command line that every benchmark has.

    python -m benchmarks.NAME [--quick | --full] [--write]

It prints what was found; `--write` also puts it into docs/performance.md.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.harness import report
from benchmarks.harness.report import Section
from dispatcher import logs


class Missing(Exception):
    """A program that a benchmark needs is not installed; says what to do."""


@dataclass(frozen=True)
class Size:
    """How much is measured.

    Attributes:
        quick: Seconds instead of minutes; the figures are rough.
        full: Also what takes many minutes.
    """

    quick: bool = False
    full: bool = False

    def pick(self, quick: int, normal: int, full: int | None = None) -> int:
        """The number for this size."""
        if self.quick:
            return quick
        return full if self.full and full is not None else normal


Measure = Callable[[Size], Section]


def run(measure: Measure, arguments: Sequence[str] | None = None) -> None:
    """Measure, print, and keep it if asked to."""
    begin(*parse(arguments), [measure])


def parse(arguments: Sequence[str] | None) -> tuple[Size, bool]:
    """What the command line asks for: how much, and whether to keep it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="rough, in seconds")
    size.add_argument("--full", action="store_true", help="with the largest sizes")
    parser.add_argument("--write", action="store_true", help="into docs/performance.md")
    asked = parser.parse_args(arguments)
    return Size(quick=asked.quick, full=asked.full), asked.write


def begin(size: Size, write: bool, measures: Sequence[Measure]) -> None:  # noqa: FBT001 - as parsed
    """Measure one after the other."""
    logs.configure(level="warning")
    missing = [fault for measure in measures if (fault := _one(measure, size, write))]
    if missing:
        sys.exit("\n".join(missing))


def _one(measure: Measure, size: Size, write: bool) -> str:  # noqa: FBT001 - likewise
    """Measure one; what it lacks, if it cannot be done."""
    started = time.monotonic()
    try:
        section = measure(size)
    except Missing as fault:
        return f"{measure.__module__}: {fault}"
    print(report.tell(section), flush=True)
    took = time.monotonic() - started
    print(f"({section.name}: {took:.0f} s)\n", file=sys.stderr, flush=True)
    if write:
        report.keep(section)
    return ""
