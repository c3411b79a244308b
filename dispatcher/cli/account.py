"""What a command asks about the provider's account, without sending anything."""

from __future__ import annotations

from dispatcher.errors import ConfigError
from dispatcher.settings import Settings


def lacking(settings: Settings) -> str:
    """Which of the account's credentials are not set, in words; empty if none."""
    # The worker decides what it needs; nobody else imports it to know that.
    from workers.credentials import Credentials  # noqa: PLC0415

    try:
        Credentials.from_settings(settings)
    except ConfigError as error:
        return str(error)
    return ""
