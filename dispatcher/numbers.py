"""Phone numbers: any way of writing one in, the digits of E.164 as an int out.

A number is an `int` everywhere inside (+19195551212 is 19195551212): half the size
of a string, and one value for one telephone. Nothing here guesses: what cannot be
read for certain comes back as a `Reason`, never as the nearest number.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final, Self

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber, ValidationResult

from dispatcher.errors import InvalidInput

DEFAULT_REGION: Final = "US"
#: Digits in the longest E.164 number. Some countries' plans allow longer ones, which
#: no carrier accepts and our packed records cannot hold.
MAX_DIGITS: Final = 15


class Reason(StrEnum):
    """Why a row of a list gets no message: a closed set, each with a sentence.

    Attributes:
        explanation: One sentence for the person who mends the list.
    """

    explanation: str

    EMPTY = "empty", "There is no number in this row."
    NOT_A_NUMBER = (
        "not_a_number",
        (
            "This is not a phone number: write digits, with + and the country code "
            "for numbers from abroad, and no letters."
        ),
    )
    TOO_SHORT = "too_short", "Digits are missing: write the number with its area code."
    TOO_LONG = (
        "too_long",
        (
            "There are too many digits for one number: write one number in a row, "
            "with + and the country code for numbers from abroad."
        ),
    )
    UNKNOWN_COUNTRY = "unknown_country", "No country has the code after the plus sign."
    INVALID_NUMBER = "invalid_number", "No number of this form exists in that country."
    EXTENSION = (
        "extension",
        ("A number with an extension cannot get messages: use a direct number."),
    )
    DUPLICATE = "duplicate", "The same number is in an earlier row."
    UNKNOWN_ZONE = (
        "unknown_zone",
        (
            "Nobody knows what time it is there: name the time zone in a column, "
            "such as America/New_York (--zone-column)."
        ),
    )
    NO_COMMON_HOURS = (
        "no_common_hours",
        (
            "The number may be in several time zones that share none of the sending "
            "hours: name its zone in a column (--zone-column)."
        ),
    )
    OPTED_OUT = "opted_out", "This person asked for no more messages."

    def __new__(cls, code: str, explanation: str) -> Self:
        """Make a member that equals `code` and carries its sentence."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.explanation = explanation
        return member

    @property
    def dropped(self) -> bool:
        """Whether the number is good and left out on purpose.

        If not, the number itself is bad, and the row is called rejected.
        """
        return self in {Reason.DUPLICATE, Reason.OPTED_OUT}


#: The North American plan: neither area code nor exchange starts with 0 or 1.
_NANP: Final = re.compile(r"1[2-9][0-9]{2}[2-9][0-9]{6}")
#: True for text that `int` turns into a good number with no more ado. Most lists
#: hold nothing else, which is why the reading loop asks this first.
is_plain_nanp: Final = re.compile(r"\+1[2-9][0-9]{2}[2-9][0-9]{6}").fullmatch
#: The usual ways to write one at home. `phonenumbers` reads these too, 20 times slower.
_WRITTEN_NANP: Final = re.compile(
    r"\s*(?:\+?1[-. ]?)?"
    r"\(?([2-9][0-9]{2})\)?[-. ]?([2-9][0-9]{2})[-. ]?([0-9]{4})\s*"
)
_NANP_REGIONS: Final = frozenset(phonenumbers.COUNTRY_CODE_TO_REGION_CODE[1])
#: A spreadsheet that took the column for decimals. Read as digits, the zero would
#: turn a number that lacks a digit into somebody else's.
_DECIMAL: Final = re.compile(r"(\d{7,})\.0")
#: Letters are refused though a keypad has them: an O typed for a zero would be read
#: as 6, and the message would reach a stranger.
_FOREIGN: Final = re.compile(r"[^\W\d_]|[{@]")

