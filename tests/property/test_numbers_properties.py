"""Numbers: the fast paths agree with the library, on anything."""

from __future__ import annotations

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.numbers import Reason, _read_any, e164, mask, normalise

NANP = st.from_regex(r"[2-9][0-9]{2}[2-9][0-9]{6}", fullmatch=True)
PREFIX = st.sampled_from(["", "1", "+1", "1-", "+1 ", "1."])
WRITTEN = st.builds(
    lambda digits, before, template: before + template.format(*digits),
    st.tuples(*(st.text("0123456789", min_size=n, max_size=n) for n in (3, 3, 4))),
    PREFIX,
    st.sampled_from(
        ["{}{}{}", "({}) {}-{}", "{}-{}-{}", "{}.{}.{}", "({}{}-{}", " {}) {} {} "]
    ),
)


@given(st.text())
def test_any_text_is_a_number_or_a_reason(text: str) -> None:
    """Nothing that can be typed raises, and a number fits into E.164."""
    number = normalise(text)
    assert isinstance(number, Reason) or 10**3 < number < 10**15


@given(WRITTEN)
def test_the_fast_path_agrees_with_the_library(text: str) -> None:
    """Both ways of reading an American number give the same answer."""
    assert normalise(text) == _read_any(text.strip(), "US")


@pytest.mark.parametrize("region", ["US", "CA", "BS", "JM", "PR", "DO"])
@given(digits=NANP)
def test_the_fast_path_agrees_in_every_country_of_the_plan(
    region: str, digits: str
) -> None:
    """Small countries complete short numbers; whole ones they leave alone."""
    assert normalise(digits, region) == _read_any(digits, region) == int("1" + digits)


@given(st.integers(0, 10**16))
def test_e164_comes_back_as_it_is(digits: int) -> None:
    """A number that is accepted in its own form stays the same number."""
    text = f"+{digits}"
    number = normalise(text)
    if not isinstance(number, Reason) and str(number) == str(digits):
        assert e164(number) == text


@given(st.sampled_from(sorted(phonenumbers.SUPPORTED_REGIONS)), st.data())
def test_normalising_twice_changes_nothing(region: str, data: st.DataObject) -> None:
    """For every country: its example number and its neighbours are stable."""
    example = phonenumbers.example_number(region)
    assert example is not None
    text = phonenumbers.format_number(
        example, data.draw(st.sampled_from([0, 1, 2, 3]), label="format")
    )
    number = normalise(text, region)
    assert isinstance(number, int)
    assert normalise(e164(number), "US") == number


@given(st.integers(10**6, 10**15 - 1))
def test_a_mask_hides_at_least_three_digits(number: int) -> None:
    """No mask gives a number away."""
    shown = mask(number).replace("***", "").removeprefix("+")
    assert len(str(number)) - len(shown) >= 3
