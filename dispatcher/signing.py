"""How a blocking call to the provider says who makes it: Basic, or an OAuth2 token.

For the few calls that commands and `submit` make. Workers have their own, which shares
a token among many requests.
"""

from __future__ import annotations

from collections.abc import Generator

import httpx

from dispatcher.credentials import Credentials


class TokenRefused(Exception):
    """There is no token.

    Attributes:
        status: What the token endpoint answered.
    """

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class _ClientToken(httpx.Auth):
    """Asks for a token before the first request and shows it with every one."""

    requires_response_body = True

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._token: str | None = None

    def auth_flow(
        self, request: httpx.Request
    ) -> Generator[httpx.Request, httpx.Response, None]:
        if self._token is None:
            self._token = _token((yield self._question()))
        request.headers["Authorization"] = f"Bearer {self._token}"
        yield request

    def _question(self) -> httpx.Request:
        return httpx.Request(
            "POST",
            self._credentials.token_url or "",
            headers={"Authorization": self._credentials.basic.decode()},
            data={"grant_type": "client_credentials"},
        )


def _token(granted: httpx.Response) -> str:
    if granted.status_code != httpx.codes.OK:
        raise TokenRefused(granted.status_code)
    try:
        return str(granted.json()["access_token"])
    except (ValueError, KeyError, TypeError):
        return ""


def signing(credentials: Credentials) -> httpx.Auth:
    """What an `httpx.Client` takes as its `auth`."""
    if credentials.token_url is None:
        return httpx.BasicAuth(credentials.user, credentials.secret)
    return _ClientToken(credentials)
