"""`dispatcher flower`: Celery's own monitor, on what the workers do."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from dispatcher.cli.options import option
from dispatcher.embedded import redis_address
from dispatcher.errors import DispatchError
from dispatcher.queue import make_app
from dispatcher.settings import Settings


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(flower)


def flower(
    *,
    port: Annotated[
        int, option("--port N", "Port to listen on.", min=1, max=65535)
    ] = 5555,
    address: Annotated[
        str,
        option("--address ADDRESS", "Address to listen on; others need a password."),
    ] = "127.0.0.1",
) -> None:
    """Show workers and shifts in a browser until SIGTERM or Ctrl-C.

    It asks for $DISPATCHER_FLOWER_USERNAME and $DISPATCHER_FLOWER_PASSWORD if those are
    set. It shows counts, never a number or a text, and changes nothing.
    """
    # Slow to import, and of no use to any other command.
    from tornado.ioloop import IOLoop  # noqa: PLC0415

    from dispatcher.flower_options import set_defaults  # noqa: PLC0415

    celery = make_app(redis_address(Settings.load()))
    set_defaults()
    # The loop runs once the port is open.
    IOLoop.current().add_callback(partial(_announce, address, port))
    arguments = (f"--port={port}", f"--address={address}", "--logging=warning")
    try:
        celery.start(["--quiet", "flower", *arguments])
    except OSError as error:
        raise DispatchError(
            f"Flower cannot run: address {address}, port {port}: {error.strerror}"
        ) from None


def _announce(address: str, port: int) -> None:
    host = f"[{address}]" if ":" in address else address
    typer.echo(f"Flower: http://{host}:{port}")
