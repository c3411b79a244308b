"""What several commands take: their arguments, and how written ones are read."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, TypeAlias, TypeVar, get_type_hints

import typer

from dispatcher.client import Dispatcher
from dispatcher.errors import InvalidInput
from dispatcher.run import Run

T = TypeVar("T")


def option(words: str, text: str, **more: Any) -> Any:  # noqa: ANN401 - as typer's own
    """A typer option, written as people write it.

    Args:
        words: The option and, unless it is a switch, what it takes: `--id ID`.
        text: Its help.
        **more: Passed on.
    """
    name, _, metavar = words.partition(" ")
    return typer.Option(name, metavar=metavar or None, help=text, **more)


CampaignId: TypeAlias = Annotated[
    str, typer.Argument(metavar="ID", show_default=False, help="The campaign's id.")
]
AsJson: TypeAlias = Annotated[bool, option("--json", "Answer in JSON, for programs.")]


@contextmanager
def campaign(id_: str) -> Iterator[Run]:
    """The campaign of that id, for as long as the block lasts."""
    with Dispatcher() as dispatcher:
        yield dispatcher.campaign(id_)


def parse_time(text: str | None, option: str) -> datetime | None:
    """Read a written time; without an offset it is local time.

    Raises:
        InvalidInput: It is not ISO 8601.
    """
    if text is None:
        return None
    try:
        # Out of range comes as OverflowError: year 1 has no offset everywhere.
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise InvalidInput(
            f"{option}: write a time such as 2026-12-01T18:00 (local time) "
            "or 2026-12-01T18:00-05:00"
        ) from None


#: A written age, and what its letter stands for.
_AGE: Final = re.compile(r"([0-9]{1,5})([hdw])", re.ASCII)
_UNITS: Final = {"h": "hours", "d": "days", "w": "weeks"}


def parse_age(text: str, option: str) -> timedelta:
    """Read a written age, such as 30d, 12h or 4w.

    Raises:
        InvalidInput: It is none.
    """
    match = _AGE.fullmatch(text.strip())
    if match is None:
        raise InvalidInput(f"{option}: write an age such as 30d, 12h or 4w")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def taking(fields: type[T]) -> Callable[[Callable[[T], None]], Callable[..., None]]:
    """Give a command a dataclass's fields as its options.

    So a command with many options stays a short function of one argument. Each field
    is annotated as a parameter of a typer command is.
    """

    def decorate(command: Callable[[T], None]) -> Callable[..., None]:
        @functools.wraps(command)
        def call(**given: Any) -> None:  # noqa: ANN401 - typer has checked them
            command(fields(**given))

        call.__signature__ = inspect.signature(fields, eval_str=True)  # type: ignore[attr-defined]
        call.__annotations__ = get_type_hints(fields, include_extras=True)
        return call

    return decorate
