"""The closed set of what one send call can end as.

    the provider took it          ACCEPTED
    it did not, proven by
      its own answer              REFUSED THROTTLED SERVER_ERROR STOPPED TOKEN_REFRESHED
      no byte having left         UNREACHABLE NOT_WRITTEN
    nobody can tell               UNKNOWN

What leads to which of them is judged in judgement.py, what follows from them in
retry.py. Nothing here sends or decides, and no repr shows a number or text.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Literal, NamedTuple


class _Traits(NamedTuple):
    final: bool
    sent: Literal["yes", "no", "maybe"]
    log_level: Literal["info", "warning", "error"]
    advice: str
    counts_as_attempt: bool = False


class Kind(Enum):
    """What a send call ended as.

    Attributes:
        final: Nothing more will be done for the group.
        sent: Whether the provider took the message: "yes", "no" (proven), "maybe".
        log_level: Level of the log line that reports it.
        advice: What a person should do, a sentence.
        counts_as_attempt: It uses up one of the group's attempts.
        word: Its name in logs and metrics.
    """

    ACCEPTED = _Traits(True, "yes", "info", "Nothing; callbacks tell the delivery.")
    REFUSED = _Traits(
        True, "no", "warning", "Correct what the description names and submit it again."
    )
    THROTTLED = _Traits(
        False, "no", "info", "Nothing; if it lasts, lower the rate to the account's."
    )
    SERVER_ERROR = _Traits(
        False, "no", "warning", "Nothing; it is tried again.", counts_as_attempt=True
    )
    STOPPED = _Traits(
        False, "no", "error", "Correct the account's settings, then resume."
    )
    TOKEN_REFRESHED = _Traits(False, "no", "info", "Nothing; a new token is fetched.")
    UNREACHABLE = _Traits(
        False, "no", "warning", "Check the network and the provider's status page."
    )
    NOT_WRITTEN = _Traits(False, "no", "info", "Nothing; it is sent again at once.")
    UNKNOWN = _Traits(
        False, "maybe", "warning", "Nothing yet; if it ends as held, resolve it."
    )

    def __init__(
        self,
        final: bool,  # noqa: FBT001 - the fields of _Traits, unpacked by Enum
        sent: Literal["yes", "no", "maybe"],
        log_level: Literal["info", "warning", "error"],
        advice: str,
        counts_as_attempt: bool,  # noqa: FBT001 - likewise
    ) -> None:
        # Once: Enum looks up `name` in Python, for every send.
        self.word = self.name.lower()
        self.final = final
        self.sent = sent
        self.log_level = log_level
        self.advice = advice
        self.counts_as_attempt = counts_as_attempt

    def __repr__(self) -> str:
        """Name it; the traits would drown a log line."""
        return f"Kind.{self.name}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one send call ended as, and what the provider said.

    Attributes:
        kind: Which of the closed set.
        code: Status and the provider's own word ("400 request-validation"), or a
            word of ours ("timeout"). Holds nothing private.
        message_id: The provider's id of the message; None if it gave none.
        time: When the provider says it took it, seconds since 1970.
        retry_after: Seconds the provider asked to wait, at most an hour.
        description: The provider's reason. May quote a phone number: it belongs
            into the ledger only, and the repr leaves it out.
    """

    kind: Kind
    code: str
    message_id: str | None = None
    time: float | None = None
    retry_after: float | None = None
    description: str | None = field(default=None, repr=False)
