"""What each fault looks like to the client, as data.

A fault either refuses the request (`refusal`), and then the message is not taken, or
spoils the answer to a request that was handled as usual (`spoil`).
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from dispatcher.simulator import answers
from dispatcher.simulator.exchange import Manner, Reply
from dispatcher.simulator.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Callable

#: The queue in the text of an ordered 429: the default of a new account.
_RATE, _SECONDS = 1, 900

REFUSALS: Final[dict[Fault, Reply]] = {
    Fault.QUEUE_FULL: answers.queue_full(_RATE, _SECONDS),
    Fault.SERVER_ERROR: answers.SERVER_ERROR,
    Fault.BAD_GATEWAY: answers.BAD_GATEWAY,
    Fault.UNAVAILABLE: answers.UNAVAILABLE,
    Fault.EMPTY_500: answers.EMPTY_500,
    Fault.HTML_500: answers.HTML_500,
    Fault.UNAUTHORIZED: answers.UNAUTHORIZED,
    Fault.FORBIDDEN: answers.FORBIDDEN,
    Fault.HANG: Reply(status=500, manner=Manner.SILENCE),
    Fault.DROP_BEFORE: Reply(status=500, manner=Manner.CLOSE),
}


def _half_of_the_body(reply: Reply) -> Reply:
    return replace(reply, body=reply.body[: len(reply.body) // 2])


#: Only an answer that says "taken" is spoilt; a refusal stays one.
SPOILERS: Final[dict[Fault, Callable[[Reply], Reply]]] = {
    Fault.HANG_AFTER: lambda reply: replace(reply, manner=Manner.SILENCE),
    Fault.DROP_AFTER: lambda reply: replace(reply, manner=Manner.CLOSE),
    Fault.HALF_ANSWER: lambda reply: replace(reply, manner=Manner.HALF),
    Fault.BAD_JSON: _half_of_the_body,
}

#: Kinds whose close is, every other time, a reset: clients see two different errors
#: and must read both as "unknown".
_DROPS: Final = frozenset({Fault.DROP_BEFORE, Fault.DROP_AFTER})


def refusal(fault: Fault, *, reset: bool) -> Reply | None:
    """The answer of a fault that keeps the message from being taken, else None."""
    reply = REFUSALS.get(fault)
    return reply and _harder(fault, reply, reset=reset)


def spoil(fault: Fault, reply: Reply, *, reset: bool, slow: float) -> Reply:
    """What becomes of a usual answer under a fault; `slow` in seconds.

    Two kinds strike every answer, the others only one that says "taken".
    """
    if fault is Fault.SLOW:
        return replace(reply, delay=reply.delay + slow)
    if fault is Fault.REFUSE:
        return replace(reply, manner=Manner.REFUSE_NEXT)
    if reply.status != HTTPStatus.ACCEPTED:
        return reply
    return _harder(fault, SPOILERS[fault](reply), reset=reset)


def _harder(fault: Fault, reply: Reply, *, reset: bool) -> Reply:
    if reset and fault in _DROPS:
        return replace(reply, manner=Manner.RESET)
    return reply
