"""Numbers: every ordinary spelling in, one int out, or a reason in words."""

from __future__ import annotations

import phonenumbers
import pytest

from dispatcher import numbers
from dispatcher.errors import InvalidInput
from dispatcher.numbers import Reason, check_region, e164, mask, mask_text, normalise

ANN = 19195551212

SPELLINGS = [
    "+19195551212",
    "19195551212",
    "9195551212",
    "(919) 555-1212",
    "(919)555-1212",
    "919-555-1212",
    "919.555.1212",
    "919 555 1212",
    "1-919-555-1212",
    "1 (919) 555-1212",
    "+1 919 555 1212",
    "+1 (919) 555-1212",
    "  +19195551212\t",
    "tel:+19195551212",
    "tel:919-555-1212;phone-context=+1",
    "TEL:+1-919-555-1212",
    "＋１９１９５５５１２１２",  # noqa: RUF001 - full-width digits
    "９１９５５５１２１２",  # noqa: RUF001
    "919\u00a0555\u00a01212",  # no-break spaces
    "919‑555‑1212",  # noqa: RUF001 - no-break hyphens
    "\u202a+1 919\u2011555\u20111212\u202c",  # as copied from an address book
    "٩١٩٥٥٥١٢١٢",
    "011 1 919 555 1212",
    "'9195551212",
    "9195551212.0",
    "19195551212.0",
]


@pytest.mark.parametrize("text", SPELLINGS)
def test_every_spelling_is_the_same_number(text: str) -> None:
    """However it is written, it is one telephone."""
    assert normalise(text) == ANN


@pytest.mark.parametrize("last", ["0000", "0100", "1212", "9999"])
def test_fictional_numbers_are_good(last: str) -> None:
    """Documentation and tests use 555 numbers, all of them."""
    assert normalise(f"+1919555{last}") == int(f"1919555{last}")
    assert normalise(f"(919) 555-{last}") == int(f"1919555{last}")


FOREIGN = [
    ("+44 20 7946 0018", "US", 442079460018),
    ("+44 (0)20 7946 0018", "US", 442079460018),
    ("020 7946 0018", "GB", 442079460018),
    ("011 44 20 7946 0018", "US", 442079460018),
    ("00 1 919 555 1212", "DE", ANN),
    ("+1 919 555 1212", "DE", ANN),
    ("030 123456", "DE", 4930123456),
    ("+39 06 1234567", "US", 39061234567),  # Italy keeps its zero
    ("+61 491 570 156", "US", 61491570156),
    ("(416) 555-0123", "CA", 14165550123),
]


@pytest.mark.parametrize(("text", "region", "expected"), FOREIGN)
def test_numbers_of_any_country(text: str, region: str, expected: int) -> None:
    """A country code is believed; without one the region decides."""
    assert normalise(text, region) == expected


BAD = [
    ("", Reason.EMPTY),
    (" \t\u00a0", Reason.EMPTY),
    ("hello", Reason.NOT_A_NUMBER),
    ("-", Reason.NOT_A_NUMBER),
    ("+", Reason.NOT_A_NUMBER),
    ("n/a", Reason.NOT_A_NUMBER),
    ("ann@example.org", Reason.NOT_A_NUMBER),
    ("1800FLOWERS", Reason.NOT_A_NUMBER),
    ("919555121O", Reason.NOT_A_NUMBER),  # an O typed for a zero
    ("9.19556E+09", Reason.NOT_A_NUMBER),  # a spreadsheet rounded it
    ("cell 919 555 1212", Reason.NOT_A_NUMBER),
    ("919-555-1212,919-555-1213", Reason.NOT_A_NUMBER),
    ("911", Reason.TOO_SHORT),
    ("12345", Reason.TOO_SHORT),
    ("555-1212", Reason.TOO_SHORT),  # lacks the area code
    ("919555121", Reason.TOO_SHORT),
    ("919555121.0", Reason.TOO_SHORT),
    ("+1919555121", Reason.TOO_SHORT),
    ("91955512123", Reason.TOO_LONG),
    ("+191955512123", Reason.TOO_LONG),
    ("919 555 1212 / 919 555 1213", Reason.TOO_LONG),
    ("9" * 300, Reason.TOO_LONG),
    ("+49123456789012345", Reason.TOO_LONG),  # E.164 ends at 15 digits
    ("+999123456789", Reason.UNKNOWN_COUNTRY),
    ("+0195551212", Reason.UNKNOWN_COUNTRY),
    ("+11195551212", Reason.INVALID_NUMBER),
    ("+10195551212", Reason.INVALID_NUMBER),
    ("(919) 155-1212", Reason.INVALID_NUMBER),
    ("1234567890", Reason.INVALID_NUMBER),
    ("9195551212 ext 5", Reason.EXTENSION),
    ("919-555-1212x5", Reason.EXTENSION),
    ("tel:+19195551212;ext=5", Reason.EXTENSION),
    ("\ud800", Reason.NOT_A_NUMBER),
]


@pytest.mark.parametrize(("text", "reason"), BAD)
def test_a_bad_number_has_its_reason(text: str, reason: Reason) -> None:
    """Nothing is guessed: what is not certain is refused, and said why."""
    assert normalise(text) is reason


def test_every_reason_has_a_sentence() -> None:
    """People read the explanation, programs the code."""
    for reason in Reason:
        assert reason.explanation.endswith(".")
        assert str(reason) == reason.value == reason.name.lower()


def test_only_good_numbers_are_called_dropped() -> None:
    """The books keep bad numbers apart from those left out on purpose."""
    assert {reason for reason in Reason if reason.dropped} == {
        Reason.DUPLICATE,
        Reason.OPTED_OUT,
    }


def test_every_fault_of_the_library_is_mapped() -> None:
    """A new kind of fault in an update of phonenumbers fails here."""
    kinds = {
        value
        for name, value in vars(phonenumbers.NumberParseException).items()
        if name.isupper()
    }
    assert set(numbers._PARSE_FAULTS) == kinds
    verdicts = {
        value
        for name, value in vars(phonenumbers.ValidationResult).items()
        if name.isupper()
    }
    assert set(numbers._LENGTH_FAULTS) == verdicts - {
        phonenumbers.ValidationResult.IS_POSSIBLE
    }


def test_e164_is_what_the_provider_wants() -> None:
    """A plus sign and the digits."""
    assert e164(ANN) == "+19195551212"


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (ANN, "+1919***1212"),
        (442079460018, "+4420***0018"),
        (123456789012345, "+1234***2345"),
        (2901234567, "+290***4567"),
        (29012345, "+2***2345"),
        (2901234, "+***1234"),
    ],
)
def test_mask_hides_the_middle(number: int, expected: str) -> None:
    """At least three digits stay hidden, however short the number."""
    assert mask(number) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [("", "***"), ("Ann", "***"), ("919555", "***"), ("91955512123", "91***23")],
)
def test_a_rejected_value_is_masked_too(value: str, expected: str) -> None:
    """It may be nearly a number, or a name."""
    assert mask_text(value) == expected


@pytest.mark.parametrize("region", ["us", "US", " gb ", "CA"])
def test_a_region_is_two_letters_of_any_case(region: str) -> None:
    """People type it."""
    assert check_region(region) == region.strip().upper()


@pytest.mark.parametrize("region", ["", "XX", "USA", "1", "ZZ", "001"])
def test_an_unknown_region_is_refused(region: str) -> None:
    """Else every number without a country code would be bad, and nobody knew why."""
    with pytest.raises(InvalidInput, match="two letters"):
        check_region(region)
