"""How pages look and what they are wrapped in: templates, headers, faults.

Every value is escaped by the templates, and the headers forbid whatever is not ours:
no script in a page, no frame around it, nothing from elsewhere.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import structlog
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dispatcher.errors import (
    CampaignArchived,
    InvalidInput,
    LedgerError,
    LedgerUnreachable,
    Refused,
    UnknownCampaign,
)
from dispatcher.web.plot import HEIGHT, WIDTH

log = structlog.get_logger(__name__)

#: Seconds after which it may be worth to look again at a Redis that was away.
_AGAIN_S: Final = 5
_HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    # Not "no-referrer": forms would then hide where they come from.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    # Asked for again each time; what has not changed is not sent.
    "cache-control": "no-cache",
}


class Covered:
    """An application whose answers have the headers above."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""

        async def covered(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, covered)


class Paper:
    """Fills templates in.

    Args:
        flower: Address of Flower; None: it is not linked to.
    """

    def __init__(self, flower: str | None) -> None:
        self._templates = Environment(
            loader=PackageLoader(__package__),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters["moment"] = _moment
        self._templates.globals |= {
            "flower": flower,
            "width": WIDTH,
            "height": HEIGHT,
        }

    def text(self, template: str, **values: object) -> str:
        """A filled-in template."""
        return self._templates.get_template(template).render(values)

    def page(self, template: str, status: int = 200, **values: object) -> Response:
        """The same, as an answer."""
        headers = {"cache-control": "no-store"}
        return HTMLResponse(self.text(template, **values), status, headers)

    # -- what went wrong, by kind of error ---------------------------------

    def faults(self) -> dict[Any, Any]:
        """The pages for errors, as Starlette wants them."""
        return {
            HTTPException: self._http,
            CampaignArchived: self._archived,
            UnknownCampaign: self._unknown,
            InvalidInput: self._invalid,
            Refused: self._refused,
            LedgerError: self._away,
            Exception: self._broken,
        }

    async def _http(self, _: Request, error: HTTPException) -> Response:
        title = {404: "There is no such page", 405: "Not possible here"}
        text = "Look for it in the list." if error.status_code in title else ""
        return self._fault(
            error.status_code,
            title.get(error.status_code, "Not done"),
            text or error.detail,
        )

    async def _unknown(self, _: Request, error: Exception) -> Response:
        return self._fault(404, "There is no such campaign", str(error))

    async def _archived(self, _: Request, error: Exception) -> Response:
        return self._fault(410, "This campaign is archived", str(error))

    async def _invalid(self, _: Request, error: Exception) -> Response:
        return self._fault(400, "Not done", str(error))

    async def _refused(self, _: Request, error: Exception) -> Response:
        return self._fault(409, "Not done", str(error))

    async def _away(self, _: Request, error: Exception) -> Response:
        text = "Nothing is lost by that. Load this page again in a few seconds."
        away = isinstance(error, LedgerUnreachable)
        title = "Redis does not answer" if away else "Redis cannot serve"
        response = self._fault(503, title, text)
        response.headers["retry-after"] = str(_AGAIN_S)
        return response

    async def _broken(self, request: Request, error: Exception) -> Response:
        # Starlette raises it again, and the server logs where it happened.
        log.error("page.failed", fault=type(error).__name__, method=request.method)
        return self._fault(500, "This page has a fault", "The server's log says more.")

    def _fault(self, status: int, title: str, text: str) -> Response:
        return self.page("fault.html", status, title=title, text=text)


def _moment(at: datetime | None, form: str = "%Y-%m-%d %H:%M:%S UTC") -> str:
    return f"{at:{form}}" if at else ""
