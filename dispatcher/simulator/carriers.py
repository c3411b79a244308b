"""What carriers do with a message that was taken: they end it and tell of it.

Decides the end of every message, plans its callbacks and hands them to the mail.
Knows no sockets and waits for nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from dispatcher.simulator import callbacks
from dispatcher.simulator.archive import Message
from dispatcher.simulator.callbacks import Callback
from dispatcher.simulator.fates import Fates, Outlook
from dispatcher.simulator.faults import Fault
from dispatcher.simulator.timetable import Journey, Timetable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from dispatcher.simulator.config import SimulatorConfig
    from dispatcher.simulator.faults import FaultPlan

#: Seconds that early callbacks get before the answer to the send call leaves.
HEAD_START: Final = 0.05
#: The application of somebody else, and of a number that has never sent.
NO_APPLICATION: Final = "00000000-0000-0000-0000-000000000000"
#: Somebody else's numbers, kept free for fiction.
_STRANGERS: Final = ("+12025550188", "+12025550199")


class Mail(Protocol):
    """What carries callbacks."""

    @property
    def wanted(self) -> bool:
        """Whether there is anybody to call."""
        ...

    def post(self, callback: Callback, due: float) -> None:
        """Take a callback over; it is told at `due` (epoch seconds) or later."""
        ...


class Carriers:
    """Decides every message's end and tells it.

    Args:
        config: Delays and error codes.
        faults: The shares of what goes wrong.
        mail: Gets the callbacks.
        random: The source of chance.
    """

    def __init__(
        self,
        config: SimulatorConfig,
        *,
        faults: FaultPlan,
        mail: Mail,
        random: Random,
    ) -> None:
        mean = config.callback_delay_ms / 1000
        self._mail = mail
        self._random = random
        self._applications: dict[str, str] = {}
        self._fates = Fates(
            faults, codes=config.callback_codes, mean=mean, random=random
        )
        self._timetable = Timetable(
            self._fates, mean=mean, late=config.callback_late_seconds, random=random
        )

    def outlook(self, recipients: int, *, no_media: bool) -> Outlook:
        """The end of the next message, to so many recipients."""
        return self._fates.draw(recipients, no_media=no_media)

    def tell(self, message: Message, fields: dict[str, Any], outlook: Outlook) -> float:
        """Post a message's callbacks; seconds for which its answer is held back."""
        self._applications[message.sender] = fields["applicationId"]
        if not self._mail.wanted:
            return 0.0
        numbers = message.recipients
        letter = callbacks.outbound(
            fields, id_=message.id, time=message.time, to=numbers
        )
        for place, number in enumerate(numbers):
            journey = Journey(
                start=message.time,
                end=message.final_at,
                outlook=outlook,
                place=place,
                number=number,
                kind=message.kind,
                letter=letter,
            )
            for due, callback in self._timetable.plan(journey):
                self._mail.post(callback, due)
        if self._fates.strikes(Fault.FOREIGN):
            self._post_foreign(message, fields)
        return HEAD_START if outlook.early else 0.0

    def receive(
        self, *, id_: str, now: float, sender: str, to: Sequence[str], text: str
    ) -> None:
        """Post the callback of a message to the account's number `to[0]`."""
        letter = callbacks.inbound(
            id_=id_,
            application=self._applications.get(to[0], NO_APPLICATION),
            time=now,
            sender=sender,
            to=to,
            text=text,
        )
        received = Callback(type=callbacks.RECEIVED, time=now, to=to[0], letter=letter)
        for due, callback in self._timetable.disturbed(now, received):
            self._mail.post(callback, due)

    def _post_foreign(self, message: Message, fields: dict[str, Any]) -> None:
        """A callback of another program on our number, or of another account."""
        id_ = f"{message.id[:13]}{self._random.getrandbits(64):016x}"
        sender, number = _STRANGERS
        other: dict[str, Any] = {"applicationId": NO_APPLICATION, "from": sender}
        if self._random.getrandbits(1):
            other = {**fields, "tag": "somebody-else's", "media": None}
        letter = callbacks.outbound(other, id_=id_, time=message.time, to=[number])
        foreign = Callback(
            type=callbacks.DELIVERED, time=message.final_at, to=number, letter=letter
        )
        self._mail.post(foreign, foreign.time)
