"""Billed units: what one group takes out of the permitted rate, and what it costs.

Pure arithmetic; it never looks at who the recipients are.
"""

from __future__ import annotations

from typing import Final

#: Characters that GSM 03.38 writes in one 7-bit place.
_BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ"
    " !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
#: Characters of its extension table: an escape and one more place.
_EXTENSION: Final = frozenset("\f^{}\\[~]|€")
_GSM: Final = _BASIC | _EXTENSION
#: 7-bit places in a message that fits into one SMS, and in each part of a longer one
#: (six bytes of a part say which part it is).
_GSM_SINGLE, _GSM_PART = 160, 153
#: The same in UTF-16 code units.
_UCS2_SINGLE, _UCS2_PART = 70, 67


def units(size: int, text: str | None, has_media: bool) -> int:  # noqa: FBT001 - the third of three facts, named at the calls
    """Return the units of one group.

    Bandwidth counts and bills group messages per recipient, and SMS per segment. A
    group of two or more is a group MMS even without media, and MMS is never split; one
    recipient without media gets an SMS. A segment holds 160 GSM-7 places, or 153 when
    there are several; characters of the extension table take two places, which stay in
    one segment. Any other character makes the whole text UCS-2: 70 UTF-16 code units,
    or 67 when there are several.

    Args:
        size: Recipients in the group, at least 1.
        text: What the message says; `None` with media only.
        has_media: Whether anything is attached.

    Returns:
        Units, at least 1.
    """
    if size > 1 or has_media or text is None:
        return size
    return _segments(text)


def _segments(text: str) -> int:
    if _GSM.issuperset(text):
        return _gsm_segments(text)
    return _ucs2_segments(len(text.encode("utf-16-le", "surrogatepass")) // 2)


def _ucs2_segments(code_units: int) -> int:
    if code_units <= _UCS2_SINGLE:
        return 1
    return -(-code_units // _UCS2_PART)


def _gsm_segments(text: str) -> int:
    """Fill part after part, because a pair of places is never split."""
    widths = [2 if char in _EXTENSION else 1 for char in text]
    if sum(widths) <= _GSM_SINGLE:
        return 1
    parts, used = 1, 0
    for width in widths:
        if used + width > _GSM_PART:
            parts, used = parts + 1, 0
        used += width
    return parts
