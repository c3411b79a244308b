"""The record: what is written can be read, even after a violent end."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from dispatcher.simulator import Entry, Fault, read_record
from dispatcher.simulator.record import Record

TAKEN = Entry(
    seq=1,
    time=1_800_000_000.123456,
    account="5500001",
    sender="+19195551212",
    to=("+19195550001", "+19195550002"),
    tag='a "tag"\nof two lines ☃',
    units=2,
    text_length=5,
    taken=True,
    status=None,
    fault=Fault.DROP_AFTER,
    id="1800000000123abcdefghijklmnop",
)
REFUSED = Entry(
    seq=2,
    time=1_800_000_001.0,
    account="",
    sender=None,
    to=(),
    tag=None,
    units=0,
    text_length=0,
    taken=False,
    status=400,
    fault=None,
    id=None,
)


def test_entries_come_back_as_they_were(tmp_path: Path) -> None:
    """In order and in full."""
    path = tmp_path / "record.jsonl"
    record = Record(path)
    record.add(TAKEN)
    record.add(REFUSED)
    record.close()
    assert list(read_record(path)) == [TAKEN, REFUSED]


def test_an_entry_is_one_line_of_plain_json(tmp_path: Path) -> None:
    """Any tool can read it; the sender has the provider's name for it."""
    path = tmp_path / "record.jsonl"
    record = Record(path)
    record.add(TAKEN)
    record.close()
    (line,) = path.read_bytes().splitlines()
    read = msgspec.json.decode(line)
    assert (read["from"], read["fault"]) == ("+19195551212", "drop-after")
    assert (read["taken"], read["status"]) == (True, None)


def test_a_flush_is_enough(tmp_path: Path) -> None:
    """What was flushed is in the file while the record is still open."""
    path = tmp_path / "record.jsonl"
    record = Record(path)
    record.add(TAKEN)
    assert list(read_record(path)) == []
    record.flush()
    assert list(read_record(path)) == [TAKEN]
    record.close()


def test_a_record_grows(tmp_path: Path) -> None:
    """Opening it again adds to what it holds."""
    path = tmp_path / "record.jsonl"
    for entry in (TAKEN, REFUSED):
        record = Record(path)
        record.add(entry)
        record.close()
    assert list(read_record(path)) == [TAKEN, REFUSED]


def test_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    """The writer may be killed in the middle of one."""
    path = tmp_path / "record.jsonl"
    line = msgspec.json.encode(TAKEN)
    path.write_bytes(line + b"\n" + line[:-5])
    assert list(read_record(path)) == [TAKEN]


def test_a_line_that_is_no_entry_is_told(tmp_path: Path) -> None:
    """A damaged record is not passed off as a short one."""
    path = tmp_path / "record.jsonl"
    path.write_bytes(b'{"seq":1}\n')
    with pytest.raises(msgspec.DecodeError):
        list(read_record(path))


def test_without_a_path_nothing_is_kept() -> None:
    """Every call is allowed and does nothing."""
    record = Record(None)
    record.add(TAKEN)
    record.flush()
    record.close()
