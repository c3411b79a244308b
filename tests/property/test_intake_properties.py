"""Intake: the books balance and nobody is written to twice, for any list."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dispatcher.intake import Intake
from dispatcher.numbers import Reason, normalise
from dispatcher.recipients import Row

NUMBERS = st.integers(19195551200, 19195551219)
SPELLINGS = st.sampled_from(["+{}", "{}", " {} ", "+{}x1", "tel:+{}", "+{}0"])
VALUES = st.one_of(
    st.builds(lambda number, form: form.format(number), NUMBERS, SPELLINGS),
    st.sampled_from(["", "hello", "12345", "+999123456789"]),
    st.text(max_size=5),
)
ROWS = st.lists(
    st.builds(Row, st.integers(1, 99), VALUES, st.none() | st.text(max_size=2)),
    max_size=50,
)
OPTED_OUT = st.frozensets(NUMBERS, max_size=5)


@given(ROWS, OPTED_OUT)
def test_the_books_balance_at_any_moment(
    rows: list[Row], suppressed: frozenset[int]
) -> None:
    """Rows are accepted, rejected or dropped, and each one left out is told."""
    told: list[tuple[int, Reason, str]] = []
    intake = Intake(rows, suppressed=suppressed, reject=lambda *row: told.append(row))
    for _ in intake:
        assert intake.rows == (
            intake.accepted + intake.rejected.total() + intake.dropped.total()
        )
    left_out = intake.rejected + intake.dropped
    assert intake.rows == len(rows) == intake.accepted + left_out.total()
    assert len(told) == left_out.total()
    assert not any(reason.dropped for reason in intake.rejected)
    assert all(reason.dropped for reason in intake.dropped)


@given(ROWS, OPTED_OUT)
def test_who_gets_through(rows: list[Row], suppressed: frozenset[int]) -> None:
    """Each good number once, in order of first appearance, nobody who opted out."""
    good = [
        number
        for row in rows
        if isinstance(number := normalise(row.value), int) and number not in suppressed
    ]
    accepted = [number for number, _ in Intake(rows, suppressed=suppressed)]
    assert accepted == list(dict.fromkeys(good))


@given(ROWS, ROWS)
def test_equal_digests_mean_equal_lists(one: list[Row], other: list[Row]) -> None:
    """Two lists have one digest exactly when numbers, bad values and keys agree."""

    def content(rows: list[Row]) -> list[tuple[int | str, str | None, str | None]]:
        return [
            (
                row.value if isinstance(n := normalise(row.value), Reason) else n,
                row.key,
                row.zone,
            )
            for row in rows
        ]

    def digest(rows: list[Row]) -> str:
        intake = Intake(rows)
        list(intake)
        return intake.digest()

    assert (digest(one) == digest(other)) == (content(one) == content(other))
