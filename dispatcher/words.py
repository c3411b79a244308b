"""States, reasons and error codes in plain words, for terminal and pages.

Error codes hold nothing private; the provider's own sentences may quote a number and
are therefore never shown here.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from dispatcher.codes import code_of
from dispatcher.numbers import Reason
from dispatcher.sendcodes import ATTEMPTS_USED_UP

_MINUTE: Final = 60
_HOUR: Final = 3600

STATES: Final[Mapping[str, str]] = {
    "pending": "wait for their turn",
    "claimed": "reserved by a worker",
    "sending": "on their way to the provider",
    "retry": "to be tried again",
    "accepted": "taken by the provider",
    "failed": "will not be sent",
    "unknown": "no answer came: nobody knows yet whether they were taken",
    "held": "may have been taken: a person must look (dispatcher resolve)",
    "cancelled": "not sent: the campaign was cancelled, or all of them opted out",
}

#: In the order in which they are told: what is final first.
DELIVERIES: Final = (
    *("delivered", "failed", "unconfirmed"),
    *("sent", "sending", "awaiting"),
)

DELIVERY_STATES: Final[Mapping[str, str]] = {
    "delivered": "arrived",
    "failed": "did not arrive",
    "unconfirmed": "may have arrived: nobody said so in time",
    "sent": "with the carrier",
    "sending": "on their way to the carrier",
    "awaiting": "nothing was heard yet",
}

#: What was done because of a delivery code.
ACTIONS: Final[Mapping[str, str]] = {
    "suppress": "opted out",
    "pause": "paused",
    "slow": "slowed down",
}

#: How a reason of `explain` stands in the way.
KINDS: Final = {"stops": "stopped", "waits": "waiting", "limits": "limited"}

_SPOILT: Final = "no usable answer came, so it may have been taken"

#: Beginnings of error codes; the first that fits counts.
_CODES: Final = (
    (
        ATTEMPTS_USED_UP,
        "the provider answered with errors until all attempts were used",
    ),
    ("400", "the provider refused it: often one bad number, for which the group pays"),
    ("413", "the provider found it too large"),
    ("429", "the provider's queue was full"),
    ("4", "the provider refused it"),
    ("5", "the provider had a fault of its own"),
    ("timeout", _SPOILT),
    ("connection-lost", _SPOILT),
    ("bad-answer", _SPOILT),
    ("connect", "the provider could not be reached"),
    ("worker fault", "a worker failed on it"),
    ("expired", "its time had passed"),
    ("by hand", "the campaign was cancelled"),
    ("opted out", "everybody in it has opted out since the list was loaded"),
)


def explain_code(code: str) -> str:
    """An error code as a sentence; empty when there is nothing to add."""
    return _first(_CODES, code)


def explain_delivery_code(code: int) -> str:
    """A provider's delivery code as a sentence."""
    return code_of(code).sentence if code else "the provider gave no code"


def done_for_code(action: str, code: int, times: int) -> str:
    """How often something was done because of a code, and what that code means."""
    who = count(times, "recipient" if action == "suppress" else "time")
    return f"{who}, code {code}: {explain_delivery_code(code)}"


def deliveries(counts: Mapping[str, int]) -> str:
    """`12,000 delivered, 12 failed`; empty while there is nothing to say."""
    return ", ".join(
        f"{counts[state]:,} {state}" for state in DELIVERIES if counts.get(state)
    )


def explain_rejection(reason: str) -> str:
    """Why rows were left out, and what to do; the reason itself if it is a new one."""
    return next((r.explanation for r in Reason if r.value == reason), reason)


def state_and_reason(state: str, reason: str) -> str:
    """`paused (canary)`; just the state when there is no reason."""
    return f"{state} ({reason})" if reason else state


def _first(table: tuple[tuple[str, str], ...], text: str) -> str:
    return next((words for start, words in table if text.startswith(start)), "")


#: Why nothing of a campaign is sent whose list is not committed.
BEING_READ: Final = "its list is being read; nothing is sent before it is whole"


def count(number: int, noun: str) -> str:
    """`1 group`, `1,200 groups`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def rate(units: float) -> str:
    """`1 unit/s`, `1,200 units/s`, `0.5 units/s`."""
    return f"{units:,g} unit{'' if units == 1 else 's'}/s"


def used_up(until: datetime) -> str:
    """That the account's units of a day are used up, and until when."""
    clock = f"{until.astimezone():%H:%M %Z}"
    return f"the account's units of this day are used up; it goes on at {clock}"


def duration(seconds: float) -> str:
    """Seconds as people say them, rounded up."""
    whole = -int(-seconds // 1)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"
