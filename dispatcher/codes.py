"""The provider's delivery codes: what each means for people, and what is done about it.

Bandwidth's "Errors" page as data (4475, 4476, 4710, 4735, 4754 and 4794 are from its
multi-channel API). A code that is not here goes by its range: the first digit says
whose fault it is (4 the message's, 5 a service's, 9 nobody knows), the second who says
so (6 and 7 a carrier, else Bandwidth). Nothing here is private. No I/O.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Action(StrEnum):
    """What follows from a code, by itself."""

    SUPPRESS = "suppress"  # this person gets no message any more
    PAUSE = "pause"  # the campaign stops: further groups would meet the same
    SLOW = "slow"  # the campaign goes at half its rate for a while
    MEDIA = "media"  # told: the media have to be mended
    NONE = "none"  # told


#: Those that change something, and that a setting can switch off.
TAKEN: Final = frozenset({Action.SUPPRESS, Action.PAUSE, Action.SLOW})


@dataclass(frozen=True, slots=True)
class Code:
    """One code of a failed message.

    Attributes:
        code: The number, as callbacks have it.
        name: The provider's name for it.
        sentence: What happened, in plain words.
        action: What follows from it.
        billed: Whether the provider charges for the message all the same.
        retry: Whether a new message to that person alone may fare better.
    """

    code: int
    name: str
    sentence: str
    action: Action
    billed: bool
    retry: bool


def code_of(number: int) -> Code:
    """A code's entry; for an unknown one, what its range says."""
    return CODES.get(number) or _by_range(number)