_PARSE_FAULTS: Final = {
    NumberParseException.INVALID_COUNTRY_CODE: Reason.UNKNOWN_COUNTRY,
    NumberParseException.NOT_A_NUMBER: Reason.NOT_A_NUMBER,
    NumberParseException.TOO_SHORT_AFTER_IDD: Reason.TOO_SHORT,
    NumberParseException.TOO_SHORT_NSN: Reason.TOO_SHORT,
    NumberParseException.TOO_LONG: Reason.TOO_LONG,
}
_LENGTH_FAULTS: Final = {
    ValidationResult.INVALID_COUNTRY_CODE: Reason.UNKNOWN_COUNTRY,
    ValidationResult.TOO_SHORT: Reason.TOO_SHORT,
    ValidationResult.IS_POSSIBLE_LOCAL_ONLY: Reason.TOO_SHORT,
    ValidationResult.TOO_LONG: Reason.TOO_LONG,
    ValidationResult.INVALID_LENGTH: Reason.INVALID_NUMBER,
}


def normalise(text: str, region: str = DEFAULT_REGION) -> int | Reason:
    """Read one written number.

    A number is good when it is possible: right length for its country and, in North
    America, the right form. Whether it is assigned to anybody only the carrier knows,
    so fictional numbers (555) are good.

    Args:
        text: The number as somebody wrote it.
        region: Two capital letters, from `check_region`: the country of numbers
            that are written without a country code.

    Returns:
        The digits of the E.164 form as an int, or why there is none.
    """
    if is_plain_nanp(text):
        return int(text)
    if region in _NANP_REGIONS and (match := _WRITTEN_NANP.fullmatch(text)):
        return int("1" + "".join(match.groups()))
    return _read_any(text.strip(), region)


def check_region(region: str) -> str:
    """Return the region in capitals.

    Raises:
        InvalidInput: No such region is known.
    """
    known = region.strip().upper()
    if known not in phonenumbers.SUPPORTED_REGIONS:
        raise InvalidInput(
            "the region is not a known country: use its two letters, such as US or GB"
        )
    return known


def e164(number: int) -> str:
    """Return the number as the provider wants it, `+19195551212`."""
    return f"+{number}"


def mask(number: int) -> str:
    """Return the number for a terminal or a page: `+1919***1212`.

    At least three digits are hidden, however short the number.
    """
    digits = str(number)
    shown = max(0, min(4, len(digits) - 7))
    return f"+{digits[:shown]}***{digits[-4:]}"


def mask_text(value: str) -> str:
    """Return a rejected value for a terminal or a page, most of it hidden.

    What is no number may be nearly one, or a name.
    """
    return f"{value[:2]}***{value[-2:]}" if len(value) >= 8 else "***"  # noqa: PLR2004 - half of it stays hidden


def _read_any(text: str, region: str) -> int | Reason:
    """Read a number of any country with the library that knows them all."""
    if not text:
        return Reason.EMPTY
    if decimal := _DECIMAL.fullmatch(text):
        text = decimal[1]
    try:
        parsed = phonenumbers.parse(text, region)
    except NumberParseException as error:
        return _PARSE_FAULTS[error.error_type]
    if parsed.extension:
        return Reason.EXTENSION
    if _FOREIGN.search(_without_scheme(text)):
        return Reason.NOT_A_NUMBER
    return _possible(parsed)


def _without_scheme(text: str) -> str:
    """Take the lawful letters of a `tel:` link away."""
    if text[:4].lower() == "tel:":
        return text[4:].partition(";")[0]
    return text


def _possible(parsed: PhoneNumber) -> int | Reason:
    """Judge length and form; see `normalise` for what counts as good."""
    verdict = phonenumbers.is_possible_number_with_reason(parsed)
    if verdict != ValidationResult.IS_POSSIBLE:
        return _LENGTH_FAULTS[verdict]
    national = phonenumbers.national_significant_number(parsed)
    digits = f"{parsed.country_code}{national}"
    if len(digits) > MAX_DIGITS:
        return Reason.TOO_LONG
    if parsed.country_code == 1 and not _NANP.fullmatch(digits):
        return Reason.INVALID_NUMBER
    return int(digits)
