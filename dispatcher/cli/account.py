"""What a command asks about the provider's account, without sending anything."""

from __future__ import annotations

from collections.abc import Generator
from typing import Final, NamedTuple
from urllib.parse import quote

import httpx

from dispatcher.errors import ConfigError
from dispatcher.settings import Settings

#: Seconds for one call.
_PATIENCE_S: Final = 15.0


def lacking(settings: Settings) -> str:
    """Which of the account's credentials are not set, in words; empty if none."""
    # The worker decides what it needs; nobody else imports it to know that.
    from workers.credentials import Credentials  # noqa: PLC0415

    try:
        Credentials.from_settings(settings)
    except ConfigError as error:
        return str(error)
    return ""


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
    try:
        with httpx.Client(transport=transport, timeout=_PATIENCE_S) as client:
            if settings.client_id and settings.client_secret:
                return _ask_by_token(client, settings)
            assert settings.username
            assert settings.password
            password = settings.password.get_secret_value()
            return _search(
                client, settings, httpx.BasicAuth(settings.username, password)
            )
    except (httpx.HTTPError, httpx.InvalidURL):
        return Answer(None)


def _ask_by_token(client: httpx.Client, settings: Settings) -> Answer:
    assert settings.client_id
    assert settings.client_secret
    secret = settings.client_secret.get_secret_value()
    try:
        granted = client.post(
            settings.token_url,
            auth=httpx.BasicAuth(settings.client_id, secret),
            data={"grant_type": "client_credentials"},
        )
    except httpx.HTTPError:
        return Answer(None, "token")
    if granted.status_code != httpx.codes.OK:
        # OAuth2 says 400 for a client that it does not know.
        bad = granted.status_code == httpx.codes.BAD_REQUEST
        return Answer(httpx.codes.UNAUTHORIZED if bad else granted.status_code, "token")
    return _search(client, settings, _Bearer(granted))


class _Bearer(httpx.Auth):
    def __init__(self, granted: httpx.Response) -> None:
        try:
            self._token = str(granted.json()["access_token"])
        except (ValueError, KeyError, TypeError):
            self._token = ""

    def auth_flow(
        self, request: httpx.Request
    ) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = f"Bearer {self._token}"
        yield request


def _search(client: httpx.Client, settings: Settings, auth: httpx.Auth) -> Answer:
    account = quote(settings.account_id or "", safe="")
    url = f"{settings.base_url.rstrip('/')}/users/{account}/messages"
    harmless = {"messageDirection": "OUTBOUND", "limit": "1"}
    return Answer(client.get(url, params=harmless, auth=auth).status_code)
