"""The settings: one frozen object, read once from the environment.

Nothing else in the project reads the environment. Secrets are `SecretStr`, so
that a repr, a log line or a traceback shows asterisks. What the environment does not
say may stand in a file of the variable's name, in the directory of container secrets.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal

import pydantic
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    SettingsConfigDict,
    SettingsError,
)

from dispatcher.codes import TAKEN, Action
from dispatcher.errors import ConfigError
from dispatcher.ledger.calls import Rates

#: Where container engines put secrets, each in a file.
SECRETS: Final = Path("/run/secrets")


def _rate(value: object) -> object:
    """`none` (any case) switches a limit off."""
    if isinstance(value, str) and value.strip().lower() == "none":
        return None
    return value


Rate = Annotated[float | None, Field(gt=0), BeforeValidator(_rate)]

#: A cap below what one group can cost would stop that group for ever: the longest text
#: to one person is 62 SMS.
Daily = Annotated[int | None, Field(ge=100), BeforeValidator(_rate)]


def _actions(value: object) -> object:
    """A comma list; `none` (any case) switches all off."""
    if not isinstance(value, str):
        return value
    words = {word.strip().lower() for word in value.split(",")}
    return set() if words == {"none"} else words


def _can_be_taken(actions: frozenset[Action]) -> frozenset[Action]:
    if not actions <= TAKEN:
        raise ValueError("name suppress, pause and slow, or none")
    return actions


CodeActions = Annotated[
    frozenset[Action],
    NoDecode,
    BeforeValidator(_actions),
    AfterValidator(_can_be_taken),
]


class Settings(BaseSettings):
    """Everything that the environment decides; see the README's table.

    Rates are in units per second (a unit is one recipient of a group message).
    """

    model_config = SettingsConfigDict(
        # Only the aliases count: by field name, $USERNAME would be the account's.
        frozen=True,
        extra="ignore",
        populate_by_name=False,
        env_ignore_empty=True,
    )

    # `default=`, not a positional one: so type checkers that know nothing of pydantic
    # see that every setting may be left out.
    redis_url: str | None = Field(
        default=None, alias="DISPATCHER_REDIS_URL", repr=False
    )
    ledger_url: str | None = Field(
        default=None, alias="DISPATCHER_LEDGER_URL", repr=False
    )
    #: Use a Redis that may evict or keeps nothing; it is warned of at each start.
    allow_unsafe_redis: bool = Field(
        default=False, alias="DISPATCHER_ALLOW_UNSAFE_REDIS"
    )
    data_dir: Path = Field(
        default=Path("~/.local/share/dispatcher"), alias="DISPATCHER_DATA_DIR"
    )

    account_id: str | None = Field(default=None, alias="BW_ACCOUNT_ID")
    username: str | None = Field(default=None, alias="BW_USERNAME")
    password: SecretStr | None = Field(default=None, alias="BW_PASSWORD")
    client_id: str | None = Field(default=None, alias="BW_CLIENT_ID")
    client_secret: SecretStr | None = Field(default=None, alias="BW_CLIENT_SECRET")
    application_id: str | None = Field(default=None, alias="BW_APPLICATION_ID")
    number: str | None = Field(default=None, alias="BW_NUMBER", repr=False)
    base_url: str = Field(
        default="https://messaging.bandwidth.com/api/v2",
        alias="BW_BASE_URL",
        pattern=r"^https?://",
    )
    token_url: str = Field(
        default="https://api.bandwidth.com/api/v1/oauth2/token",
        alias="BW_TOKEN_URL",
        pattern=r"^https?://",
    )

    #: The provider's default for a new account is one message a second.
    account_rate: Rate = Field(default=1.0, alias="DISPATCHER_ACCOUNT_RATE")
    sender_rate: Rate = Field(default=None, alias="DISPATCHER_SENDER_RATE")
    #: Units that the account sends from one midnight UTC to the next, at most.
    daily_units: Daily = Field(default=None, alias="DISPATCHER_DAILY_UNITS")
    #: HTTP requests in flight at once in one worker child.
    slots: int = Field(default=64, alias="DISPATCHER_SLOTS", ge=1, le=1000)
    #: Seconds one HTTP exchange may take in all. More would not end within a stop.
    http_deadline: float = Field(
        default=15.0, alias="DISPATCHER_HTTP_DEADLINE", gt=0, le=15
    )
    #: Seconds an unknown group waits for proof before the policy decides.
    unknown_grace: float = Field(default=300.0, alias="DISPATCHER_UNKNOWN_GRACE", ge=0)
    unknown_policy: Literal["hold", "resend"] = Field(
        default="hold", alias="DISPATCHER_UNKNOWN_POLICY"
    )

    #: Seconds after a send until a recipient without a final callback is unconfirmed.
    #: The provider itself stops waiting for a receipt after two hours.
    unconfirmed_after: float = Field(
        default=10_800.0, alias="DISPATCHER_UNCONFIRMED_AFTER", gt=0
    )
    #: What is done by itself because of a delivery code.
    code_actions: CodeActions = Field(default=TAKEN, alias="DISPATCHER_CODE_ACTIONS")

    #: Seconds before quiet hours begin from which on nothing more is sent: the provider
    #: may keep a message in its queue for a quarter of an hour.
    hours_margin: float = Field(
        default=900.0, alias="DISPATCHER_HOURS_MARGIN", ge=0, le=21600
    )

    #: Who may look at Flower; both or neither.
    flower_username: str | None = Field(
        default=None, alias="DISPATCHER_FLOWER_USERNAME"
    )
    flower_password: SecretStr | None = Field(
        default=None, alias="DISPATCHER_FLOWER_PASSWORD"
    )

    #: Whom the callback receiver lets in; both or neither.
    callback_username: str | None = Field(
        default=None, alias="DISPATCHER_CALLBACK_USERNAME", repr=False
    )
    callback_password: SecretStr | None = Field(
        default=None, alias="DISPATCHER_CALLBACK_PASSWORD"
    )

    #: Who may see campaigns in a browser, and steer them; both or neither.
    pages_username: str | None = Field(
        default=None, alias="DISPATCHER_PAGES_USERNAME", repr=False
    )
    pages_password: SecretStr | None = Field(
        default=None, alias="DISPATCHER_PAGES_PASSWORD"
    )
    #: Where people find Flower; linked to from the pages.
    flower_url: str | None = Field(
        default=None, alias="DISPATCHER_FLOWER_URL", pattern=r"^https?://"
    )

    log_format: Literal["console", "json", "auto"] = Field(
        default="auto", alias="DISPATCHER_LOG_FORMAT"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", alias="DISPATCHER_LOG_LEVEL"
    )

    @property
    def data_path(self) -> Path:
        """The data directory with `~` expanded."""
        return self.data_dir.expanduser()

    @property
    def rates(self) -> Rates:
        """What may be sent, as the ledger's scripts are told."""
        return Rates(self.account_rate, self.sender_rate, self.daily_units)

    @classmethod
    def load(cls, **overrides: object) -> Settings:
        """Read the environment, then the secrets.

        Args:
            **overrides: Field names and values that win over the environment.

        Raises:
            ConfigError: One line that names every bad setting, without values.
        """
        aliased = {cls.model_fields[n].alias: v for n, v in overrides.items()}
        # A directory that is named and missing would be warned of.
        secrets = SECRETS if SECRETS.is_dir() else None
        try:
            return cls(_secrets_dir=secrets, **aliased)  # type: ignore[arg-type]
        except pydantic.ValidationError as error:
            raise ConfigError(_all_faults(error)) from None
        except (OSError, SettingsError) as error:
            raise ConfigError(
                f"a file in {SECRETS} cannot be read ({type(error).__name__})"
            ) from None


def _all_faults(error: pydantic.ValidationError) -> str:
    """One line for all faults. Values stay out: one may be a password."""
    faults = (
        f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}"
        for fault in error.errors(include_input=False, include_url=False)
    )
    return "; ".join(sorted(faults))
