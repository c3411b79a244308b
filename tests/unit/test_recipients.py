"""Recipients: every way of writing a list, and one clear line for what is none."""

from __future__ import annotations

import gzip
import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dispatcher.errors import InvalidInput, ListError
from dispatcher.recipients import Row, as_rows, read_recipients

if TYPE_CHECKING:
    from collections.abc import Iterable

A, B = "+19195551212", "(919) 555-1213"


def rows(data: bytes, **options: Any) -> list[Row]:  # noqa: ANN401 - any option
    return list(read_recipients(io.BytesIO(data), **options))


def values(data: bytes, **options: Any) -> list[str]:  # noqa: ANN401 - any option
    return [row.value for row in rows(data, **options)]


def fault(data: bytes, **options: Any) -> str:  # noqa: ANN401 - any option
    with pytest.raises(ListError) as caught:
        rows(data, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert "5551212" not in message
    return message


FORMS = {
    "one a line": f"{A}\n{B}\n",
    "no last line break": f"{A}\n{B}",
    "Windows line breaks": f"{A}\r\n{B}\r\n",
    "old line breaks": f"{A}\r{B}\r",
    "spaces around": f"  {A} \n\t{B}\t\n",
    "header and one column": f"Telephone\n{A}\n{B}\n",
    "known header and one column": f"phone\n{A}\n{B}\n",
    "quoted": f'"{A}"\n"{B}"\n',
    "quoted with header": f'"Phone"\n"{A}"\n"{B}"\n',
    "CSV": f"name,phone\nAnn,{A}\nBob,{B}\n",
    "any case": f"name,PHONE\nAnn,{A}\nBob,{B}\n",
    "spaces in the header": f"name, Phone \nAnn,{A}\nBob,{B}\n",
    "header with digits": f"address 1,phone\nx,{A}\ny,{B}\n",
    "TSV": f"name\tmobile\nAnn\t{A}\nBob\t{B}\n",
    "semicolons": f"name;cell;x,y\nAnn;{A};a,b\nBob;{B};\n",
    "quoted CSV": f'"name","msisdn"\n"Ann, or Annie","{A}"\n"Bob ""B""","{B}"\n',
    "separator in a quoted header": f'"a;b;c",to\n1,{A}\n2,{B}\n',
    "trailing comma": f"phone,\n{A},\n{B},\n",
    "JSON objects": f'{{"phone": "{A}", "n": 1}}\n{{"n": 2, "phone": "{B}"}}\n',
    "JSON, only key": f'{{"whatever": "{A}"}}\n{{"whatever": "{B}"}}\n',
    "JSON strings": f'"{A}"\n"{B}"\n',
    "JSON, mixed": f'{{"phone": "{A}"}}\n"{B}"\n',
}


@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS.keys())
@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le-mark", "utf-16-be-mark"]
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_every_way_of_writing_a_list(text: str, encoding: str, pack: Any) -> None:  # noqa: ANN401 - a function
    """The form is told from the content, whatever it is packed in."""
    if encoding.endswith("-mark"):
        data = ("\ufeff" + text).encode(encoding.removesuffix("-mark"))
    else:
        data = text.encode(encoding)
    assert values(pack(data)) == [A, B]


def test_numbers_without_quotes_are_json_too() -> None:
    """JSON numbers and plain digits are the same thing."""
    assert values(b"19195551212\n9195551213\n") == ["19195551212", "9195551213"]
    assert values(b'{"to": 19195551212}\n{"to": 19195551213.0}\n') == [
        "19195551212",
        "19195551213",
    ]


@pytest.mark.parametrize("name", ["phone", "phone_number", "number", "mobile"])
@pytest.mark.parametrize("case", [str.lower, str.upper, str.title])
def test_the_usual_names_of_a_column(name: str, case: Any) -> None:  # noqa: ANN401 - a function
    """A column with a usual name needs no option."""
    assert values(f"name,{case(name)},x\nAnn,{A},y\n".encode()) == [A]