def _by_range(number: int) -> Code:
    carrier = number // 100 % 10 in _CARRIER_DIGITS
    who = "the carrier" if carrier else "Bandwidth"
    fault, retry, billed = _RANGES.get(number // 1000, _AMBIGUOUS)
    sentence = fault.format(who=who)
    return Code(number, "unknown code", sentence, Action.NONE, billed or carrier, retry)


_CARRIER_DIGITS: Final = (6, 7)
#: First digit: what happened, may it be tried again, billed whoever says so.
_RANGES: Final = {
    4: ("{who} refused it, and would again", False, False),
    5: ("a fault at {who} that may pass", True, False),
}
_AMBIGUOUS: Final = ("nobody knows why; it may have been delivered", False, True)


_S, _P, _V = Action.SUPPRESS, Action.PAUSE, Action.SLOW
_M, _N = Action.MEDIA, Action.NONE

#: code, name, sentence, action. Who bills and what may be tried again follows below.
_TABLE: Final = (
    # Refused by Bandwidth.
    (4001, "service-not-allowed", "this service is not allowed on the account", _P),
    (4301, "malformed-invalid-encoding", "the text holds unusable characters", _M),
    (4302, "malformed-invalid-from-number", "the sender is no possible number", _P),
    (4303, "malformed-invalid-to-number", "this is no possible number", _N),
    (4350, "malformed-for-destination", "most likely this number does not exist", _N),
    (
        *(4360, "message-not-sent-expiration-date-passed"),
        *("its time was over before it could be sent", _N),
    ),
    (4401, "rejected-routing-error", "no route: sender and recipient may be one", _N),
    (
        *(4403, "rejected-forbidden-from-number"),
        *("the sender may not send: another account's number, or not enabled", _P),
    ),
    (4404, "rejected-forbidden-to-number", "this number may not get messages", _N),
    (4405, "rejected-unallocated-from-number", "the sender is not in service", _P),
    (4406, "rejected-unallocated-to-number", "nobody has this number", _N),
    (
        *(4407, "rejected-account-not-defined-from-number"),
        *("the sender belongs to no account", _P),
    ),
    (
        *(4408, "rejected-account-not-defined-to-number"),
        *("this number is not set up to get messages", _N),
    ),
    (
        *(4409, "rejected-invalid-from-profile"),
        *("most likely this number cannot get media or group messages", _N),
    ),
    (4410, "media-unavailable", "the media could not be fetched from their URL", _M),
    (4411, "rejected-message-size-limit-exceeded", "the media are too large", _M),
    (4412, "media-content-invalid", "the media are of no supported type", _M),
    (4420, "rejected-carrier-does-not-exist", "no route to this number", _N),
    (4421, "rejected-forbidden-no-destination", "no permission for this number", _N),
    (4431, "rejected-forbidden-shortcode", "the account may use no short codes", _P),
    (4432, "rejected-forbidden-country", "the account may not reach this country", _N),
    (4433, "rejected-forbidden-tollfree", "the account may not send toll-free", _P),
    (
        *(4434, "rejected-forbidden-tollfree-for-recipient"),
        *("this is a toll-free number that gets no messages", _N),
    ),
    (4435, "forbidden-too-many-recipients", "the group is too large", _P),
    (4451, "rejected-wrong-user-id", "the account's user is not valid", _P),
    (4452, "rejected-wrong-application-id", "the application is not valid", _P),
    (4470, "rejected-spam-detected", "Bandwidth took it for spam", _P),
    (
        *(4475, "destination-rejected-due-to-user-opt-out"),
        *("this person opted out", _S),
    ),
    (
        *(4476, "blocked-unregistered"),
        *("the sender is on no registered (10DLC) campaign", _P),
    ),
    (4481, "rejected-from-number-in-blacklist", "the sender is barred", _P),
    (4482, "rejected-to-number-in-blacklist", "this number is barred", _N),
    (4492, "reject-emergency", "this is an emergency number", _N),
    (4493, "rejected-unauthorized", "the sender is not authorised to send", _P),
    # Refused by the carrier.
    (4700, "invalid-service-type", "this phone or line gets no such messages", _N),
    (4701, "destination-service-unavailable", "this phone could not be reached", _N),
    (4702, "destination-subscriber-unavailable", "this phone was off or full", _N),
    (4710, "media-unavailable", "the carrier could not fetch the media", _M),
    (
        *(4711, "rejected-message-size-limit-exceeded"),
        *("the media are too large for the carrier", _M),
    ),
    (4712, "media-content-invalid", "the carrier does not take media like these", _M),
    (4720, "invalid-destination-address", "this number is not valid for messages", _N),
    (4721, "destination-tn-deactivated", "this number is out of service", _N),
    (4730, "no-route-to-destination-carrier", "no route; perhaps roaming", _N),
    (
        *(4735, "too-many-recipients"),
        *("the group is too large for the carrier: make smaller ones", _N),
    ),
    (4740, "invalid-source-address-address", "the carrier refuses the sender", _P),
    (
        *(4750, "destination-rejected-message"),
        *("the carrier refused it without a reason", _N),
    ),
    (
        *(4751, "destination-rejected-message-size-invalid"),
        *("too long for the carrier", _M),
    ),
    (4752, "destination-rejected-malformed", "malformed for the carrier", _M),
    (4753, "destination-rejected-handset", "the phone refused it", _N),
    (4754, "unsupported-channel", "this phone gets no messages of this kind", _N),
    (4770, "destination-spam-detected", "the carrier took it for spam", _P),
    (4771, "rejected-shortened-url", "public short links are not allowed", _P),
    (4772, "rejected-tn-blocked", "sender or recipient is blocked", _N),
    (4773, "inactive-campaign", "the sender's 10DLC campaign is not active", _P),
    (4774, "provisioning-issue", "the sender's 10DLC registration is faulty", _P),
    (
        *(4775, "destination-rejected-due-to-user-opt-out"),
        *("this person opted out with the carrier", _S),
    ),
    (4780, "volume-violation-tmo", "over the brand's daily limit at T-Mobile", _V),
    (4781, "volume-violation-att", "faster than AT&T lets this campaign send", _V),
    (4785, "volumetric-violation", "more than the carrier takes at the moment", _V),
    (4790, "destination-rejected-sc-not-allowed", "no short codes to this number", _P),
    (
        *(4791, "destination-rejected-campaign-not-allowed"),
        *("the carrier does not allow this short-code campaign", _P),
    ),
    (
        *(4792, "destination-rejected-sc-not-provisioned"),
        *("the short code is not set up with the carrier", _P),
    ),
    (
        *(4793, "destination-rejected-sc-expired"),
        *("the short code has expired with the carrier", _P),
    ),
    (4794, "expired", "the short code's permission has expired", _P),
    (4795, "tfn-not-verified", "the sender's toll-free number is not verified", _P),
    # Faults of Bandwidth's.
    (5100, "temporary-app-error", "a passing fault at Bandwidth", _N),
    (5101, "temporary-app-shutdown", "a passing fault at Bandwidth", _N),
    (5106, "impossible-to-route", "Bandwidth found no route, and stopped trying", _N),
    (5111, "temporary-app-connection-closed", "a passing fault at Bandwidth", _N),
    (
        *(5201, "temporary-rout-error-retries-exceeded"),
        *("Bandwidth tried until its time was over", _N),
    ),
    (5211, "temporary-app-error-app-busy", "Bandwidth was too busy", _N),
    (5220, "temporary-store-error", "a passing fault at Bandwidth", _N),
    (5231, "discarded-concatenation-timeout", "parts of the message got lost", _N),
    (5500, "message-send-failed", "the carrier's service failed", _N),
    (5501, "message-send-failed", "no destination was available", _N),
    (5999, "unknown-error", "an unknown fault at Bandwidth", _N),
    # Faults of the carrier's.
    (5600, "destination-carrier-queue-full", "the carrier's queue was full", _N),
    (5610, "submit_sm-or-submit_multi-failed", "the carrier could not take it", _N),
    (5620, "destination-app-error", "a fault at the carrier", _N),
    (5630, "message-not-acknowledge", "the carrier did not answer", _N),
    (5650, "destination-failed", "the carrier could not deliver it", _N),
    # Nobody knows: never send again by itself.
    (
        *(9902, "delivery-receipt-expired"),
        *("no receipt came within two hours: it may have been delivered", _N),
    ),
    (9999, "unknown-error", "an unknown fault; it may have been delivered", _N),
)

#: 4xxx codes for which a later try may fare better: the phone was off, media were away
#: for a moment, too much at once.
_PASSING: Final = frozenset({4410, 4701, 4702, 4710, 4780, 4781, 4785})
#: Billed though it is Bandwidth that refuses them: spam.
_BILLED: Final = frozenset({4470})


def _entry(number: int, name: str, sentence: str, action: Action) -> Code:
    told = _by_range(number)
    billed = told.billed or number in _BILLED
    retry = told.retry or number in _PASSING
    return Code(number, name, sentence, action, billed, retry)


#: Every known code.
CODES: Final = MappingProxyType({row[0]: _entry(*row) for row in _TABLE})
