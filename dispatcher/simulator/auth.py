"""Who may call: Basic credentials, or a bearer token of the OAuth2 endpoint.

Never stores what a caller sent; compares and forgets.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from dispatcher.simulator.answers import json_reply

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from dispatcher.simulator.config import SimulatorConfig
    from dispatcher.simulator.exchange import Reply, Request


class Gatekeeper:
    """Knows the account, the credentials, and the tokens that it issued.

    Args:
        config: Account and credentials; those it leaves open may be any.
        clock: Gives epoch seconds.
        random: Makes tokens.
    """

    def __init__(
        self, config: SimulatorConfig, *, clock: Callable[[], float], random: Random
    ) -> None:
        self._account = config.account
        self._token_seconds = config.token_seconds
        self._clock = clock
        self._random = random
        self._tokens: dict[str, float] = {}
        self.change(config.username, config.password)

    def change(self, username: str | None, password: str | None) -> None:
        """Replace the credentials; None takes any that is not empty."""
        self._username = username
        self._password = password

    def revoke_tokens(self) -> None:
        """Let every token issued so far be refused."""
        self._tokens.clear()

    def admits(self, request: Request, account: str) -> bool:
        """Whether the request's `Authorization` is good for a call to the account."""
        if self._account not in (None, account):
            return False
        scheme, _, value = request.header(b"authorization").partition(" ")
        if scheme.lower() == "bearer":
            return self._tokens.get(value, 0.0) > self._clock()
        return scheme.lower() == "basic" and self._is_user(value)

    def issue(self, request: Request) -> Reply:
        """Answer the token endpoint (OAuth2 client credentials, RFC 6749)."""
        scheme, _, value = request.header(b"authorization").partition(" ")
        if scheme.lower() != "basic" or not self._is_user(value):
            return json_reply(401, {"error": "invalid_client"})
        form = parse_qs(request.body.decode("latin-1"))
        if form.get("grant_type") != ["client_credentials"]:
            return json_reply(400, {"error": "unsupported_grant_type"})
        return json_reply(200, self._token())

    def _token(self) -> dict[str, object]:
        token = f"{self._random.getrandbits(256):064x}"
        self._tokens[token] = self._clock() + self._token_seconds
        return {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": self._token_seconds,
        }

    def _is_user(self, encoded: str) -> bool:
        try:
            decoded = base64.b64decode(encoded, validate=True).decode()
        except (binascii.Error, ValueError):
            return False
        username, _, password = decoded.partition(":")
        return _is(username, self._username) and _is(password, self._password)


def _is(given: str, wanted: str | None) -> bool:
    if wanted is None:
        return given != ""
    return hmac.compare_digest(given.encode(), wanted.encode())