COLUMNS = {
    "by name": ("a,b\nx,+1\n", "b", ["+1"]),
    "by name in another case": ("A,B\nx,+1\n", "b", ["+1"]),
    "the exact name wins": ("b,B\nx,+1\n", "B", ["+1"]),
    "instead of the usual one": ("phone,other\nx,+1\n", "other", ["+1"]),
    "by number, with header": ("a,b\nx,+1\n", 2, ["+1"]),
    "by number, as text": ("a,b\nx,+1\n", "2", ["+1"]),
    "by number, without header": ("Ann,91955\nBob,91956\n", 2, ["91955", "91956"]),
    "by number, of one": ("91955\n91956\n", 1, ["91955", "91956"]),
    "a name that is a number": ("1,2\n+1,+2\n", "2", ["+2"]),
    "JSON key": ('{"a": "+1", "b": "+2"}\n', "b", ["+2"]),
    "one of two that are usual": ("phone,mobile\n+1,+2\n", "mobile", ["+2"]),
}


@pytest.mark.parametrize(
    ("text", "column", "expected"), COLUMNS.values(), ids=COLUMNS.keys()
)
def test_the_column_that_was_asked_for(
    text: str, column: str | int, expected: list[str]
) -> None:
    """A column is asked for by name or counted from 1."""
    assert values(text.encode(), column=column) == expected


LINES = {
    "blank lines": (f"\n\n{A}\n \n\t\n{B}\n\n", [(3, A), (6, B)]),
    "blank lines in CSV": (f"\nphone,x\n\n{A},1\n  \n,\n{B},2", [(4, A), (7, B)]),
    "blank lines in JSON": (f'\n{{"to":"{A}"}}\n \n{{"to":"{B}"}}', [(2, A), (4, B)]),
    "line breaks in quotes": (
        f'name,phone\n"Ann\nand\r\nAl",{A}\nBob,{B}\n',
        [(2, A), (5, B)],
    ),
    "line breaks in a quoted header": (f'"a\nb",phone\nx,{A}\n', [(3, A)]),
    "no header": (f"{A}\n{B}\n", [(1, A), (2, B)]),
    "header": (f"phone\n{A}\n{B}\n", [(2, A), (3, B)]),
    "a bad number on the first line": ("12345\n+1919\n", [(1, "12345"), (2, "+1919")]),
    "letters and digits first": (f"tel:{A}\n{B}\n", [(1, f"tel:{A}"), (2, B)]),
    "a row that is too short": (f"name,phone\nAnn\nBob,{B}\n", [(2, ""), (3, B)]),
    "an empty number": (f"name,phone\nAnn,\nBob,{B}\n", [(2, ""), (3, B)]),
    "a row that is too long": (f"name,phone\nAnn,{A},x,y\n", [(2, A)]),
    "JSON without the key": ('{"to":"x"}\n{"no":1}\n', [(1, "x"), (2, "")]),
    "JSON null": ('{"to":"x"}\n{"to":null}\n', [(1, "x"), (2, "")]),
    "broken JSON": ('{"to":"x"}\n{"to":"y"\n', [(1, "x"), (2, '{"to":"y"')]),
    "deep JSON": ('{"to":"x"}\n' + "[" * 9999, [(1, "x"), (2, "[" * 9999)]),
    "JSON of other types": (
        '{"to":true}\n{"to":["+1"]}\n{"to":{"a":1}}\n{"to":1.5}',
        [(1, "true"), (2, '["+1"]'), (3, '{"a":1}'), (4, "1.5")],
    ),
}


@pytest.mark.parametrize(("text", "expected"), LINES.values(), ids=LINES.keys())
def test_lines_are_those_of_the_file(
    text: str, expected: list[tuple[int, str]]
) -> None:
    """A rejection must be found in the file: rows carry the line they start on."""
    found = [(row.line, row.value) for row in rows(text.encode())]
    assert found == expected


