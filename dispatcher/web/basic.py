"""Basic authentication: whether somebody who asks may come in, and what else to say."""

from __future__ import annotations

import base64
import hmac
from typing import Final

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from dispatcher.doors import Pass

#: Asks for user name and password.
CHALLENGE: Final = 'Basic realm="dispatcher", charset="UTF-8"'
WHO: Final = b"user name and password, please\n"


class Basic:
    """What opens the door.

    Args:
        asked: User name and password.
    """

    def __init__(self, asked: Pass) -> None:
        password = asked.password.get_secret_value()
        pair = f"{asked.username}:{password}".encode()
        self._credentials = base64.b64encode(pair)

    def opens(self, given: bytes) -> bool:
        """Whether an Authorization header does; in the same time whatever it holds."""
        scheme, _, token = given.partition(b" ")
        return scheme.lower() == b"basic" and hmac.compare_digest(
            token.strip(), self._credentials
        )


class Guarded:
    """An ASGI application behind the door.

    Args:
        app: What is behind it.
        basic: What opens it; None: it stands open.
    """

    def __init__(self, app: ASGIApp, basic: Basic | None) -> None:
        self._app = app
        self._basic = basic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        given = dict(scope["headers"]).get(b"authorization", b"")
        if self._basic is None or self._basic.opens(given):
            await self._app(scope, receive, send)
            return
        who = PlainTextResponse(WHO, 401, {"WWW-Authenticate": CHALLENGE})
        await who(scope, receive, send)
