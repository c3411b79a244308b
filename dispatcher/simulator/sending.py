"""The send call: checks a request, takes the message, notes both.

The only place where a message is taken. It never waits and knows no sockets.
"""

from __future__ import annotations

import string
from sys import intern
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec.structs import replace

from dispatcher.simulator import answers
from dispatcher.simulator.archive import Archive, Message
from dispatcher.simulator.fields import field_errors, read_object, recipients
from dispatcher.simulator.misbehaviour import refusal, spoil
from dispatcher.simulator.quotas import AccountQueue
from dispatcher.simulator.record import Entry, Record
from dispatcher.simulator.stats import Stats

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from dispatcher.simulator.auth import Gatekeeper
    from dispatcher.simulator.carriers import Carriers
    from dispatcher.simulator.config import SimulatorConfig
    from dispatcher.simulator.exchange import Reply, Request
    from dispatcher.simulator.faults import Fault, FaultPlan
    from dispatcher.simulator.media import MediaStore

_ID_ALPHABET: Final = string.ascii_lowercase + string.digits
#: Characters of an id after its 13 digits of time; 29 in all, as the provider's.
_ID_TAIL: Final = 16

#: Optional fields that the 202 repeats.
_ECHOED: Final = ("media", "tag", "priority", "expiration")


class _Attempt(msgspec.Struct, frozen=True):
    """A send request on its way through.

    Attributes:
        readable: Whether the body is a JSON object; if not, `fields` is empty.
        numbers: What `to` lists, not yet checked.
    """

    request: Request
    account: str
    now: float
    readable: bool
    fields: dict[str, Any]
    numbers: list[Any]


class SendCall:
    """Answers `POST .../users/{account}/messages`.

    Args:
        config: Limits of the queue and what faults do.
        gatekeeper: Says who may call.
        faults: Says what goes wrong.
        archive: Takes the messages.
        carriers: Say what becomes of them.
        media: Is asked whether there is what they refer to.
        record: Notes the requests.
        clock: Gives epoch seconds.
        random: Makes ids.
    """

    def __init__(
        self,
        config: SimulatorConfig,
        *,
        gatekeeper: Gatekeeper,
        faults: FaultPlan,
        archive: Archive,
        carriers: Carriers,
        media: MediaStore,
        record: Record,
        clock: Callable[[], float],
        random: Random,
    ) -> None:
        self._config = config
        self._gatekeeper = gatekeeper
        self._faults = faults
        self._archive = archive
        self._carriers = carriers
        self._media = media
        self._record = record
        self._clock = clock
        self._random = random
        self._queues: dict[str, AccountQueue] = {}
        self._last = 0.0
        self.stats = Stats()

    def answer(self, request: Request, account: str) -> Reply:
        """Handle one request under the fault that strikes it, and note it."""
        attempt = _read(request, account, self._clock())
        fault = self._faults.draw()
        reply, message = self._under(fault, attempt)
        self._note(attempt, fault, reply, message)
        return reply

    def _under(
        self, fault: Fault | None, attempt: _Attempt
    ) -> tuple[Reply, Message | None]:
        if fault is None:
            return self._handle(attempt)
        reset = self._faults.coin()
        refused = refusal(fault, reset=reset)
        if refused is not None:
            return refused, None
        reply, message = self._handle(attempt)
        slow = self._config.slow_ms / 1000
        return spoil(fault, reply, reset=reset, slow=slow), message

    def _handle(self, attempt: _Attempt) -> tuple[Reply, Message | None]:
        refused = self._objection(attempt)
        if refused is not None:
            return refused, None
        message, held = self._take(attempt)
        return replace(_accepted(attempt, message), delay=held), message

    def _objection(self, attempt: _Attempt) -> Reply | None:
        """The first reason not to take the message, in the provider's order."""
        if not self._gatekeeper.admits(attempt.request, attempt.account):
            return answers.UNAUTHORIZED
        content_type = attempt.request.header(b"content-type")
        if content_type.partition(";")[0].strip().lower() != "application/json":
            return answers.unsupported(content_type)
        if not attempt.readable:
            return answers.invalid([])
        errors = field_errors(attempt.fields, attempt.now)
        if errors:
            return answers.invalid(errors)
        return self._queue_full(attempt)

    def _queue_full(self, attempt: _Attempt) -> Reply | None:
        rate, seconds = self._config.rate, self._config.queue_seconds
        if rate is None:
            return None
        queue = self._queues.get(attempt.account)
        if queue is None:
            queue = self._queues[attempt.account] = AccountQueue(rate, rate * seconds)
        if queue.put(len(attempt.numbers), attempt.now):
            return None
        return answers.queue_full(rate, seconds)

    def _take(self, attempt: _Attempt) -> tuple[Message, float]:
        """The message, and seconds for which its answer is held back."""
        # Searches rely on messages being in the order of their times.
        self._last = max(self._last, attempt.now)
        fields = attempt.fields
        media = fields.get("media") or ()
        outlook = self._carriers.outlook(
            len(attempt.numbers), no_media=self._media.lacks(media)
        )
        message = Message(
            seq=len(self._archive),
            id=new_id(self._last, self._random),
            account=attempt.account,
            sender=intern(fields["from"]),
            to=",".join(attempt.numbers) + ",",
            time=self._last,
            length=len(fields.get("text") or ""),
            attachments=len(media),
            final_at=self._last + outlook.after,
            codes=outlook.codes,
        )
        self._archive.add(message)
        return message, self._carriers.tell(message, fields, outlook)

    def _note(
        self,
        attempt: _Attempt,
        fault: Fault | None,
        reply: Reply,
        message: Message | None,
    ) -> None:
        fields = attempt.fields
        entry = Entry(
            seq=self.stats.sends + 1,
            time=attempt.now,
            account=attempt.account,
            sender=_string(fields.get("from")),
            to=tuple(n for n in attempt.numbers if isinstance(n, str)),
            tag=_string(fields.get("tag")),
            units=len(attempt.numbers),
            text_length=len(_string(fields.get("text")) or ""),
            taken=message is not None,
            status=reply.status_seen,
            fault=fault,
            id=None if message is None else message.id,
        )
        self.stats.count(entry)
        self._record.add(entry)


def new_id(now: float, random: Random) -> str:
    """An id as the provider makes them: 13 digits of time and 16 characters."""
    tail = random.choices(_ID_ALPHABET, k=_ID_TAIL)
    return f"{int(now * 1000):013d}{''.join(tail)}"


def _read(request: Request, account: str, now: float) -> _Attempt:
    body = read_object(request.body)
    fields = body or {}
    return _Attempt(request, account, now, body is not None, fields, recipients(fields))


def _accepted(attempt: _Attempt, message: Message) -> Reply:
    """202: queued, and never more than that."""
    fields = attempt.fields
    body = {
        "id": message.id,
        "owner": message.sender,
        "applicationId": fields["applicationId"],
        "time": answers.instant(message.time),
        "segmentCount": 1,
        "direction": "out",
        "to": attempt.numbers,
        "from": message.sender,
        "text": fields.get("text") or "",
    }
    body |= {name: fields[name] for name in _ECHOED if fields.get(name) is not None}
    return answers.json_reply(202, body)


def _string(value: object) -> str | None:
    return value if isinstance(value, str) else None