KEYS = {
    "CSV": (f"phone,home\n{A}, Oak 1 \n{B},\n+1\n", ["Oak 1", "", ""]),
    "TSV": (f"home\tphone\nOak 1\t{A}\n\t{B}\n", ["Oak 1", ""]),
    "JSON": (
        '{"phone":"+1","home":"Oak"}\n{"phone":"+2","home":7}\n{"phone":"+3"}\n"+4"\n',
        ["Oak", "7", "", ""],
    ),
}


@pytest.mark.parametrize(("text", "expected"), KEYS.values(), ids=KEYS.keys())
def test_keys_to_group_by(text: str, expected: list[str]) -> None:
    """Every row has a key when a column is grouped by; what is not there is blank."""
    assert [key for _, _, key, _ in rows(text.encode(), group_by="home")] == expected


def test_keys_by_number_of_the_column() -> None:
    """A list without header is grouped by a counted column."""
    found = rows(b"91955,x\n91956,y\n", column=1, group_by="2")
    assert found == [Row(1, "91955", "x"), Row(2, "91956", "y")]


ZONES = {
    "CSV": f"phone,tz\n{A}, US/Eastern \n{B},\n+1\n",
    "JSON": '{"phone":"+1","tz":"US/Eastern"}\n{"phone":"+2"}\n{"phone":"+3"}\n',
}


@pytest.mark.parametrize("text", ZONES.values(), ids=ZONES.keys())
def test_time_zones(text: str) -> None:
    """From the column that was asked for; what is not there is blank."""
    found = rows(text.encode(), zone_column="tz")
    assert [row.zone for row in found] == ["US/Eastern", "", ""]
    assert {row.zone for row in rows(text.encode())} == {None}


def test_no_keys_unless_asked() -> None:
    """Without grouping no row has a key, not even an empty one."""
    assert {key for _, _, key, _ in rows(f"phone,home\n{A},x\n".encode())} == {None}


FAULTS = {
    "nothing": (b"", "is empty"),
    "only blank lines": (b"\n \r\n\t\n", "is empty"),
    "only a header": (b"name,phone\n", "is empty"),
    "only a mark": (b"\xef\xbb\xbf", "is empty"),
    "NUL": (b"91955\n\0\n", "binary file"),
    "NUL far inside": (b"91955\n" * 9999 + b"\0\n", "binary file"),
    "Excel": (b"PK\x03\x04" + b"?" * 26 + b"[Content_Types].xml", "Excel workbook"),
    "another Excel": (b"PK\x03\x04" + b"?" * 26 + b"docProps/app.xml", "Excel"),
    "old Excel": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "Excel workbook"),
    "zip": (b"PK\x03\x04" + b"?" * 26 + b"list.csv", "zip archive"),
    "PDF": (b"%PDF-1.7", "PDF"),
    "RTF": (b"{\\rtf1 91955}", "word processor"),
    "web page": (b"<!DOCTYPE html><p>", "web page"),
    "XML": (b"<?xml version='1.0'?>", "XML"),
    "bzip2": (b"BZh91AY&SY", "bzip2"),
    "xz": (b"\xfd7zXZ\x00", "xz"),
    "zstd": (b"\x28\xb5\x2f\xfd", "Zstandard"),
    "gzip twice": (gzip.compress(gzip.compress(b"91955")), "twice"),
    "gzip of Excel": (gzip.compress(b"PK\x03\x04" + b"?" * 26 + b"xl/"), "Excel"),
    "not UTF-8": (b"phone,name\n91955,Zoe\n91956,Zo\xeb\n", "line 3 .*UTF-8"),
    "not UTF-8 far inside": (b"91955\n" * 5000 + b"\xff\n", "line 5001 .*UTF-8"),
    "cut in a character": (b"91955\n91956\xc3", "line 2 .*UTF-8"),
    "half of UTF-16": ("\ufeff91955\n91956".encode("utf-16-le")[:-1], "line 2 .*16"),
    "gzip cut": (gzip.compress(os.urandom(9999).hex().encode())[:-5000], "damaged"),
    "gzip broken": (
        gzip.compress(b"91955\n" * 9)[:15] + b"?" * 9,
        "damaged",
    ),
    "gzip with a wrong sum": (gzip.compress(b"91955\n")[:-8] + b"?" * 8, "damaged"),
    "JSON array": (b'[{"phone": "91955"}]', "JSON lines"),
    "long line": (b"91955\n" + b"9" * 3_000_000, "more than a million"),
    "several columns": (b"phone,mobile\n1,2\n", r"\(phone, mobile\).*--column"),
    "no usual column": (b"name,home\n1,2\n", "columns are name, home; .*--column"),
    "no usual key": (b'{"name": 1, "home": 2}\n', "columns are name, home"),
    "no header": (b"Ann,91955\n", "no header and 2 columns.*--column"),
    "quote not closed": (b'phone,x\n91955,"y\n91956,z\n', "line 2"),
    "quote closed too early": (b'phone,x\n91955,y\n91956,"a"b\n', "line 3"),
    "quote that swallows a file": (
        b'phone,x\n91955,"y\n' + b"91956,z\n" * 50_000,
        "line 2",
    ),
}


