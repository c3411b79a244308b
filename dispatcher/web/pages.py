"""The campaign pages: which address shows what, and who may see it.

Thin: `desk.py` reads, `views.py` puts into words, the templates show it. What changes
something is in `orders.py`, what moves by itself in `live.py`.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Final

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from dispatcher.doors import Pass, is_plain, wanted
from dispatcher.settings import Settings
from dispatcher.web import desk as at
from dispatcher.web import views
from dispatcher.web.basic import Basic, Guarded
from dispatcher.web.desk import Desk
from dispatcher.web.forms import Forms, number
from dispatcher.web.live import Live
from dispatcher.web.notices import notice
from dispatcher.web.orders import Orders
from dispatcher.web.paper import Covered, Paper

#: What the addresses of one campaign begin with.
CAMPAIGN: Final = "/campaigns/{id}"
_CLOSED: Final = (
    "the campaign pages are closed: set DISPATCHER_PAGES_USERNAME and "
    "DISPATCHER_PAGES_PASSWORD\n"
)
_PORT: Final = re.compile(r":\d*$")


class Pages:
    """Answers everything that a person looks at.

    The provider's user name and password do not open them. Where callbacks come
    unasked, only this machine may come, and so it is with the pages.

    Args:
        settings: Where the ledger is, who may come in, which address Flower has.
        callbacks: What callbacks are asked for.

    Attributes:
        is_open: Whether anybody may come in at all.
        route: Where they are in the site.

    Raises:
        ConfigError: Only one of user name and password is set.
    """

    def __init__(self, settings: Settings, *, callbacks: Pass | None) -> None:
        asked = wanted(settings, "pages")
        self.is_open = asked is not None or callbacks is None
        self._callbacks = callbacks is not None
        self._desk = Desk(settings)
        self._paper = Paper(settings.flower_url)
        self._live = Live(self._list_parts, self._campaign_parts)
        app = Covered(self._app(asked)) if self.is_open else closed
        self.route = Mount("/", app)

    def stop(self) -> None:
        """End what would not end by itself, when the server is to."""
        self._live.stop()

    async def keep(self) -> None:
        """Until cancelled; then give everything back."""
        await self._desk.keep()

    def close(self) -> None:
        """Give everything back at once, for whoever does not `keep` them."""
        self._desk.close()

    def _app(self, asked: Pass | None) -> ASGIApp:
        orders = Orders(self._desk, self._paper, Forms(asked))
        guarded = Middleware(Guarded, Basic(asked)) if asked else Middleware(Nearby)
        return Starlette(
            routes=[
                Route("/", self._list),
                Route("/events", self._live.campaigns),
                Route("/campaigns", _to_the_list),
                Route(CAMPAIGN, self._campaign),
                Route(f"{CAMPAIGN}/events", self._live.campaign),
                *orders.routes(CAMPAIGN),
                Mount("/static", StaticFiles(packages=[(__package__, "static")])),
            ],
            middleware=[guarded],
            exception_handlers=self._paper.faults(),
        )

    # -- the list ----------------------------------------------------------

    async def _list(self, request: Request) -> Response:
        page = number(request, "page")
        items, more = await self._items(page)
        return self._paper.page("list.html", items=items, page=page, more=more)

    async def _items(self, page: int) -> tuple[list[views.Item], bool]:
        sights, more = await self._desk.do(partial(at.overview, page=page))
        return [views.item(sight) for sight in sights], more

    async def _list_parts(self, request: Request) -> dict[str, str]:
        items, _ = await self._items(number(request, "page"))
        return {"campaigns": self._paper.text("parts/items.html", items=items)}

    # -- one campaign ------------------------------------------------------

    async def _campaign(self, request: Request) -> Response:
        view = await self._view(request)
        told = notice(request.query_params)
        return self._paper.page("campaign.html", view=view, notice=told)

    async def _view(self, request: Request) -> views.View:
        id_ = request.path_params["id"]
        sight = await self._desk.do(partial(at.look, id_=id_))
        return views.view(sight, callbacks=self._callbacks)

    async def _campaign_parts(self, request: Request) -> dict[str, str]:
        view = await self._view(request)
        return {
            part: self._paper.text(f"parts/{part}.html", view=view)
            for part in ("head", "status", "orders", "figures", "plot", "tables")
        }


class Nearby:
    """An application without a password: for this machine, and under its own name.

    A page from elsewhere could have its name lead here and then read what is shown.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        host = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
        here = is_plain(_PORT.sub("", host))
        answer = self._app if here else PlainTextResponse(_CLOSED, 403)
        await answer(scope, receive, send)


async def closed(scope: Scope, receive: Receive, send: Send) -> None:
    """In place of the pages where others could come in unasked."""
    there = scope["path"] == "/" or scope["path"].startswith("/campaigns")
    text, status = (_CLOSED, 403) if there else ("Not Found", 404)
    await PlainTextResponse(text, status)(scope, receive, send)


async def _to_the_list(_: Request) -> Response:
    return RedirectResponse("/", 308)
