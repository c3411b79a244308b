"""Exports: rows, formats and files."""

from __future__ import annotations

import csv
import io
import json
import os
import stat
from pathlib import Path

import pytest

from dispatcher import exports
from dispatcher.errors import InvalidInput

GROUP = {
    "campaign": "c",
    "group": 0,
    "to": ["+1", "+2"],
    "state": "failed",
    "message_id": None,
    "attempts": 1,
    "error": {"code": "400 x", "description": "=bad, very"},
    "sent_at": None,
}


def test_a_groups_csv_row_is_flat() -> None:
    """Members by spaces, the error in two columns, nothing that a sheet would run."""
    file = io.StringIO()
    assert exports.write_csv([GROUP, GROUP | {"error": None}], file, "group") == 2
    first, second = csv.DictReader(io.StringIO(file.getvalue()))
    assert first["to"] == "+1 +2"
    assert first["error_code"] == "400 x"
    assert first["error_description"] == "'=bad, very"
    assert (first["message_id"], first["dropped"], second["error_code"]) == ("", "", "")


def test_json_lines_are_the_rows_themselves() -> None:
    """Nothing is lost or renamed."""
    file = io.StringIO()
    assert exports.write_jsonl([GROUP], file, "group") == 1
    assert json.loads(file.getvalue()) == GROUP


class DiskFull(Exception):
    """Anything that can go wrong half-way."""


def half_write(path: Path) -> None:
    with exports.whole_file(path) as file:
        file.write("new")
        raise DiskFull


def test_a_file_takes_its_name_only_when_it_is_whole(tmp_path: Path) -> None:
    """A failure leaves the old file and no draft."""
    path = tmp_path / "out.csv"
    path.write_text("old")
    with pytest.raises(DiskFull):
        half_write(path)
    assert [p.name for p in tmp_path.iterdir()] == ["out.csv"]
    assert path.read_text() == "old"


def test_an_export_is_for_its_owner_alone(tmp_path: Path) -> None:
    """Numbers stand in it in full."""
    path = tmp_path / "out.csv"
    with exports.whole_file(path) as file:
        file.write("new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text() == "new"


def test_a_link_is_followed(tmp_path: Path) -> None:
    """What the link points to is replaced, not the link."""
    (tmp_path / "real.csv").write_text("old")
    link = tmp_path / "link.csv"
    link.symlink_to("real.csv")
    with exports.whole_file(link) as file:
        file.write("new")
    assert link.is_symlink()
    assert (tmp_path / "real.csv").read_text() == "new"


def test_a_device_is_written_to_and_not_replaced() -> None:
    """/dev/null stays what it is."""
    with exports.whole_file(Path(os.devnull)) as file:
        file.write("gone")
    assert Path(os.devnull).is_char_device()


def test_a_folder_that_is_not_there_is_a_wrong_call(tmp_path: Path) -> None:
    """It is told before anything is read from the ledger."""
    with (
        pytest.raises(InvalidInput, match=r"^--output: .* cannot be written"),
        exports.whole_file(tmp_path / "nowhere" / "out.csv", option="--output"),
    ):
        pass