@pytest.mark.parametrize(("data", "expected"), FAULTS.values(), ids=FAULTS.keys())
def test_what_is_no_list_is_told_in_one_line(data: bytes, expected: str) -> None:
    """The line says what it is and what to do; nobody sees a traceback."""
    with pytest.raises(ListError, match=expected):
        rows(data)
    fault(data)


MISSING = {
    "column": (b"name,phone\nx,1\n", {"column": "cel"}, "no column cel; .*name, phone"),
    "key": (b"phone,x\n1,2\n", {"group_by": "home"}, "no column home; .*phone, x"),
    "number": (b"phone,x\n1,2\n", {"column": 3}, "no column 3; .*phone, x"),
    "zero": (b"phone,x\n1,2\n", {"column": 0}, "no column 0"),
    "JSON": (b'{"phone": 1}\n', {"group_by": "home"}, "no column home; .*phone"),
    "twice": (b"a,a\n1,2\n", {"column": "a"}, "2 columns are called a"),
    "no header": (
        b"Ann,+19195551212\n",
        {"column": "cell"},
        "no header; give a number from 1 to 2",
    ),
    "no header, a key": (b"+19195551212\n", {"group_by": "home"}, "no header"),
}


@pytest.mark.parametrize(
    ("data", "options", "expected"), MISSING.values(), ids=MISSING.keys()
)
def test_a_column_that_is_not_there(
    data: bytes, options: dict[str, Any], expected: str
) -> None:
    """The columns that are there are listed, unless they may be somebody's number."""
    with pytest.raises(ListError, match=expected):
        rows(data, **options)
    fault(data, **options)


def test_a_file_can_be_read_again(tmp_path: Path) -> None:
    """Counting first and submitting then is a matter of two loops."""
    path = tmp_path / "list.csv"
    path.write_text(f"{A}\n{B}\n")
    for source in (path, str(path)):
        recipients = read_recipients(source)
        assert recipients.rereadable
        assert list(recipients) == list(recipients) == [Row(1, A), Row(2, B)]


def test_a_stream_is_read_once() -> None:
    """A second loop over a stream would silently see nothing, so it is refused."""
    recipients = read_recipients(io.BytesIO(A.encode()))
    assert not recipients.rereadable
    assert list(recipients) == [Row(1, A)]
    with pytest.raises(ListError, match="only once"):
        list(recipients)


