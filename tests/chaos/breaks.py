"""Switches protections off, one at a time in a scratch copy, and expects red tests.

    python -m tests.chaos.breaks            all of them; exit 1 if one goes unnoticed
    python -m tests.chaos.breaks fencing

A test that cannot fail protects nothing. Each break is an exact replacement in the
source; if its text is gone, that is told, for then nothing was switched off.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
#: Seconds for the named tests; more is a hang.
PATIENCE: Final = 300
#: pytest's exit code for "tests ran, and some failed".
RED: Final = 1

_LEFT_OUT: Final = shutil.ignore_patterns(".*", "dist", "__pycache__")


@dataclass(frozen=True)
class Edit:
    """One exact replacement; `intact` occurs exactly once."""

    file: str
    intact: str
    broken: str


@dataclass(frozen=True)
class Break:
    """A protection, how to switch it off, and the tests that must notice."""

    name: str
    protection: str
    edits: Sequence[Edit]
    tests: Sequence[str]


LUA: Final = "dispatcher/ledger/lua"
CONTRACT: Final = "tests/contract"

BREAKS: Final = (
    Break(
        "serial",
        "a group is `sending` under a serial of its own before a byte is written",
        [Edit(f"{LUA}/gate.lua", "  move(campaign, item.group, r, 'gate')\n", "")],
        [
            f"{CONTRACT}/test_ledger_leases.py::test_before_and_behind_the_gate",
            f"{CONTRACT}/test_ledger_gate.py::test_passing",
        ],
    ),
    Break(
        "fencing",
        "only the holder of the token that claimed a group passes the gate with it",
        [Edit(f"{LUA}/gate.lua", " and r.tail == token", "")],
        [f"{CONTRACT}/test_ledger_gate.py::test_fencing"],
    ),
    Break(
        "lease",
        "what a living worker holds is not taken from it",
        [Edit(f"{LUA}/lapse.lua", "'-inf', NOW, 'LIMIT'", "'-inf', '+inf', 'LIMIT'")],
        [f"{CONTRACT}/test_ledger_leases.py::test_renewed"],
    ),
    Break(
        "renewal",
        "a worker that lives keeps its leases",
        [Edit(f"{LUA}/renew.lua", "whole(NOW + lease_ms)", "whole(NOW)")],
        [f"{CONTRACT}/test_ledger_leases.py::test_renewed"],
    ),
    Break(
        "load",
        "a campaign sends nothing until its whole list is there",
        [
            Edit(
                f"{LUA}/commit.lua",
                "if redis.call('EXISTS', key('groups', load, chunk)) == 0 then",
                "if false then",
            )
        ],
        [f"{CONTRACT}/test_ledger_load.py::test_a_missing_chunk"],
    ),
    Break(
        "timeout",
        "no answer is unknown, never `not sent`",
        [
            Edit(
                "workers/judgement.py",
                '_LATE: Final = _Meaning(Kind.UNKNOWN, "timeout")',
                '_LATE: Final = _Meaning(Kind.UNREACHABLE, "timeout")',
            ),
            Edit(
                "workers/judgement.py",
                "    if permitted and not isinstance(error, NotWritten):\n"
                "        kind = Kind.UNKNOWN\n",
                "",
            ),
        ],
        [
            f"{CONTRACT}/test_cuts.py::test_not_sent_is_never_said_of_what_was_taken",
            "tests/unit/test_exceptions.py",
        ],
    ),
    Break(
        "day",
        "no more than so many units pass the gate in a day",
        [
            Edit(
                f"{LUA}/parts/buckets.lua",
                "day.units + cost <= daily",
                "day.units <= daily",
            )
        ],
        [f"{CONTRACT}/test_ledger_day.py"],
    ),
    Break(
        "export",
        "a campaign is removed only when its files have what its books say",
        [
            Edit(
                "dispatcher/archive_files.py",
                "_must(written == total and told == Counter(expected))",
                "_must(written >= 0)",
            )
        ],
        [f"{CONTRACT}/test_archive_faults.py::test_a_row_that_got_lost_on_the_way"],
    ),
    Break(
        "burial",
        "what happens to a campaign after its export is not removed with it",
        [Edit(f"{LUA}/bury.lua", "if is_changed() then return 'changed' end", "")],
        [f"{CONTRACT}/test_archive_faults.py::test_a_callback_meanwhile"],
    ),
    Break(
        "tombstone",
        "the id of an archived campaign is used for nothing else",
        [
            Edit(
                f"{LUA}/commit.lua",
                "if first[2] then return first[2] end",
                "if first[1] then return first[2] end",
            )
        ],
        [f"{CONTRACT}/test_ledger_archive.py::test_its_id_stays_taken"],
    ),
    Break(
        "forgery",
        "an order is taken from our own pages' forms only",
        [
            Edit(
                "dispatcher/web/forms.py",
                "        if not hmac.compare_digest(given, expected):\n",
                "        if False:\n",
            )
        ],
        [f"{CONTRACT}/test_page_orders.py::test_a_wrong_token"],
    ),
    Break(
        "origin",
        "an order is not taken from another site, whatever it holds",
        [
            Edit(
                "dispatcher/web/forms.py",
                "        if not _is_from_here(request):\n",
                "        if False:\n",
            )
        ],
        [f"{CONTRACT}/test_page_orders.py::test_from_another_site"],
    ),
    Break(
        "escaping",
        "what comes from elsewhere is text on a page, never a part of it",
        [Edit("dispatcher/web/paper.py", "autoescape=True", "autoescape=False")],
        [f"{CONTRACT}/test_pages.py::test_nothing_private_on_any_page"],
    ),
)


def main(words: Sequence[str]) -> int:
    """Try them; the exit code."""
    wanted = [b for b in BREAKS if not words or b.name in words]
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        shutil.copytree(ROOT, copy, ignore=_LEFT_OUT)
        unnoticed = [b for b in wanted if not _is_noticed(copy, b)]
    return 1 if unnoticed or not wanted else 0


def _is_noticed(copy: Path, tried: Break) -> bool:
    """Green as it is, red without the protection, in the same copy."""
    intact, _ = _test(copy, tried)
    if intact != 0:
        _say(tried, f"not tried: its tests end with {intact} as it is")
        return False
    with _broken(copy, tried):
        code, failed = _test(copy, tried)
    if code != RED:
        _say(tried, f"NOT NOTICED, exit code {code}")
        return False
    _say(tried, f"red: {failed[0]}")
    return True


@contextmanager
def _broken(copy: Path, tried: Break) -> Iterator[None]:
    """The copy without a protection, for the length of a block."""
    before = {edit.file: (copy / edit.file).read_text("utf-8") for edit in tried.edits}
    try:
        for edit in tried.edits:
            _apply(copy / edit.file, edit)
        yield
    finally:
        for file, text in before.items():
            (copy / file).write_text(text, "utf-8")


def _apply(file: Path, edit: Edit) -> None:
    text = file.read_text("utf-8")
    if (found := text.count(edit.intact)) != 1:
        raise SystemExit(f"{edit.file} has {edit.intact!r} {found} times, not once")
    file.write_text(text.replace(edit.intact, edit.broken), "utf-8")


def _test(copy: Path, tried: Break) -> tuple[int, list[str]]:
    """The exit code of its tests in the copy, and those that failed."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tried.tests],
        cwd=copy,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return done.returncode, list(_failed(done.stdout))


def _failed(output: str) -> Iterator[str]:
    for line in output.splitlines():
        if line.startswith("FAILED "):
            yield line.split()[1]


def _say(tried: Break, what: str) -> None:
    sys.stdout.write(f"{tried.name} ({tried.protection}): {what}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
