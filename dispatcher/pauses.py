"""Why campaigns pause, and what to do about it."""

from __future__ import annotations

from typing import Final

#: Beginnings of the reasons of a pause, and what to do about them.
_PAUSES: Final = (
    ("by hand", "resume it when you like"),
    ("canary", "look at the first groups, then resume it"),
    ("error threshold", "too many groups failed; find out why before you resume it"),
    (
        "the provider answered",
        "correct account or credentials of the worker, then resume it",
    ),
    ("code ", "mend the cause, with the provider's help if need be, then resume it"),
    (
        "ledger, verified",
        "resume it; what was sent and then forgotten may be sent a second time",
    ),
    ("ledger", "the ledger was set back: run dispatcher verify, then resume it"),
)


def what_to_do(reason: str) -> str:
    """What to do about a pause; empty for a reason that is not known."""
    return next((words for start, words in _PAUSES if reason.startswith(start)), "")
