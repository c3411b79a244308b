"""Lists of any content: read whole, or refused with an error of ours."""

from __future__ import annotations

import csv
import gzip
import io

from hypothesis import given
from hypothesis import strategies as st

from dispatcher.errors import ListError
from dispatcher.recipients import read_recipients

#: What spreadsheets hold: any text, but for what no list may.
CELL = st.text(
    st.characters(
        codec="utf-8", exclude_categories=["Cc", "Cs"], include_characters="\n\t"
    ),
    max_size=12,
)
NUMBER = st.sampled_from(["+19195551212", "(919) 555-1213", "1-919-555-1214", "none"])
#: Bytes that look like a list often enough.
PIECES = st.sampled_from(
    [
        *(b"phone", b"+19195551212", b"9195551212", b",", b"\t", b";", b"\n", b"\r\n"),
        *(
            b'"',
            b'{"phone": "',
            b'"}',
            b"{}",
            b"[",
            b"\xef\xbb\xbf",
            b"\xff\xfe",
            b"\0",
        ),
        *(b"\x1f\x8b", b"PK\x03\x04", b"\xc3\xa9", b"\xe9", b"\x1a", b"null"),
    ]
)
ODD = st.binary(max_size=60) | st.lists(PIECES, max_size=20).map(b"".join)


def read(data: bytes) -> list[str]:
    return [row.value for row in read_recipients(io.BytesIO(data))]


@given(ODD, st.booleans(), st.integers(0, 200))
def test_any_bytes_are_a_list_or_refused(data: bytes, packed: bool, cut: int) -> None:  # noqa: FBT001
    """Also gzip that breaks off: no other error, and none that shows the content."""
    given_bytes = gzip.compress(data)[:cut] if packed else data
    told = ""
    try:
        read(given_bytes)
    except ListError as error:
        told = str(error)
    assert "9195551212" not in told
    assert "\n" not in told


@given(
    st.lists(st.tuples(CELL, NUMBER, CELL), min_size=1, max_size=20),
    st.sampled_from([",", "\t", ";"]),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
def test_no_row_of_a_table_is_lost(
    rows: list[tuple[str, str, str]],
    delimiter: str,
    end: str,
    packed: bool,  # noqa: FBT001
) -> None:
    """Whatever the other cells hold: every row is read, once and in order."""
    text = io.StringIO()
    table = csv.writer(
        text, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL
    )
    table.writerow(("name", "phone", "note"))
    table.writerows(rows)
    data = text.getvalue().encode()
    assert read(gzip.compress(data) if packed else data) == [n for _, n, _ in rows]
