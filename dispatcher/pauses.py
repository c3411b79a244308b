"""Why campaigns pause, and what to do about it."""

from __future__ import annotations

from typing import Final

#: Beginnings of the reasons of a pause, what they mean (empty: they say it), and what
#: to do about them.
_PAUSES: Final = (
    ("by hand", "somebody paused it", "resume it when you like"),
    (
        "canary",
        "the first groups were sent, as was asked for (canary)",
        "look at the first groups, then resume it",
    ),
    (
        "error threshold",
        "too large a share of the groups failed",
        "too many groups failed; find out why before you resume it",
    ),
    (
        "the provider answered",
        "",
        "correct account or credentials of the worker, then resume it",
    ),
    (
        "code ",
        "",
        "mend the cause, with the provider's help if need be, then resume it",
    ),
    (
        "ledger, verified",
        "the ledger was set back, and its books were verified since",
        "resume it; what was sent and then forgotten may be sent a second time",
    ),
    (
        "ledger",
        "the ledger was set back",
        "the ledger was set back: run dispatcher verify, then resume it",
    ),
)


def what_to_do(reason: str) -> str:
    """What to do about a pause; empty for a reason that is not known."""
    return next((then for start, _, then in _PAUSES if reason.startswith(start)), "")


def in_words(reason: str) -> str:
    """What the reason of a pause means; the reason itself if that says it."""
    known = (words for start, words, _ in _PAUSES if reason.startswith(start))
    return next(known, "") or reason
