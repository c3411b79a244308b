"""Intake: what gets through, the books on what does not, and the digest."""

from __future__ import annotations

import csv
import stat
from pathlib import Path

import pytest

from dispatcher.errors import DispatchError
from dispatcher.intake import _BATCH, Intake
from dispatcher.numbers import Reason
from dispatcher.recipients import Row, as_rows
from dispatcher.rejections import RejectionsFile, harmless

ANN, BOB, CAT = 19195551212, 19195551213, 19195551214
LIST = ["+19195551212", "(919) 555-1213", "919-555-1212", "hello", "", "+19195551214"]


def accepted(intake: Intake) -> list[int]:
    return [number for number, _ in intake]


def digest(*rows: str | Row, **options: frozenset[int]) -> str:
    intake = Intake(as_rows(rows), **options)  # type: ignore[arg-type]
    list(intake)
    return intake.digest()


def test_good_numbers_come_out_in_order() -> None:
    """First come, first out; the first of two spellings stays."""
    intake = Intake(as_rows(LIST))
    assert accepted(intake) == [ANN, BOB, CAT]


def test_the_books() -> None:
    """Every row is counted once: accepted, rejected or dropped."""
    intake = Intake(as_rows(LIST), suppressed={CAT})
    assert accepted(intake) == [ANN, BOB]
    assert intake.rows == 6
    assert intake.accepted == 2
    assert intake.rejected == {Reason.NOT_A_NUMBER: 1, Reason.EMPTY: 1}
    assert intake.dropped == {Reason.DUPLICATE: 1, Reason.OPTED_OUT: 1}


def test_keys_go_along() -> None:
    """Grouping needs the key of each number."""
    rows = [Row(2, "+19195551212", "Oak"), Row(3, "+19195551213", "")]
    assert list(Intake(rows)) == [(ANN, "Oak"), (BOB, "")]


def test_each_rejection_is_told() -> None:
    """Line, reason and value; the value as written, and cut."""
    told: list[tuple[int, Reason, str]] = []
    rows = [Row(3, "x" * 99), Row(5, "9195551212"), Row(8, "919.555.1212")]
    list(Intake(rows, reject=lambda *row: told.append(row)))
    assert told == [
        (3, Reason.NOT_A_NUMBER, "x" * 64),
        (8, Reason.DUPLICATE, "919.555.1212"),
    ]


def test_who_opted_out_is_told_so_each_time() -> None:
    """An opted-out number is no duplicate: that would explain nothing."""
    intake = Intake(as_rows(["+19195551212"] * 3), suppressed={ANN})
    assert accepted(intake) == []
    assert intake.dropped == {Reason.OPTED_OUT: 3}


def test_the_region_decides_about_bare_numbers() -> None:
    """The same digits are another telephone in another country."""
    intake = Intake(as_rows(["020 7946 0018"]), region="GB")
    assert accepted(intake) == [442079460018]


@pytest.mark.parametrize("count", [0, 1, _BATCH - 1, _BATCH, _BATCH + 1, 3 * _BATCH])
def test_batches_leave_no_seam(count: int) -> None:
    """No row is lost or doubled where one batch ends and the next begins."""
    numbers = [ANN + i for i in range(count)]
    intake = Intake(as_rows(f"+{number}" for number in numbers))
    assert accepted(intake) == numbers
    assert intake.rows == intake.accepted == count


def test_a_duplicate_is_found_in_a_later_batch() -> None:
    """The first stays, however far away."""
    rows = [f"+{ANN + i}" for i in range(_BATCH)] + ["+19195551212"]
    intake = Intake(as_rows(rows))
    assert len(accepted(intake)) == _BATCH
    assert intake.dropped == {Reason.DUPLICATE: 1}


def test_a_second_loop_goes_on_where_the_first_stopped() -> None:
    """Nothing is counted twice."""
    intake = Intake(as_rows(LIST))
    assert next(iter(intake)) == (ANN, None)
    assert accepted(intake) == [BOB, CAT]
    assert accepted(intake) == []
    assert intake.rows == 6


def test_the_digest_does_not_depend_on_spelling() -> None:
    """The same people are the same content."""
    assert digest("+19195551212") == digest("(919) 555-1212")


def test_the_digest_does_not_depend_on_who_opted_out() -> None:
    """A submit that is repeated after an opt-out is still the same submit."""
    assert digest(*LIST) == digest(*LIST, suppressed=frozenset({ANN, CAT}))


def test_the_digest_does_not_depend_on_lines() -> None:
    """A blank line more or less changes nobody's message."""
    assert digest(Row(1, "+19195551212")) == digest(Row(9, "+19195551212"))


