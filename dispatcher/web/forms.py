"""Forms that change something: read within bounds, and only from our own pages.

A browser sends its user's credentials along with a form that another site made up. So
an order must come from our own page, as browsers say and as a token proves that only
our pages hold. No cookie is involved, and nothing is stored.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request

from dispatcher.doors import Pass

#: Name of the field that holds the token.
TOKEN: Final = "token"  # noqa: S105 - a name
#: Bytes of a form: a message id and a token, and room.
_LONGEST: Final = 4096
_MOST_FIELDS: Final = 10


class Forms:
    """Makes tokens, and takes forms that have them.

    Args:
        asked: What opens the pages: all processes that serve the same pages then know
            the same tokens. None: this process's own.
    """

    def __init__(self, asked: Pass | None) -> None:
        secret = asked.password.get_secret_value() if asked else secrets.token_hex()
        self._key = hashlib.sha256(f"forms:{secret}".encode()).digest()

    def token(self, path: str) -> str:
        """What a form must hold to be taken at that path."""
        return hmac.new(self._key, path.encode(), "sha256").hexdigest()

    async def read(self, request: Request) -> dict[str, str]:
        """The fields of a form.

        Raises:
            HTTPException: It is not from a page of ours, or is none.
        """
        if not _is_from_here(request):
            raise HTTPException(403, "this order came from another site")
        fields = _parse(await _body(request))
        expected = self.token(request.url.path).encode()
        given = fields.get(TOKEN, "").encode()
        if not hmac.compare_digest(given, expected):
            raise HTTPException(403, "this form is out of date: load the page again")
        return fields


def _is_from_here(request: Request) -> bool:
    """What the browser says of the page that sent it; old ones may say nothing."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("origin")
    # Behind a proxy the scheme may be another; the host must be the same.
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")


async def _body(request: Request) -> bytes:
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > _LONGEST:
            raise HTTPException(413, "this form is too long")
    return body


def _parse(body: bytes) -> dict[str, str]:
    try:
        return dict(parse_qsl(body.decode(), True, max_num_fields=_MOST_FIELDS))
    except ValueError:
        raise HTTPException(400, "this is no form of ours") from None


def number(request: Request, name: str) -> int:
    """A number in the query, 0 if there is none.

    Raises:
        HTTPException: It is no number.
    """
    text = request.query_params.get(name, "0")
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise HTTPException(404)
    return int(text)
