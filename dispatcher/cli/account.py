"""What a command asks about the provider's account, without sending anything."""

from __future__ import annotations

from typing import Final, NamedTuple
from urllib.parse import quote

import httpx

from dispatcher.cli.up_note import running
from dispatcher.cli.up_system import simulated
from dispatcher.credentials import Credentials
from dispatcher.errors import ConfigError
from dispatcher.settings import Settings
from dispatcher.signing import TokenRefused, signing

#: Seconds for one call.
_PATIENCE_S: Final = 15.0


def lacking(settings: Settings) -> str:
    """Which of the account's credentials are not set, in words; empty if none."""
    try:
        Credentials.from_settings(settings)
    except ConfigError as error:
        return str(error)
    return ""


def at_provider() -> Settings:
    """The settings for calls to the provider: while `up` simulates one, its."""
    settings = Settings.load()
    note = running(settings)
    if note is None or not note.simulator:
        return settings
    names = {field.alias: name for name, field in Settings.model_fields.items()}
    given = simulated(note.simulator)
    return Settings.load(**{names[alias]: value for alias, value in given.items()})


class Answer(NamedTuple):
    """How the provider answered.

    Attributes:
        status: Of HTTP; None if there was no answer.
        step: Which call it was: "search", or "token" if that one failed.
    """

    status: int | None
    step: str = "search"


def ask(settings: Settings, transport: httpx.BaseTransport | None = None) -> Answer:
    """Ask the provider for one message of long ago: it costs and sends nothing.

    Args:
        settings: With account and credentials.
        transport: For tests.
    """
    credentials = Credentials.from_settings(settings)
    account = quote(credentials.account_id, safe="")
    url = f"{settings.base_url.rstrip('/')}/users/{account}/messages"
    harmless = {"messageDirection": "OUTBOUND", "limit": "1"}
    try:
        with httpx.Client(
            transport=transport, timeout=_PATIENCE_S, auth=signing(credentials)
        ) as client:
            return Answer(client.get(url, params=harmless).status_code)
    except TokenRefused as refused:
        # OAuth2 says 400 for a client that it does not know.
        bad = refused.status == httpx.codes.BAD_REQUEST
        return Answer(httpx.codes.UNAUTHORIZED if bad else refused.status, "token")
    except httpx.RequestError as error:
        asked_token = str(error.request.url) == credentials.token_url
        return Answer(None, "token" if asked_token else "search")
    except (httpx.HTTPError, httpx.InvalidURL):
        return Answer(None)
