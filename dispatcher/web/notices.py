"""What a page says after an order: fixed sentences, chosen by the address.

Addresses can be made up by anybody, so nothing of them is shown but whole numbers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from dispatcher.words import count

#: Groups named one by one.
NAMED: Final = 20

_NUMBERS: Final = re.compile(r"[0-9]{1,9}(?:,[0-9]{1,9})*")
_SENTENCES: Final = {
    "paused": "It is paused.",
    "resumed": "It goes on.",
    "cancelled": "It is cancelled: nothing more of it is sent.",
}


def notice(query: Mapping[str, str]) -> str:
    """The sentence for an address's query; empty as a rule."""
    done = query.get("done", "")
    groups = _numbers(query, "groups")
    if done == "paused":
        return f"{_SENTENCES[done]} {_on_their_way(query)}"
    if done == "retried" and groups:
        return f"{count(groups[0], 'group')} will be sent again."
    if done == "sent" and groups:
        return f"Group {groups[0]} is recorded as sent."
    if done == "unsent" and groups:
        return f"Group {groups[0]} will be sent again."
    return _SENTENCES.get(done, "")


def _on_their_way(query: Mapping[str, str]) -> str:
    """Groups that had no answer yet when the pause was through."""
    left, more = _numbers(query, "left"), _numbers(query, "more")
    if not left:
        return "Nothing of it was on its way any more."
    named = ", ".join(map(str, left[:NAMED]))
    rest = f" and {more[0]:,} more" if more and more[0] else ""
    return f"Still without an answer, and may arrive: groups {named}{rest}."


def _numbers(query: Mapping[str, str], name: str) -> list[int]:
    text = query.get(name, "")
    return [int(n) for n in text.split(",")] if _NUMBERS.fullmatch(text) else []
