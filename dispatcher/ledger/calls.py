"""Every question to the ledger that is one atomic script, as typed calls.

Nothing here talks to Redis: a function builds a `Call`; `Ledger.run` or
`AsyncLedger.run` carries it out. All times are milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from itertools import chain
from typing import Any, Final, Literal, NamedTuple

import msgspec

from dispatcher.ledger.scripts import Argument, Call

#: A claim nobody renews for this long is taken back. Longer than the HTTP
#: deadline, so that a living worker's exchange always ends under its lease.
LEASE_MS: Final = 30_000
#: A child that was silent for this long counts as dead when wake-ups are counted.
HEARTBEAT_MS: Final = 10_000
#: Members of a dead claim taken back in one script run, so that it stays short.
LAPSE_LIMIT: Final = 500

#: Many items as one argument, each an array: neither side looks at ten thousand small
#: arguments. Scripts read it with `cmsgpack`.
_packed: Final = msgspec.msgpack.Encoder().encode


@dataclass(frozen=True, slots=True)
class Rates:
    """Permitted units; None means no limit.

    Attributes:
        account: A second, for the account.
        sender: A second, for each sender.
        daily: From one midnight UTC to the next, for the account.
    """

    account: float | None = None
    sender: float | None = None
    daily: int | None = None

    def arguments(self) -> list[Argument]:
        """Those of a second, as the scripts take them."""
        return [_number(self.account), _number(self.sender)]

    def all_arguments(self) -> list[Argument]:
        """With that of a day."""
        return [*self.arguments(), _number(self.daily)]


class Claimed(msgspec.Struct, frozen=True, array_like=True):
    """One group reserved for this worker child.

    Attributes:
        serial: Its last serial.
        dropped: Bit mask of members left out of that; they stay out.
    """

    id: str
    load: str
    group: int
    serial: int
    attempts: int
    crashes: int
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class ClaimReply:
    """What a claim gave.

    Attributes:
        groups: The groups reserved.
        wait_ms: When nothing was: ms until it is worth asking again, None when
            nothing will become due by itself.
        alone: A group under suspicion waits for a child that holds nothing.
    """

    groups: list[Claimed]
    wait_ms: int | None
    alone: bool


class Refusal(IntEnum):
    """Why the gate let a group not pass."""

    LOST = -1
    STOPPED = -2
    LOCKED = -3
    CANARY = -4


#: Answers of the gate from here on down hold a mask of members.
_LEAVE_OUT: Final = -1024


def left_out(answer: int) -> int:
    """Whom to leave out before the gate is asked again.

    Returns:
        The bit mask of all members who have opted out, earlier ones included; 0 if
        the gate's answer is another.
    """
    return max(0, _LEAVE_OUT - answer)


class GateItem(msgspec.Struct, frozen=True, array_like=True):
    """One group before the gate.

    Attributes:
        serial: The new serial it asks for.
        cost: Units.
        lock: `codec.member_lock` of sender and the members written to.
        members: Everybody in the group, as `codec.listed`.
        dropped: Bit mask of members who are left out.
        spent: -1 for a group fresh from a claim. For a quick second try: the
            attempts (0 or 1) that the serial before it, proven unsent, cost.
    """

    id: str
    group: int
    serial: int
    cost: int
    lock: str
    members: str
    dropped: int = 0
    spent: int = -1

    def __repr__(self) -> str:
        """Show no number."""
        return f"<GateItem {self.id} {self.group} {self.serial}>"


class GateReply(NamedTuple):
    """What the gate said: `answers` as in `gate`, and how many it ever let through."""

    answers: list[int]
    total: int


class Verdict(StrEnum):
    """What became of a serial; see settle.lua."""

    ACCEPTED = "accepted"
    FAILED = "failed"
    RETRY = "retry"
    BACK = "back"
    CANCEL = "cancel"
    UNKNOWN = "unknown"
    HOLD = "hold"
    ASK = "ask"


class Settlement(msgspec.Struct, frozen=True, array_like=True):
    """One verdict on one serial of one group.

    Attributes:
        detail: The message id (accepted), else an error code.
        sentence: The provider's own words (failed only); may quote a number.
        delay_ms: For retry and back: due after so long.
        spent: For retry and failed: attempts it cost.
    """

    id: str
    group: int
    serial: int
    verdict: Verdict
    lock: str = ""
    detail: str = ""
    sentence: str = ""
    delay_ms: int = 0
    spent: int = 0

    def __repr__(self) -> str:
        """Show nobody's words."""
        return f"<Settlement {self.id} {self.group} {self.serial} {self.verdict}>"


@dataclass(frozen=True, slots=True)
class Lapsed:
    """What was taken back from dead claims."""

    returned: int
    unknown: int
    poisoned: int
    more: bool


