"""The code table: complete, each action where it belongs, unknown codes by range."""

from __future__ import annotations

import pytest

from dispatcher.codes import CODES, Action, code_of

#: Every code of the provider's pages.
KNOWN = {
    *(4001, 4301, 4302, 4303, 4350, 4360, 4401, 4403, 4404, 4405, 4406, 4407, 4408),
    *(4409, 4410, 4411, 4412, 4420, 4421, 4431, 4432, 4433, 4434, 4435, 4451, 4452),
    *(4470, 4475, 4476, 4481, 4482, 4492, 4493, 4700, 4701, 4702, 4710, 4711, 4712),
    *(4720, 4721, 4730, 4735, 4740, 4750, 4751, 4752, 4753, 4754, 4770, 4771, 4772),
    *(4773, 4774, 4775, 4780, 4781, 4785, 4790, 4791, 4792, 4793, 4794, 4795),
    *(5100, 5101, 5106, 5111, 5201, 5211, 5220, 5231, 5500, 5501, 5999),
    *(5600, 5610, 5620, 5630, 5650, 9902, 9999),
}
SUPPRESS = {4475, 4775}
SLOW = {4780, 4781, 4785}
MEDIA = {4301, 4410, 4411, 4412, 4710, 4711, 4712, 4751, 4752}
#: They speak of the recipient only, or of nobody knows whom: no reason to stop.
HARMLESS = {
    *(4303, 4350, 4360, 4401, 4404, 4406, 4408, 4409, 4420, 4421, 4432, 4434, 4482),
    *(4492, 4700, 4701, 4702, 4720, 4721, 4730, 4735, 4750, 4753, 4754, 4772),
}


def test_every_code_is_there() -> None:
    """No code is missing, none is invented, each knows its own number."""
    assert set(CODES) == KNOWN
    assert all(code.code == number for number, code in CODES.items())


@pytest.mark.parametrize("number", sorted(KNOWN))
def test_action(number: int) -> None:
    """What follows from each; what is not listed as harmless stops the campaign."""
    if number in SUPPRESS:
        expected = Action.SUPPRESS
    elif number in SLOW:
        expected = Action.SLOW
    elif number in MEDIA:
        expected = Action.MEDIA
    elif number in HARMLESS or number >= 5000:
        expected = Action.NONE
    else:
        expected = Action.PAUSE
    assert code_of(number).action is expected


@pytest.mark.parametrize("number", sorted(KNOWN))
def test_billed(number: int) -> None:
    """Carriers are paid for what they refuse, Bandwidth only for spam and riddles."""
    by_carrier = 4700 <= number < 4800 or 5600 <= number < 5700
    assert code_of(number).billed == (by_carrier or number in (4470, 9902, 9999))


def test_retry() -> None:
    """A fault of a service may pass; a refusal does not, nor what may have arrived."""
    again = {number for number in KNOWN if code_of(number).retry}
    services = {number for number in KNOWN if 5000 <= number < 6000}
    assert again == services | {4410, 4701, 4702, 4710} | SLOW


@pytest.mark.parametrize(
    ("number", "says", "billed", "retry"),
    [
        (4499, "Bandwidth refused it, and would again", False, False),
        (4799, "the carrier refused it, and would again", True, False),
        (5199, "a fault at Bandwidth that may pass", False, True),
        (5699, "a fault at the carrier that may pass", True, True),
        (9998, "nobody knows why; it may have been delivered", True, False),
        (1234, "nobody knows why; it may have been delivered", True, False),
        (0, "nobody knows why; it may have been delivered", True, False),
        (65535, "nobody knows why; it may have been delivered", True, False),
    ],
)
def test_unknown_codes_go_by_their_range(
    number: int, says: str, *, billed: bool, retry: bool
) -> None:
    """A code of next year is read by its digits, and never acted on."""
    code = code_of(number)
    assert (code.sentence, code.billed, code.retry) == (says, billed, retry)
    assert code.action is Action.NONE


def test_sentences_are_plain() -> None:
    """One clause each, no full stop, nothing that is shown cut off."""
    for code in CODES.values():
        assert code.sentence == code.sentence.strip().rstrip(".")
        assert code.sentence[0].islower() or code.sentence.startswith("Bandwidth")
        assert len(code.sentence) < 72
