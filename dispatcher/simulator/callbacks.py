"""The bodies of callbacks, field for field as the provider documents them.

Pure: builds bytes, decides nothing and sends nothing. What all callbacks about one
message share is encoded once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from dispatcher.simulator.answers import ENCODER, instant

if TYPE_CHECKING:
    from collections.abc import Sequence

SENDING: Final = "message-sending"
SENT: Final = "message-sent"
DELIVERED: Final = "message-delivered"
FAILED: Final = "message-failed"
RECEIVED: Final = "message-received"

#: For people only; receivers go by type and code. What is not listed says its type.
_DESCRIPTIONS: Final = {
    SENDING: "Message is sending to carrier",
    SENT: "Message sent to carrier",
    DELIVERED: "Message delivered to carrier.",
    RECEIVED: "Incoming message received",
}
_FAILURES: Final = {
    4404: "rejected-forbidden-to-number",
    4410: "media-unavailable",
    4700: "invalid-service-type",
    4720: "invalid-destination",
    4750: "destination-rejected",
    4775: "destination-rejected-due-to-user-opt-out",
    5600: "carrier-queue-full",
    9902: "delivery-receipt-expired",
}

#: Optional fields of a send call that its callbacks repeat.
_ECHOED: Final = ("tag", "media", "priority")


class Letter(msgspec.Struct, frozen=True, gc=False):
    """A message as its callbacks show it, encoded up to and after its owner."""

    before: bytes
    after: bytes
    sender: str


class Callback(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One event about one recipient.

    Attributes:
        type: Of the event.
        time: Of the event, epoch seconds; the same however often it is told.
        to: One number.
        code: Of a failure; else 0.
        letter: The message.
    """

    type: str
    time: float
    to: str
    code: int = 0
    letter: Letter

    def body(self) -> bytes:
        """The JSON array of one object that is posted."""
        event: dict[str, Any] = {
            "type": self.type,
            "time": instant(self.time),
            "description": self._description(),
            "to": self.to,
        }
        if self.code:
            event["errorCode"] = self.code
        letter = self.letter
        # In the provider's samples of this type the owner is the recipient.
        owner = self.to if self.type == DELIVERED else letter.sender
        return b'[%b,"message":%b%b%b}]' % (
            ENCODER.encode(event)[:-1],
            letter.before,
            ENCODER.encode(owner),
            letter.after,
        )

    def _description(self) -> str:
        if self.code:
            return _FAILURES.get(self.code, "failed")
        return _DESCRIPTIONS.get(self.type, self.type)


def outbound(
    fields: dict[str, Any], *, id_: str, time: float, to: Sequence[str]
) -> Letter:
    """A message that was taken, from the fields of its send call. It has no text."""
    more = {name: fields[name] for name in _ECHOED if fields.get(name) is not None}
    application, sender = fields["applicationId"], fields["from"]
    return _letter(id_, application, time, "out", to, sender, "", more)


def inbound(
    *,
    id_: str,
    application: str,
    time: float,
    sender: str,
    to: Sequence[str],
    text: str,
) -> Letter:
    """A message that somebody sent to one of the account's numbers, the first."""
    letter = _letter(id_, application, time, "in", to, sender, text, {})
    return msgspec.structs.replace(letter, sender=to[0])


def _letter(  # noqa: PLR0917  # the fields, in their order
    id_: str,
    application: str,
    time: float,
    direction: str,
    to: Sequence[str],
    sender: str,
    text: str,
    more: dict[str, Any],
) -> Letter:
    rest = {
        "applicationId": application,
        "time": instant(time),
        "segmentCount": 1,
        "direction": direction,
        "to": to,
        "from": sender,
        "text": text,
    }
    before = b'{"id":%b,"owner":' % ENCODER.encode(id_)
    return Letter(before, b"," + ENCODER.encode(rest | more)[1:], sender)