def claim(
    token: str,
    want: int,
    rates: Rates,
    *,
    idle: bool,
    at_gate: Mapping[str, int] | None = None,
) -> Call[ClaimReply]:
    """Reserve at most `want` groups under `token`.

    Args:
        token: The child's.
        want: Groups at most.
        rates: The limits.
        idle: The child holds nothing.
        at_gate: How many groups of a campaign the child has that wait at the gate.
    """
    limits = rates.all_arguments()
    arguments: list[Argument] = [token, want, LEASE_MS, *limits, int(idle)]
    arguments += chain.from_iterable((at_gate or {}).items())
    return Call("claim", arguments, _read_claim)


_claimed: Final = msgspec.msgpack.Decoder(list[Claimed]).decode


def _read_claim(reply: list[Any]) -> ClaimReply:
    wait, alone, packed = reply
    groups = _claimed(packed)
    return ClaimReply(groups, None if wait < 0 else wait, alone=bool(alone))


def gate(token: str, rates: Rates, items: Sequence[GateItem]) -> Call[GateReply]:
    """Ask for permission to write, now.

    Each is answered with 0: go; n: wait n ms; a `Refusal`; or members to leave out
    first (`left_out`).
    """
    arguments = [token, *rates.all_arguments(), _packed(items)]
    return Call("gate", arguments, _read_gate)


def _read_gate(reply: list[int]) -> GateReply:
    count, *answers = reply
    return GateReply(answers, count)


def settle(token: str, items: Sequence[Settlement]) -> Call[list[int]]:
    """Record verdicts; 1 for each that changed something."""
    return Call("settle", [token, _packed(items)], list)


def lapse(token: str = "") -> Call[Lapsed]:
    """Take back dead claims, or (by its owner) everything under one token."""
    return Call("lapse", [LAPSE_LIMIT, token], _read_lapsed)


def _read_lapsed(reply: list[int]) -> Lapsed:
    returned, unknown, poisoned, more = reply
    return Lapsed(returned, unknown, poisoned, more=bool(more))


def renew(child: str, tokens: Sequence[str], *, in_shift: bool) -> Call[int]:
    """Keep a child's heartbeat and leases alive."""
    return Call("renew", [child, LEASE_MS, int(in_shift), *tokens], int)


def enter(child: str) -> Call[int]:
    """A child begins a shift."""
    return Call("enter", [child], int)


def leave(child: str) -> Call[int]:
    """A child ends."""
    return Call("leave", [child], int)


def wake(rates: Rates) -> Call[tuple[int, int | None]]:
    """Wake-ups to publish now; ms until something is due (None: nothing known)."""
    limits = (_number(rates.account), _number(rates.daily))
    return Call("wake", [*limits, HEARTBEAT_MS], _read_wake)


def _read_wake(reply: list[int]) -> tuple[int, int | None]:
    publish, due = reply
    return publish, None if due < 0 else due


def throttle(retry_after_s: float | None) -> Call[int]:
    """Pause the account because of a 429; ms it is paused from now."""
    asked = "" if retry_after_s is None else int(retry_after_s * 1000)
    return Call("throttle", [asked], int)


def unthrottle() -> Call[int]:
    """The provider takes messages again."""
    return Call("unthrottle", [], int)


def breaker(
    child: str, verdict: Literal["down", "up", "probe"], lease_ms: int
) -> Call[int]:
    """Tell whether this child reaches the provider; ask whether it may try."""
    return Call("breaker", [child, verdict, lease_ms], int)


def control(
    id: str,  # noqa: A002 - the public word for it
    command: Literal["pause", "resume", "cancel", "vouch"],
    reason: str = "",
    *,
    refused: int | None = None,
) -> Call[tuple[str, str] | None]:
    """Give a command; the state and reason afterwards, None for an unknown id.

    A pause that the refusal of a group asks for (`refused`) holds only if that group
    passed the gate since the last resume.
    """
    group = "" if refused is None else refused
    return Call("control", [id, command, reason, group], _read_control)


def _read_control(reply: list[bytes]) -> tuple[str, str] | None:
    return (reply[0].decode(), reply[1].decode()) if reply else None


def begin(id: str, ttl_s: int) -> Call[str]:  # noqa: A002 - the public word for it
    """Note a load; the content hash if the id is committed already."""
    return Call("begin", [id, ttl_s], _read_text)


def forget(id: str) -> Call[int]:  # noqa: A002 - the public word for it
    """Free the id of a load that will not be committed."""
    return Call("forget", [id], int)


def commit(
    id: str,  # noqa: A002 - the public word for it
    load: str,
    content: str,
    chunks: int,
    fields: dict[str, str | int | float],
) -> Call[str]:
    """Make a load the campaign's list; "" or what was committed before it."""
    flat = [part for pair in fields.items() for part in pair]
    return Call("commit", [id, load, content, chunks, *flat], _read_text)


def _read_text(reply: bytes) -> str:
    return reply.decode()


def _number(value: float | None) -> str | float:
    return "" if value is None else value