DIFFERENT = {
    "another number": (["+19195551212"], ["+19195551213"]),
    "a duplicate": (["+19195551212"], ["+19195551212", "+19195551212"]),
    "another order": (
        ["+19195551212", "+19195551213"],
        ["+19195551213", "+19195551212"],
    ),
    "another bad value": (["x"], ["y"]),
    "bad values that join": (["x", "y"], ["x\ny"]),
    "quotes": (['x"', "y"], ['x"\n"y']),
    "a key": ([Row(1, "+19195551212")], [Row(1, "+19195551212", "")]),
    "another key": ([Row(1, "x", "a")], [Row(1, "x", "b")]),
    "a key that looks like a row": ([Row(1, "x", "y")], ["x", "y"]),
    "a reason as value": (["empty"], [""]),
    "half characters": (["\ud800"], ["\ud801"]),
}


@pytest.mark.parametrize(("one", "other"), DIFFERENT.values(), ids=DIFFERENT.keys())
def test_other_content_has_another_digest(
    one: list[str | Row], other: list[str | Row]
) -> None:
    """The digest decides whether a repeated submit is the same one."""
    assert digest(*one) != digest(*other)


def test_the_digest_is_kept_by_updates() -> None:
    """Stored campaigns carry it: whoever changes its form breaks their resubmission."""
    assert digest("+19195551212", "hello", Row(3, "+19195551213")) == (
        "efe18f3a5cc5fdbd15a07dca89b724025c17f7af4eaad2e053ce7d213c449345"
    )


def written(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_rejections_are_written_for_people(tmp_path: Path) -> None:
    """One row a rejection, with a sentence; nobody else may read it."""
    target = tmp_path / "new folder" / "rejections.csv"
    with RejectionsFile(target) as file:
        list(Intake(as_rows(["hello", "+19195551212"] * 2), reject=file.add))
        assert file.path is None
        assert not target.exists()
    assert file.path == target
    assert written(target) == [
        ["line", "reason", "value", "explanation"],
        ["1", "not_a_number", "hello", Reason.NOT_A_NUMBER.explanation],
        ["3", "not_a_number", "hello", Reason.NOT_A_NUMBER.explanation],
        ["4", "duplicate", "+19195551212", Reason.DUPLICATE.explanation],
    ]
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert list(target.parent.iterdir()) == [target]


def test_no_rejection_no_file(tmp_path: Path) -> None:
    """An empty file would only make people open it."""
    with RejectionsFile(tmp_path / "rejections.csv") as file:
        pass
    assert file.path is None
    assert list(tmp_path.iterdir()) == []


def test_a_submission_that_fails_leaves_no_file(tmp_path: Path) -> None:
    """A half-written file would be taken for the whole truth; an old one stays."""
    target = tmp_path / "rejections.csv"
    target.write_text("old")
    file = RejectionsFile(target)

    def submit() -> None:
        with file:
            file.add(1, Reason.EMPTY, "")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        submit()
    assert file.path is None
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """A full disk or a wrong folder is one clear line."""
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    blocked = RejectionsFile(tmp_path / "file" / "rejections.csv")
    with blocked, pytest.raises(DispatchError, match="cannot be written: "):
        blocked.add(1, Reason.EMPTY, "")
    with (
        pytest.raises(DispatchError, match="cannot be written: "),
        RejectionsFile(tmp_path / "folder") as replaced,
    ):
        replaced.add(1, Reason.EMPTY, "")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]


def test_half_a_character_can_be_written(tmp_path: Path) -> None:
    """A value that is no Unicode at all must not end the import."""
    with RejectionsFile(tmp_path / "rejections.csv") as file:
        file.add(1, Reason.NOT_A_NUMBER, "\ud800")
    assert written(tmp_path / "rejections.csv")[1][2] == "\\ud800"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("+19195551212", "+19195551212"),
        ("+1 (919) 555-1212", "+1 (919) 555-1212"),
        ("-", "-"),
        ("919", "919"),
        ("", ""),
        ("Ann = Bob", "Ann = Bob"),
        ("=1+1", "'=1+1"),
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("+SUM(A1)", "'+SUM(A1)"),
        ("-cmd|' /C calc'!A0", "'-cmd|' /C calc'!A0"),
        ("+1919;A1", "'+1919;A1"),
        ("@SUM(1)", "'@SUM(1)"),
        ("\t=1", "'\t=1"),
        ("＝1", "'＝1"),  # noqa: RUF001 - full width
    ],
)
def test_no_spreadsheet_runs_a_value(value: str, expected: str) -> None:
    """Formulas are taken for text, numbers stay numbers."""
    assert harmless(value) == expected
