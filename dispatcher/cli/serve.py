"""`dispatcher serve`: takes the provider's callbacks, applies them; campaign pages."""

from __future__ import annotations

from functools import partial
from socket import socket
from typing import TYPE_CHECKING, Annotated, Final

import structlog
import typer
from starlette.types import ASGIApp

from dispatcher import logs
from dispatcher.cli.options import option
from dispatcher.doors import Pass, check_address, wanted
from dispatcher.embedded import ledger_address
from dispatcher.errors import DispatchError, LedgerUnreachable
from dispatcher.ledger.async_ledger import AsyncLedger
from dispatcher.ledger.ledger import Ledger
from dispatcher.ledger.server import Remark
from dispatcher.settings import Settings

if TYPE_CHECKING:
    from dispatcher.web.pages import Pages

log = structlog.get_logger(__name__)

#: Where it listens unless told otherwise.
PORT: Final = 8085
#: Begins the line that says where it listens.
READY: Final = "callbacks: "


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(serve)


def serve(
    *,
    host: Annotated[
        str,
        option("--host ADDRESS", "Address to listen on; others need a password."),
    ] = "127.0.0.1",
    port: Annotated[
        int, option("--port N", "Port to listen on; 0: a free one.", min=0, max=65535)
    ] = PORT,
    poll: Annotated[
        bool,
        option("--poll", "Ask the provider, too: for those whom no callback reaches."),
    ] = False,
) -> None:
    """Take callbacks and show campaigns in a browser, until Ctrl-C.

    It asks for $DISPATCHER_CALLBACK_USERNAME and $DISPATCHER_CALLBACK_PASSWORD, which
    are set at the provider, too; without them it serves this machine only. Callbacks
    go to /callbacks; /healthz says whether they can be stored. TLS is for a proxy.

    Campaigns are watched and steered at /, with $DISPATCHER_PAGES_USERNAME and
    $DISPATCHER_PAGES_PASSWORD. Without them the pages are open to this machine if
    callbacks need no password either, else closed.

    Without a public address use --poll: deliveries are then learnt from the provider's
    message search, within its rate limit; STOP messages are not, so add those by hand.
    """
    # Slow to import, and of no use to any other command; so is what `_site` needs.
    from dispatcher.web import server  # noqa: PLC0415
    from dispatcher.web.pages import Pages  # noqa: PLC0415

    settings = Settings.load()
    asked = wanted(settings, "callback")
    check_address(host, "callback", asked, "the callback receiver")
    pages = Pages(settings, callbacks=asked)
    address = ledger_address(settings)
    remarks = _check(address, insisted=settings.allow_unsafe_redis)
    try:
        listener = server.listen(host, port)
    except OSError as error:
        raise DispatchError(
            f"the receiver cannot run: address {host}, port {port}: {error.strerror}"
        ) from None
    logs.configure(settings.log_format, settings.log_level)
    for remark in remarks:
        log.warning("redis.unsafe", found=remark.found, advice=remark.advice)
    site = _site(settings, address, asked, pages, poll=poll)
    ready = partial(_announce, listener, is_open=pages.is_open)
    server.serve(site, listener, ready, pages.stop)


def _site(
    settings: Settings, address: str, asked: Pass | None, pages: Pages, *, poll: bool
) -> ASGIApp:
    """What is served, and what runs beside it."""
    from dispatcher.ledger.inbox import Inbox  # noqa: PLC0415
    from dispatcher.web.app import make_site  # noqa: PLC0415
    from dispatcher.web.metrics import LedgerCollector, metrics_route  # noqa: PLC0415
    from workers.bandwidth import Bandwidth  # noqa: PLC0415
    from workers.deliveries import Deliveries  # noqa: PLC0415
    from workers.poll import Poller  # noqa: PLC0415

    inbox = Inbox(address)
    applier = Deliveries(AsyncLedger(address), settings)
    duties = [applier.live, pages.keep]
    if poll:
        client, deadline = Bandwidth.from_settings(settings), settings.http_deadline
        duties.append(Poller(Ledger(address), client, inbox, deadline).live)
    collector = LedgerCollector(Ledger(address), settings, applier.counts)
    routes = [metrics_route(collector, asked), pages.route]
    return make_site(inbox, asked, routes, duties)


def _check(ledger: str, *, insisted: bool) -> list[Remark]:
    """What to warn of. One that is away now may come; others are refused.

    Raises:
        LedgerError: This Redis will never do.
    """
    try:
        with Ledger(ledger) as opened:
            opened.check()
            return opened.check_safety(insisted=insisted)
    except LedgerUnreachable:
        return []


def _announce(listener: socket, *, is_open: bool) -> None:
    host, port, *_ = listener.getsockname()
    shown = f"[{host}]" if ":" in host else host
    typer.echo(f"{READY}http://{shown}:{port}/callbacks")
    if is_open:
        typer.echo(f"pages: http://{shown}:{port}/")
    else:
        typer.echo(
            "pages: closed; set DISPATCHER_PAGES_USERNAME and DISPATCHER_PAGES_PASSWORD"
        )
