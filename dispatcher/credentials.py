"""What the provider account is opened with, as the settings say.

It asks nobody and stores nothing; no repr and no error shows a secret.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dispatcher.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dispatcher.settings import Settings


@dataclass(frozen=True, slots=True)
class Credentials:
    """One account and the way into it.

    Attributes:
        account_id: The account.
        user: User name, or client id for OAuth2.
        secret: Its password, or client secret.
        token_url: The OAuth2 token endpoint; None means Basic.
    """

    account_id: str
    user: str = field(repr=False)
    secret: str = field(repr=False)
    token_url: str | None = None

    @property
    def basic(self) -> bytes:
        """Value of an `Authorization` header: of the user, or of the OAuth2 client."""
        return b"Basic " + base64.b64encode(f"{self.user}:{self.secret}".encode())

    @classmethod
    def from_settings(cls, settings: Settings) -> Credentials:
        """OAuth2 if client id and secret are set, else Basic.

        Raises:
            ConfigError: Something is not set; names all that is missing.
        """
        missing = list(_missing(settings))
        if missing:
            raise ConfigError(f"not set: {', '.join(missing)}")
        account = settings.account_id or ""
        if settings.client_id and settings.client_secret:
            secret = settings.client_secret.get_secret_value()
            return cls(account, settings.client_id, secret, settings.token_url)
        assert settings.username
        assert settings.password
        return cls(account, settings.username, settings.password.get_secret_value())


def _missing(settings: Settings) -> Iterator[str]:
    if not settings.account_id:
        yield "BW_ACCOUNT_ID"
    client = {
        "BW_CLIENT_ID": settings.client_id,
        "BW_CLIENT_SECRET": settings.client_secret,
    }
    user = {"BW_USERNAME": settings.username, "BW_PASSWORD": settings.password}
    if all(client.values()) or all(user.values()):
        return
    begun = client if any(client.values()) and not any(user.values()) else user
    yield from (name for name, value in begun.items() if not value)
