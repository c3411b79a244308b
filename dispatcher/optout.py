"""Does an inbound message ask for no more messages, or for messages again?

Pure: text in, a verdict out. The words are those that must count in the United States
(47 CFR 64.1200(a)(10)), and what else people write who mean the same. It judges what
the whole message, or one sentence of it, asks for: a word that merely occurs ("what
time does it end?", "don't stop!") is no request.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final, Literal

#: Longer messages are not requests; reading stops there.
_LONGEST: Final = 1000

#: Each is a request when it is all that is said.
_STOP_WORDS: Final = frozenset(
    {
        *("stop", "stopall", "stop all", "end", "quit", "cancel", "revoke"),
        *("unsubscribe", "optout", "opt out", "remove"),
    }
)
_WORDS_REPEATED: Final = re.compile(
    "|".join(rf"{word}(?: {word})*" for word in sorted(_STOP_WORDS))
)
_START_WORDS: Final = frozenset(
    {"start", "unstop", "optin", "opt in", "opt me in", "subscribe", "resubscribe"}
)

#: What people put around a request. It changes nothing.
_POLITE: Final = (
    r"(?:please|pls|plz|kindly|ok|okay|hi|hello|hey|no(?! more)|yes|now|thanks|thx"
    r"|thank you|immediately|asap|just|sorry)"
)
_FRAME: Final = re.compile(rf"^(?:{_POLITE} )*(.*?)(?: {_POLITE})*$")

_ME: Final = r"(?:me|us|(?:my|this) (?:number|phone|cell))"
_MAIL: Final = (
    r"(?:texts?|txts?|messages?|messaging|msgs?|spam|sms|alerts?|notifications?"
    r"|updates|lists?)"
)
_THESE: Final = r"(?:(?:these|those|the|this|your|my|any|all|more|such|of) )*"
_AGAIN: Final = r"(?: (?:again|anymore|any more|ever|at all|forever|altogether))*"
_I_ASK: Final = (
    r"(?:(?:can|could|would|will) (?:you|u) (?:please )?"
    r"|i (?:said|asked you to|told you to) "
    r"|(?:i'd|i would) like (?:you )?to "
    r"|i (?:want|need|wish|ask) (?:you )?to )?"
)
_STOP: Final = _I_ASK + r"(?:stop|quit|cease)"
_I_NO_LONGER: Final = r"i (?:do not|don't|dont|no longer) (?:want|wish|need|like)"
_CONSENT: Final = r"(?:revoke|withdraw) (?:my |all )?consent"
_TEXTING: Final = r"(?:texting|txting|messaging|contacting|spamming|bothering)"
_TEXT: Final = rf"(?:text|txt|message|contact|send {_ME})"
_TAKE: Final = r"(?:remove|unsubscribe|delete|take|drop|get|opt)"
_LEAVE: Final = r"(?:unsubscribe|opt out|be removed)"
_OFF: Final = r"(?:off of|out of|off|out|from|of)"

#: Requests in people's own words. Each must be the whole sentence.
_REQUESTS: Final = tuple(
    re.compile(pattern)
    for pattern in (
        rf"{_I_ASK}stop(?: (?:it|this|that))?{_AGAIN}",
        rf"{_STOP} {_TEXTING}(?: {_ME}\b.*)?{_AGAIN}",
        rf"{_STOP} sending (?:{_ME}|{_THESE}{_MAIL})\b.*",
        rf"{_STOP} sending (?:these|this|those|anything)(?: to {_ME})?{_AGAIN}",
        rf"{_I_ASK}(?:stop|end|cancel) {_THESE}(?:{_MAIL}|subscription){_AGAIN}",
        rf"{_I_ASK}{_TAKE} {_ME}(?: {_OFF}(?: {_THESE}(?:group|{_MAIL}))?)?{_AGAIN}",
        rf"{_I_ASK}{_LEAVE}(?: {_OFF} {_THESE}(?:group|{_MAIL}))?{_AGAIN}",
        rf"(?:do not|don't|dont|never) {_TEXT}(?: {_ME})?(?: {_THESE}{_MAIL})?{_AGAIN}",
        rf"no more(?: {_THESE}{_MAIL})?(?: to {_ME})?{_AGAIN}",
        rf"{_I_NO_LONGER} (?:(?:to )?(?:get|receive) )?{_THESE}{_MAIL}\b.*",
        rf"{_I_NO_LONGER} to be (?:on|in|part of) {_THESE}(?:{_MAIL}|group)\b.*",
        rf"(?:{_I_ASK}|i ){_CONSENT}\b.*",
        r"leave me alone|lose my number|(?:i )?want out|let me out",
    )
)
#: Too weak to count as one sentence of several: "See you at 9. End?"
_WEAK: Final = frozenset({"end", "quit", "cancel", "remove", "revoke"})

_SENTENCE: Final = re.compile(r"[^.!?;\n]+[.!?;\n]*")
_WORD: Final = re.compile(r"[^\W_]+(?:'[^\W_]+)*")


def reading(text: str) -> Literal["stop", "start"] | None:
    """What a message asks for: "stop", "start", or neither (None).

    In doubt about START it says None: nobody gets messages again by accident.
    """
    if len(text) > _LONGEST:
        return None
    plain = _plain(text)
    whole = _core(plain)
    if whole in _START_WORDS:
        return "start"
    if _is_stop_word(whole) or _is_request(whole) or _one_sentence_stops(plain):
        return "stop"
    return None


def _plain(text: str) -> str:
    """In small letters, every fancy form of one reduced to it."""
    text = unicodedata.normalize("NFKC", text).replace("\u2019", "'")
    # Invisible characters would hide a word.
    shown = (c for c in text if unicodedata.category(c) != "Cf")
    return "".join(shown).casefold()


def _core(plain: str) -> str:
    """The words, a space between two, without what is said for politeness."""
    words = " ".join(_WORD.findall(plain))
    match = _FRAME.match(words)
    # All of it is politeness: "no thanks".
    return match[1] if match else words


def _is_stop_word(core: str) -> bool:
    """A word of the list, once or repeated: "STOP STOP STOP"."""
    return _WORDS_REPEATED.fullmatch(core) is not None


def _is_request(core: str) -> bool:
    return any(pattern.fullmatch(core) for pattern in _REQUESTS)


def _one_sentence_stops(plain: str) -> bool:
    return any(map(_sentence_stops, _SENTENCE.findall(plain)))


def _sentence_stops(sentence: str) -> bool:
    core = _core(sentence)
    if "?" in sentence and not core.startswith(("can ", "could ", "would ", "will ")):
        return False
    return _is_request(core) or (_is_stop_word(core) and core not in _WEAK)
