"""The arithmetic of the benchmarks: spreads, ratios, targets, the page."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import httpx
import msgspec
import pytest

import workers.sending
from benchmarks import commands, steering, submit, where
from benchmarks.harness import command, job, report, targets
from benchmarks.harness.command import Size
from benchmarks.harness.figures import Spread, ratio, spread, table
from benchmarks.harness.monitor import Monitor
from benchmarks.harness.report import Section
from benchmarks.harness.store import Counters
from benchmarks.harness.targets import Target
from workers.bandwidth import Message

# -- figures -------------------------------------------------------------------


def test_a_spread_is_the_middle_and_both_ends() -> None:
    assert spread([3, 1, 7]) == Spread(3, 1, 7)


def test_nothing_has_no_spread() -> None:
    with pytest.raises(ValueError, match="nothing"):
        spread([])


def test_ratios_are_taken_round_by_round() -> None:
    """A slow round slows both sides: 200/100, 20/10 and 80/20 are 2, 2 and 4."""
    assert ratio([200, 20, 80], [100, 10, 20]) == Spread(2, 2, 4)


def test_rounds_that_do_not_match_have_no_ratio() -> None:
    with pytest.raises(ValueError, match="zip"):
        ratio([1, 2], [1])


@pytest.mark.parametrize(
    ("values", "form", "said"),
    [
        ([1234.5], ",.0f", "1,234"),
        ([2, 2], ",.0f", "2"),
        ([1, 3, 2], ".1f", "2.0 (1.0 to 3.0)"),
    ],
)
def test_a_spread_is_told_as(values: list[float], form: str, said: str) -> None:
    assert spread(values).tell(form) == said


def test_a_table_has_text_left_and_numbers_right() -> None:
    assert table(["", "n"], [["a", "1"]]) == "|  | n |\n| --- | --: |\n| a | 1 |\n"


# -- targets -------------------------------------------------------------------

MORE = Target("speed", "speed", 10, 20, "{:.0f} x")
LESS = Target("size", "size", 30, 20, "{:.0f}", less=True)
ONLY = Target("used", "used", 0.99, None, "{:.1%}")


@pytest.mark.parametrize(
    ("target", "value", "verdict"),
    [
        (MORE, 20, "reached"),
        (MORE, 19.9, "floor met"),
        (MORE, 10, "floor met"),
        (MORE, 9.9, "**missed**"),
        (LESS, 20, "reached"),
        (LESS, 20.1, "floor met"),
        (LESS, 30, "floor met"),
        (LESS, 30.1, "**missed**"),
        (ONLY, 0.99, "met"),
        (ONLY, 0.98, "**missed**"),
        (MORE, None, "not measured"),
    ],
)
def test_verdict(target: Target, value: float | None, verdict: str) -> None:
    assert target.verdict(value) == verdict


def test_a_row_tells_both_bounds_and_ours() -> None:
    row = ["speed", "at least 10 x", "20 x", "12 x", "floor met"]
    assert MORE.row(12) == row
    assert LESS.row(12)[1:3] == ["at most 30", "20"]


def test_each_target_has_a_figure_of_its_own() -> None:
    names = [target.figure for target in targets.TARGETS]
    assert len(set(names)) == len(names)


# -- the page ------------------------------------------------------------------


def section(name: str, **figures: float) -> Section:
    return Section(name, f"Title {name}", f"text of {name}", figures, made="today")


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "page.md"
    path.write_text(f"for people\n{report.BEGIN}\nold\n{report.END}\nmore\n")
    return path


def test_a_section_replaces_only_the_generated_part(page: Path) -> None:
    report.keep(section("memory"), page.parent / "data.json", page)
    text = page.read_text()
    assert text.startswith("for people\n")
    assert text.endswith("\nmore\n")
    assert "text of memory" in text
    assert "old" not in text


def test_sections_of_earlier_runs_stay_in_the_order_of_the_page(page: Path) -> None:
    data = page.parent / "data.json"
    for name in ("memory", "sending", "memory"):
        report.keep(section(name), data, page)
    text = page.read_text()
    assert text.index("Title sending") < text.index("Title memory")
    assert text.count("Title memory") == 1
    assert list(report.load(data)) == ["memory", "sending"]


def test_figures_of_all_sections_stand_beside_the_targets(page: Path) -> None:
    data = page.parent / "data.json"
    report.keep(section("sending", sent_vs_celery=21.0), data, page)
    report.keep(section("memory", bytes_finished=31.0), data, page)
    lines = page.read_text().splitlines()
    (speed,) = [line for line in lines if "a plain Celery task" in line]
    (size,) = [line for line in lines if "Redis bytes per recipient" in line]
    assert speed.endswith("| 21 x | reached |")
    assert size.endswith("| 31.0 | **missed** |")


def test_a_page_without_a_place_is_refused(page: Path) -> None:
    page.write_text("no place")
    with pytest.raises(ValueError, match="no lines"):
        report.keep(section("memory"), page.parent / "data.json", page)


# -- the rest ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "picked", "write"),
    [
        ([], 2, False),
        (["--quick"], 1, False),
        (["--full", "--write"], 3, True),
    ],
)
def test_the_command_line_picks_the_size(
    arguments: list[str], picked: int, *, write: bool
) -> None:
    size, asked = command.parse(arguments)
    assert size.pick(1, 2, 3) == picked
    assert asked is write


def test_full_is_normal_where_nothing_larger_is_named() -> None:
    assert Size(full=True).pick(1, 2) == 2


def test_counters_tell_what_was_done_between() -> None:
    before = Counters(10, 1, 50, 5, 100, 1.0, {"get": 6, "set": 4})
    after = Counters(15, 3, 90, 9, 170, 1.5, {"get": 6, "set": 7, "del": 2})
    assert after - before == Counters(5, 2, 40, 4, 70, 0.5, {"set": 3, "del": 2})


# -- steering ------------------------------------------------------------------


def test_shares_are_those_of_whole_windows() -> None:
    """Two windows of five seconds: 10 and 30 units, then 20 and 20; the last is cut."""
    sends = [(0, 0, 10), (4.9, 1, 30), (5, 1, 20), (9, 0, 20), (10, 0, 10)]
    assert steering.windows(sends, 2) == [0.25, 0.75, 0.5, 0.5]


# -- what is asked of Redis ----------------------------------------------------

HEARD = b"""\
+OK
1790000000.1 [0 unix:/s] "hello" "3"
1790000000.2 [0 unix:/s] "EVALSHA" "abc" "0" "" "T1"
1790000000.2 [0 lua] "hget" "key" "field [0 lua] \\"get\\""
1790000000.2 [0 lua] "hget" "key" "field"
1790000000.3 [0 127.0.0.1:5] "get" "abc"
"""


def test_a_monitor_tells_clients_from_scripts() -> None:
    monitor = Monitor("nowhere")
    monitor.note(HEARD)
    assert monitor.sent == {"hello": 1, "abc": 1, "get": 1}
    assert monitor.inner == {"hget": 2}


def test_every_script_has_a_name() -> None:
    names = commands.scripts()
    assert {"claim", "gate", "settle"} <= set(names.values())


# -- numbers -------------------------------------------------------------------


def test_numbers_in_no_order_are_all_different_and_may_be_begun_anywhere() -> None:
    numbers = list(submit.shuffled(5000))
    assert len(set(numbers)) == len(numbers)
    assert numbers != sorted(numbers)
    assert list(submit.shuffled(10, 40)) == numbers[40:50]


def test_the_body_of_the_job_is_the_one_that_a_worker_sends() -> None:
    """Peers must not have less to write than we do."""
    names = {field.encode_name for field in msgspec.structs.fields(Message)}
    assert set(job.body(3)) <= names
    assert len(set(job.body(3)["to"])) == job.SIZE


# -- where the time goes -------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (workers.sending.__file__, "workers/sending.py"),
        (httpx.__file__, "httpx"),
        (asyncio.__file__, "Python's asyncio"),
        (tempfile.__file__, "Python's tempfile.py"),
        ("<string>", "generated code"),
    ],
)
def test_a_file_is_named_by_the_package_it_is_in(file: str, said: str) -> None:
    assert where.module_of(file) == said
