"""Campaign: one message and the rules for sending it, checked before anything else.

It knows the limits of the provider's send call and nothing about who gets the message.
It never sends, stores or logs anything, and its repr hides sender, text and media.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from dispatcher.errors import CampaignError, InvalidInput
from dispatcher.hours import Hours
from dispatcher.media import TYPES
from dispatcher.tags import OWN_SPACE

#: Limits of the provider's send call.
MAX_RECIPIENTS: Final = 10
MAX_TEXT: Final = 2048
MAX_MEDIA: Final = 10
MAX_URL: Final = 4096
#: The rest of 1024 is our own part's.
MAX_TAG: Final = 1024 - OWN_SPACE

_URL: Final = re.compile(r"https?://[^\s/?#]+\S*|file:///\S+", re.IGNORECASE)
#: Marks errors that bring their own sentence.
_OWN: Final = "own_sentence"

#: What a fault in each field says. One rule a field, so a sentence can tell the whole
#: rule; what was passed stays out, because it may be a number or the text.
_RULES: Final = {
    "sender": "sender: write the number in E.164 form, a plus sign and then the "
    "country code and the digits, nothing else",
    "text": f"text: pass a string of at most {MAX_TEXT} characters",
    "media": f"media: pass a list of at most {MAX_MEDIA} http or https URLs or paths "
    f"of files such as poster.jpg, each of at most {MAX_URL} characters",
    "tag": f"tag: pass a string of at most {MAX_TAG} characters",
    "application_id": "application_id: pass the id of your messaging application "
    "as a string of at most 100 characters",
    "group_size": f"group_size: pass a whole number from 1 to {MAX_RECIPIENTS}",
    "pace": "pace: pass units per second as a number greater than 0, or leave it out",
    "priority": "priority: pass a whole number from -100 to 100",
    "starts_at": "starts_at: pass a datetime that has a time zone",
    "expires_at": "expires_at: pass a datetime that has a time zone",
    "quiet_hours": "quiet_hours: write two different times of day, such as "
    "20:00-09:00, or leave it out",
    "max_attempts": "max_attempts: pass a whole number from 1 to 20",
    "error_threshold": "error_threshold: pass a share greater than 0 and at most 1, "
    "or leave it out",
    "max_units": "max_units: pass a whole number of units, 1 or more, or leave it out",
}
_NO_CONTENT: Final = "text or media: write at least one of them"
_ORDER: Final = "expires_at: choose a time after starts_at"
_NOT_FIELDS: Final = "the campaign is not a set of named fields: pass each by its name"


def _blank_is_none(value: object) -> object:
    """A form field left blank means the same as one left out."""
    return None if isinstance(value, str) and not value.strip() else value


_BLANK_IS_NONE: Final = BeforeValidator(_blank_is_none)


def _hours(value: str | None) -> str | None:
    """The same hours in one spelling."""
    if value is None:
        return None
    try:
        return str(Hours.parse(value))
    except InvalidInput:
        raise PydanticCustomError("hours", "no hours") from None


def _located(place: str | Path) -> str:
    """A URL as it is; a path as a URL that does not depend on where one stands."""
    if isinstance(place, str):
        if "://" in place or not place.strip():
            return place
        place = Path(place).expanduser()
    # A URL without its scheme, or a text in the wrong field, is no file to look for.
    if place.suffix.lower() not in TYPES:
        return ""
    try:
        return place.absolute().as_uri()
    except ValueError:  # Half a character, for which there is no file.
        return ""


#: Callers may write a list; what is stored must not change.
_AS_TUPLE: Final = AfterValidator(tuple)


class Campaign(BaseModel):
    """One message and its rules; frozen, and valid once it exists.

    Attributes:
        sender: The number it comes from, E.164.
        text: What it says, at most 2048 characters. Text or media is needed.
        media: At most 10 http(s) URLs or paths of files. `submit` uploads files; until
            then they stand here as `file://` URLs. Do not pass on what strangers
            wrote: it may name a file of yours.
        tag: The user's own tag, at most 984 characters, echoed in every callback. The
            provider wants no personal data in it.
        application_id: The provider's messaging application; `None` takes the one of
            the settings.
        group_size: Recipients in one group message, 1 to 10.
        pace: Units per second at most, beside the limits of the account; `None` means
            no limit of its own.
        priority: -100 to 100; campaigns with a higher one are served first.
        starts_at: When sending may begin; `None` means at once.
        expires_at: When what has not been sent is given up; `None` means never.
        quiet_hours: When nobody is written to, by the clock of each recipient, such as
            "20:00-09:00"; `None` means never. The zone is told by the number, or by a
            column of the list. Sending ends `DISPATCHER_HOURS_MARGIN` earlier.
        max_attempts: Times one group may be tried, 1 to 20.
        error_threshold: Share of failed groups (0 to 1] that pauses the campaign;
            `None` means that no share does.
        max_units: Units that the list may cost, each group sent once; `submit` refuses
            one that costs more. `None` means any number.

    Raises:
        CampaignError: One or more fields break a rule; all faults are told.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        allow_inf_nan=False,
        validate_default=True,
    )

    # Rules stand in the annotations and defaults beside them, so that every type
    # checker knows which arguments may be left out.
    sender: Annotated[str, Field(pattern=r"^\+[1-9][0-9]{6,14}$", repr=False)]
    text: Annotated[
        str | None, Field(max_length=MAX_TEXT, repr=False), _BLANK_IS_NONE
    ] = None
    media: Annotated[
        Sequence[str | Path], Field(max_length=MAX_MEDIA, repr=False), _AS_TUPLE
    ] = ()
    tag: Annotated[str | None, Field(max_length=MAX_TAG), _BLANK_IS_NONE] = None
    application_id: Annotated[str | None, Field(max_length=100), _BLANK_IS_NONE] = None
    group_size: Annotated[int, Field(ge=1, le=MAX_RECIPIENTS)] = MAX_RECIPIENTS
    pace: Annotated[float | None, Field(gt=0)] = None
    priority: Annotated[int, Field(ge=-100, le=100)] = 0
    starts_at: AwareDatetime | None = None
    expires_at: AwareDatetime | None = None
    quiet_hours: Annotated[str | None, _BLANK_IS_NONE, AfterValidator(_hours)] = None
    max_attempts: Annotated[int, Field(ge=1, le=20)] = 5
    error_threshold: Annotated[float | None, Field(gt=0, le=1)] = None
    max_units: Annotated[int | None, Field(ge=1)] = None

    def __setattr__(self, name: str, value: object) -> None:
        # What pydantic says about a frozen field shows the value it was to get.
        raise AttributeError("a campaign is frozen: make another one")

    def content(self) -> dict[str, object]:
        """Return the fields that decide what is sent, ready for JSON.

        Two campaigns with equal content and equal lists are the same campaign; pace,
        priority and schedule may differ.
        """
        return self.model_dump(
            mode="json",
            include={
                "sender",
                "text",
                "media",
                "tag",
                "application_id",
                "group_size",
            },
        )

    def to_json(self) -> str:
        """Return the campaign as it is stored; `from_json` reads it."""
        return self.model_dump_json()

    @classmethod
    def from_json(cls, stored: str | bytes) -> Campaign:
        """Read what `to_json` wrote.

        Raises:
            CampaignError: It is not JSON, or breaks a rule.
        """
        try:
            return cls.model_validate_json(stored)
        except ValidationError:
            raise CampaignError(["the stored campaign is not JSON"]) from None

    @field_validator("media")
    @classmethod
    def _can_be_fetched(cls, media: tuple[str | Path, ...]) -> tuple[str, ...]:
        urls = tuple(map(_located, media))
        if not all(len(url) <= MAX_URL and _URL.fullmatch(url) for url in urls):
            raise PydanticCustomError("url", "neither an http URL nor a path")
        return urls

    @field_validator("media")
    @classmethod
    def _has_content(
        cls, media: tuple[str, ...], info: ValidationInfo
    ) -> tuple[str, ...]:
        """A field's check, not the model's, so that it is told beside other faults."""
        if not media and info.data.get("text", "bad, and told already") is None:
            raise PydanticCustomError(_OWN, _NO_CONTENT)
        return media

    @field_validator("expires_at")
    @classmethod
    def _ends_after_start(
        cls, expires_at: AwareDatetime | None, info: ValidationInfo
    ) -> AwareDatetime | None:
        starts_at = info.data.get("starts_at")
        if starts_at and expires_at and expires_at <= starts_at:
            raise PydanticCustomError(_OWN, _ORDER)
        return expires_at

    @model_validator(mode="wrap")
    @classmethod
    def _tell_all_faults(
        cls, data: object, build: ModelWrapValidatorHandler[Self]
    ) -> Self:
        try:
            return build(data)
        except ValidationError as error:
            raise CampaignError(_faults(error)) from None


def _faults(error: ValidationError) -> list[str]:
    """One sentence a fault, in the order of the fields, none twice."""
    details = error.errors(include_input=False, include_url=False)
    return list(dict.fromkeys(map(_sentence, details)))


def _sentence(fault: ErrorDetails) -> str:
    if fault["type"] == _OWN:
        return fault["msg"]
    if not fault["loc"]:
        return _NOT_FIELDS
    name = str(fault["loc"][0])
    return _RULES.get(name, f"{name}: there is no such field, leave it out")