def test_a_file_object_is_left_open() -> None:
    """Who opened it closes it."""
    source = io.BytesIO(A.encode())
    list(read_recipients(source))
    assert not source.closed


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_standard_input(monkeypatch: pytest.MonkeyPatch, pack: Any) -> None:  # noqa: ANN401 - a function
    """A dash means standard input, packed or not, and reading waits for the loop."""
    data = io.BytesIO(pack(f"{A}\n{B}\n".encode()))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(data))
    recipients = read_recipients("-")
    assert data.tell() == 0
    assert list(recipients) == [Row(1, A), Row(2, B)]


def test_a_named_pipe_is_a_stream(tmp_path: Path) -> None:
    """Opening a pipe to look at it would take its first bytes away."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    assert not read_recipients(path).rereadable


def test_a_source_that_reads_in_small_pieces() -> None:
    """A socket returns what it has; nothing depends on the size of the pieces."""

    class Dripping(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(1 if size else size)

    for data in (f"{A}\n{B}\n".encode(), gzip.compress(f"{A}\n{B}\n".encode())):
        assert list(read_recipients(Dripping(data))) == [Row(1, A), Row(2, B)]


def test_a_file_opened_as_text_is_refused(tmp_path: Path) -> None:
    """Whoever opened it has chosen an encoding that we did not."""
    path = tmp_path / "list.csv"
    path.write_text(A)
    with path.open() as source, pytest.raises(ListError, match="binary mode"):
        list(read_recipients(source))  # type: ignore[arg-type]


def test_files_that_cannot_be_opened_are_told_at_once(tmp_path: Path) -> None:
    """A wrong path is told before anything else happens."""
    (tmp_path / "file").write_text(A)
    with pytest.raises(ListError, match=r"there is no file .*nobody\.csv"):
        read_recipients(tmp_path / "nobody.csv")
    with pytest.raises(ListError, match="is a folder"):
        read_recipients(tmp_path)
    with pytest.raises(ListError, match="cannot be read: Not a directory"):
        read_recipients(tmp_path / "file" / "list.csv")


def test_files_that_may_not_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system's own words are passed on (root may read everything, so faked)."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ListError, match="cannot be read: Permission denied"):
        read_recipients(tmp_path / "list.csv")


def test_a_wrong_column_of_a_file_is_told_at_once(tmp_path: Path) -> None:
    """Nobody waits for a loop to hear of a misspelt column."""
    path = tmp_path / "list.csv"
    path.write_text(f"name,phone\nAnn,{A}\n")
    with pytest.raises(ListError, match="no column fone"):
        read_recipients(path, column="fone")


def test_region_and_grouping_are_kept() -> None:
    """Who judges the numbers needs the region, who groups them needs to know."""
    recipients = read_recipients(io.BytesIO(), region="gb", group_by="home")
    assert recipients.region == "GB"
    assert recipients.grouped
    with pytest.raises(InvalidInput, match="region"):
        read_recipients(io.BytesIO(), region="XX")


def test_rows_of_strings_are_numbered() -> None:
    """Any iterable of strings is a list."""
    assert list(as_rows(iter([A, B]))) == [Row(1, A), Row(2, B)]


def test_rows_pass_as_they_are() -> None:
    """Rows, and lists that were read, keep their own lines."""
    row = Row(7, A, "home")
    assert list(as_rows([row])) == [row]
    assert list(as_rows(read_recipients(io.BytesIO(b"\n91955")))) == [Row(2, "91955")]


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        (A, "one string"),
        (A.encode(), "one string"),
        ([A, 19195551212], "recipient 2 is of type int"),
        ([None], "recipient 1 is of type NoneType"),
        ([(1, A, None)], "recipient 1 is of type tuple"),
    ],
)
def test_anything_else_is_refused(items: Iterable[Any], expected: str) -> None:
    """A string of digits would be taken for ten recipients, an int for a line."""
    with pytest.raises(InvalidInput, match=expected) as caught:
        list(as_rows(items))
    assert "555" not in str(caught.value)
