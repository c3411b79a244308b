"""What `dispatcher doctor` finds: facts in, findings out. No I/O, nothing private."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Final, Literal

from dispatcher import words
from dispatcher.cli.up_note import Note
from dispatcher.pauses import what_to_do
from dispatcher.results import Progress
from dispatcher.settings import Settings
from dispatcher.words import count

Level = Literal["ok", "warning", "fault"]

#: More wake-ups than any number of workers has waiting.
_PILE: Final = 1000
#: More callbacks than a receiver that keeps up has waiting.
_BACKLOG: Final = 10_000
#: Campaigns named one by one.
_NAMED: Final = 10


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at.

    Attributes:
        check: What was looked at.
        found: What is so.
        advice: What to do; empty if nothing is to be done.
    """

    level: Level
    check: str
    found: str
    advice: str = ""

    def as_row(self) -> dict[str, str]:
        """The form of `doctor --json`."""
        return asdict(self)


# -- this machine --------------------------------------------------------------


def bad_settings(line: str) -> Iterator[Finding]:
    """The faults that settings told in one line."""
    for fault in line.split("; "):
        yield Finding("fault", "settings", fault, "correct it in the environment")


def rates(settings: Settings, *, running: Note | None = None) -> Finding:
    """The permitted rate: of the `dispatcher up` that runs, else of the settings."""
    if running and running.account_rate:
        return Finding(
            "ok",
            "rate",
            f"{words.rate(running.account_rate)}, as `dispatcher up` has it",
        )
    rate = settings.account_rate
    if rate is None:
        advice = "set DISPATCHER_ACCOUNT_RATE, or the provider refuses what is too fast"
        return Finding("warning", "rate", "not limited", advice)
    told = f"{words.rate(rate)} for the account"
    if settings.sender_rate:
        told += f", {settings.sender_rate:,g} for each sender"
    if "account_rate" in settings.model_fields_set:
        return Finding("ok", "rate", told)
    advice = "set DISPATCHER_ACCOUNT_RATE to the rate that your account was granted"
    return Finding("warning", "rate", f"{told}, the default", advice)


def application(settings: Settings) -> Iterator[Finding]:
    """The application that messages are sent by."""
    if not settings.application_id:
        advice = "set BW_APPLICATION_ID, or pass --application to each submit"
        yield Finding("warning", "application", "none is set", advice)


# -- the provider --------------------------------------------------------------


def provider(status: int | None, step: str = "search") -> Finding:
    """What the answer to a harmless question means.

    Args:
        status: Of HTTP; None: there was no answer.
        step: "search", or "token" for the OAuth2 endpoint.
    """
    check, where = "provider", "BW_TOKEN_URL" if step == "token" else "BW_BASE_URL"
    match status:
        case 200:
            return Finding("ok", check, "it takes the credentials")
        case None:
            advice = f"look at the network, and at {where}"
            return Finding("fault", check, "it cannot be reached", advice)
        case 401 | 403:
            advice = "correct user name and password, or client id and secret"
            return Finding("fault", check, f"it refuses them ({status})", advice)
        case 404:
            advice = f"correct BW_ACCOUNT_ID or {where}"
            found = "it does not know this account or address (404)"
            return Finding("fault", check, found, advice)
    found = f"its answer says nothing about the credentials ({status})"
    return Finding("warning", check, found, "ask again later")


# -- workers and campaigns -----------------------------------------------------


def workers(children: int, ready: int) -> Finding:
    """Whether somebody sends."""
    if children:
        return Finding("ok", "workers", f"{children} sending processes")
    advice = "start one: dispatcher worker"
    if ready:
        found = f"none runs, and {count(ready, 'campaign')} could be sent"
        return Finding("fault", "workers", found, advice)
    return Finding("warning", "workers", "none runs", advice)


def queue(wake_ups: int) -> Finding:
    """Whether workers take what they are called by."""
    found = f"{count(wake_ups, 'wake-up')} waiting"
    if wake_ups < _PILE:
        return Finding("ok", "queue", found)
    advice = "see whether the workers use this Redis as their broker, too"
    return Finding("warning", "queue", found, advice)


def callbacks(waiting: int, *, receiving: bool) -> Finding:
    """Whether what the provider tells is heard.

    Args:
        waiting: Callbacks that are stored and not yet applied.
        receiving: Whether a receiver runs that applies them.
    """
    found = f"{count(waiting, 'callback')} waiting"
    if receiving and waiting < _BACKLOG:
        return Finding("ok", "callbacks", found)
    if receiving:
        return Finding("warning", "callbacks", found, "look at the receiver's log")
    advice = "start one: dispatcher serve"
    if waiting:
        return Finding("fault", "callbacks", f"no receiver runs, {found}", advice)
    found = "no receiver runs: who got a message, and who wrote STOP, is not heard"
    return Finding("warning", "callbacks", found, advice)


def half_archived(ids: Sequence[str]) -> Iterator[Finding]:
    """Campaigns that were exported, and whose removal was cut off."""
    if ids:
        found = f"{count(len(ids), 'campaign')} exported and not wholly removed"
        advice = f"finish it: dispatcher archive {ids[0]}"
        yield Finding("warning", "archive", found, advice)


def campaigns(rows: Iterable[Progress]) -> Iterator[Finding]:
    """Campaigns that wait for a person, and how many there are in all."""
    number = 0
    found: list[Finding] = []
    for number, row in enumerate(rows, 1):  # noqa: B007 - counted to the end
        found += _campaign(row)
    yield Finding("ok", "campaigns", count(number, "campaign"))
    yield from found[:_NAMED]
    if (more := len(found) - _NAMED) > 0:
        advice = "see all of them: dispatcher status"
        yield Finding("warning", "campaigns", f"and {more} more like these", advice)


def _campaign(row: Progress) -> Iterator[Finding]:
    check = f"campaign {row.id}"
    if row.state == "paused":
        advice = what_to_do(row.reason) or "resume it when you like"
        advice += f": dispatcher resume {row.id}"
        yield Finding("warning", check, f"paused ({row.reason})", advice)
    if held := row.counts["held"]:
        found = f"{count(held, 'group')} held: may have been taken by the provider"
        advice = (
            f"look them up (dispatcher results {row.id} --state held), then say "
            f"what you found: dispatcher resolve {row.id} GROUP"
        )
        yield Finding("warning", check, found, advice)
    if unknown := row.counts["unknown"]:
        found = f"{count(unknown, 'group')} unknown: the answer got lost"
        advice = "wait: they become held after their grace time if nobody finds out"
        yield Finding("warning", check, found, advice)
