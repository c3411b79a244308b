"""What people order from a page: each order is confirmed, carried out, and told.

A confirmation says what will happen. Then the browser is sent back to where it came
from, so that loading that page again orders nothing. What the ledger refuses becomes a
page with its one line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final
from urllib.parse import urlencode

import structlog
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from dispatcher.client import Dispatcher
from dispatcher.errors import InvalidInput, Refused
from dispatcher.order import check_message_id
from dispatcher.web import desk as at
from dispatcher.web import views
from dispatcher.web.desk import Desk
from dispatcher.web.doubts import doubt
from dispatcher.web.forms import TOKEN, Forms, number
from dispatcher.web.notices import NAMED, notice
from dispatcher.web.paper import Paper
from dispatcher.words import count

log = structlog.get_logger(__name__)

_SEE_OTHER: Final = 303


@dataclass(frozen=True, slots=True)
class Order:
    """Something that may be ordered of a campaign.

    Attributes:
        name: As in the address.
        button: What the button says.
        done: Names the notice once it is carried out.
        warns: What will happen, for a person to agree to.
        carry_out: Does it; gives what the notice tells besides.
        grave: It cannot be taken back.
    """

    name: str
    button: str
    done: str
    warns: Callable[[views.Item], Iterator[str]]
    carry_out: Callable[[Dispatcher, str], dict[str, str]]
    grave: bool = False


class Orders:
    """The pages on which something is ordered.

    Args:
        desk: Carries out.
        paper: Shows.
        forms: Knows our own forms.
    """

    def __init__(self, desk: Desk, paper: Paper, forms: Forms) -> None:
        self._desk = desk
        self._paper = paper
        self._forms = forms

    def routes(self, campaign: str) -> list[Route]:
        """The addresses, below that of a campaign."""
        both = ["GET", "POST"]
        simple = (
            Route(f"{campaign}/{order.name}", partial(self._order, order), methods=both)
            for order in ORDERS
        )
        return [
            *simple,
            Route(f"{campaign}/retry-held", self._retry, methods=both),
            Route(f"{campaign}/held", self._held),
            Route(f"{campaign}/held/{{group:int}}", self._resolve, methods=both),
        ]

    # -- pause, resume, cancel ---------------------------------------------

    async def _order(self, order: Order, request: Request) -> Response:
        id_ = request.path_params["id"]
        if request.method != "POST":
            item = await self._item(id_)
            if order.name not in views.ORDERS.get(item.state, ()):
                raise Refused(
                    f"campaign {id_!r} is {item.state}: it cannot {order.name}"
                )
            warnings = order.warns(item)
            return self._confirm(
                request, item, order.button, warnings, grave=order.grave
            )
        await self._forms.read(request)
        log.info("page.ordered", campaign=id_, order=order.name)
        told = await self._desk.do(lambda d: order.carry_out(d, id_))
        return _back(f"/campaigns/{id_}", done=order.done, **told)

    async def _item(self, id_: str) -> views.Item:
        return views.item(await self._desk.do(partial(at.glance, id_=id_)))

    def _confirm(
        self,
        request: Request,
        item: views.Item,
        button: str,
        warnings: Iterator[str],
        *,
        grave: bool = False,
        status: int = 200,
    ) -> Response:
        return self._paper.page(
            "confirm.html",
            status,
            item=item,
            button=button,
            warnings=list(warnings),
            grave=grave,
            token=self._forms.token(request.url.path),
            token_name=TOKEN,
        )

    # -- held groups -------------------------------------------------------

    async def _retry(self, request: Request) -> Response:
        """All held groups again, as many as the person was told of."""
        id_ = request.path_params["id"]
        item = await self._item(id_)
        if not item.held:
            raise Refused(f"no group of campaign {id_!r} is held")
        status = 200
        if request.method == "POST":
            fields = await self._forms.read(request)
            if fields.get("held") == str(item.held):
                return await self._retried(id_)
            # There are others now: the person agreed to something else.
            status = 409
        button = f"Send {count(item.held, 'group')} again"
        return self._confirm(
            request, item, button, _risk(item), grave=True, status=status
        )

    async def _retried(self, id_: str) -> Response:
        log.info("page.ordered", campaign=id_, order="retry held")
        number = await self._desk.do(lambda d: at.find(d, id_).retry(held=True))
        return _back(f"/campaigns/{id_}", done="retried", groups=str(number))

    async def _held(self, request: Request) -> Response:
        id_ = request.path_params["id"]
        first = number(request, "first")
        held = await self._desk.do(partial(at.held, id_=id_, first=first))
        return self._paper.page(
            "held.html",
            id=id_,
            doubts=[doubt(held.row, group) for group in held.groups],
            more=held.more,
            notice=notice(request.query_params),
        )

    async def _resolve(self, request: Request) -> Response:
        """What a person found out about one group."""
        if request.method != "POST":
            return await self._ask(request)
        fields = await self._forms.read(request)
        try:
            message_id = _found(fields)
        except InvalidInput as error:
            return await self._ask(request, str(error), 400)
        id_, group = request.path_params["id"], request.path_params["group"]
        log.info("page.ordered", campaign=id_, order="resolve", group=group)
        await self._desk.do(
            lambda d: at.find(d, id_).resolve(group, message_id=message_id)
        )
        done = "unsent" if message_id is None else "sent"
        return _back(f"/campaigns/{id_}/held", done=done, groups=str(group))

    async def _ask(
        self, request: Request, fault: str = "", status: int = 200
    ) -> Response:
        id_, group = request.path_params["id"], request.path_params["group"]
        held = await self._desk.do(partial(at.group, id_=id_, number=group))
        return self._paper.page(
            "group.html",
            status,
            doubt=doubt(held.row, held.groups[0]),
            fault=fault,
            token=self._forms.token(request.url.path),
            token_name=TOKEN,
        )


def _found(fields: dict[str, str]) -> str | None:
    """The message id that a person entered; None: it was not sent.

    Raises:
        InvalidInput: They said neither, or the id is none.
    """
    match fields.get("found"):
        case "sent":
            return check_message_id(fields.get("message_id", ""))
        case "unsent":
            return None
    raise InvalidInput("say whether it was sent")


def _back(path: str, **told: str) -> Response:
    return RedirectResponse(f"{path}?{urlencode(told)}", _SEE_OTHER)


# -- what the orders say and do ------------------------------------------------


def _pause_warns(_: views.Item) -> Iterator[str]:
    yield "Nothing more of it is sent until somebody resumes it."
    yield "What is on its way to the provider right now can still arrive."


def _pause(dispatcher: Dispatcher, id_: str) -> dict[str, str]:
    left = at.find(dispatcher, id_).pause()
    named = ",".join(map(str, left[:NAMED]))
    return {"left": named, "more": str(len(left[NAMED:]))} if left else {}


def _resume_warns(item: views.Item) -> Iterator[str]:
    yield f"It is paused: {item.why}."
    yield f"What to do: {item.advice}."


def _resume(dispatcher: Dispatcher, id_: str) -> dict[str, str]:
    at.find(dispatcher, id_).resume()
    return {}


def _cancel_warns(item: views.Item) -> Iterator[str]:
    open_ = item.groups - item.settled
    yield f"{count(open_, 'group')} not sent yet will never be."
    yield "This cannot be undone."


def _cancel(dispatcher: Dispatcher, id_: str) -> dict[str, str]:
    at.find(dispatcher, id_).cancel()
    return {}


def _risk(item: views.Item) -> Iterator[str]:
    yield (
        f"{count(item.held, 'held group')} may have been taken by the provider already."
    )
    yield "Whoever got the message gets it again."


ORDERS: Final = (
    Order("pause", "Pause it", "paused", _pause_warns, _pause),
    Order("resume", "Resume it", "resumed", _resume_warns, _resume),
    Order(
        *("cancel", "Cancel it for good", "cancelled", _cancel_warns, _cancel),
        grave=True,
    ),
)
