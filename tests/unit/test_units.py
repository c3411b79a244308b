"""Billed units: recipients of a group message, segments of a text message."""

from __future__ import annotations

import pytest

from dispatcher.units import units

CASES = {
    "short": ("hello", 1),
    "empty": ("", 1),
    "full single": ("x" * 160, 1),
    "one too many": ("x" * 161, 2),
    "two full parts": ("x" * 306, 2),
    "three parts": ("x" * 307, 3),
    "longest text": ("x" * 2048, 14),
    "all of the basic table": ("é@£ΔΩ§¿äöñüà\n\r", 1),
    "extension counts two": ("€" * 80, 1),
    "extension over a single": ("€" * 80 + "x", 2),
    # 153 is odd: a pair that would be split moves on, so a part holds only 76.
    "pairs are not split": ("€" * 153, 3),
    "pair fits at the end": ("x" + "€" * 152, 2),
    "UCS-2 single": ("ж" * 70, 1),
    "UCS-2 two": ("ж" * 71, 2),
    "UCS-2 two full": ("ж" * 134, 2),
    "UCS-2 three": ("ж" * 135, 3),
    "one foreign character": ("x" * 70 + "ç", 2),
    "surrogate pairs": ("😀" * 35, 1),
    "surrogate pairs over a single": ("😀" * 36, 2),
}


@pytest.mark.parametrize(("text", "expected"), CASES.values(), ids=CASES.keys())
def test_a_group_of_one_costs_its_segments(text: str, expected: int) -> None:
    """One recipient without media gets an SMS."""
    assert units(1, text, has_media=False) == expected


@pytest.mark.parametrize("text", [None, "hello", "x" * 2048])
@pytest.mark.parametrize("size", [2, 3, 10])
@pytest.mark.parametrize("has_media", [False, True])
def test_a_group_costs_its_recipients(
    size: int, text: str | None, *, has_media: bool
) -> None:
    """Group messages count per recipient and are never split."""
    assert units(size, text, has_media) == size


@pytest.mark.parametrize("text", [None, "x" * 2048])
def test_one_recipient_with_media_costs_one(text: str | None) -> None:
    """A message with media is an MMS, which is never split either."""
    assert units(1, text, has_media=True) == 1
