"""`dispatcher up`: the whole system on this machine, left running."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import closing
from typing import Annotated, Final

import typer

from dispatcher.cli import up_note
from dispatcher.cli.account import lacking
from dispatcher.cli.demo_list import write_list
from dispatcher.cli.options import option
from dispatcher.cli.screen import grid, remark, say, short, show
from dispatcher.cli.serve import PORT as CALLBACK_PORT
from dispatcher.cli.up_note import Note
from dispatcher.cli.up_system import Plan, Signals, System
from dispatcher.cli.vitals import plain_address
from dispatcher.client import Dispatcher
from dispatcher.errors import DispatchError, Refused
from dispatcher.ledger.vitals import vitals
from dispatcher.settings import Settings
from dispatcher.words import count, rate

#: People in the sample list, which is for the simulated provider only.
_SAMPLE: Final = 60
_HERE: Final = "127.0.0.1"


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(up)


def up(
    *,
    workers: Annotated[int, option("--workers N", "How many workers.", min=1)] = 1,
    concurrency: Annotated[
        int, option("--concurrency N", "Processes that send, in each.", min=1)
    ] = 2,
    port: Annotated[
        int, option("--port N", "Flower's port; 0: no Flower.", min=0, max=65535)
    ] = 5555,
    callback_port: Annotated[
        int,
        option(
            "--callback-port N",
            "The callback receiver's port; 0: no receiver.",
            min=0,
            max=65535,
        ),
    ] = CALLBACK_PORT,
    simulator_port: Annotated[
        int,
        option(
            "--simulator-port N",
            "The simulated provider's port; 0: a free one.",
            min=0,
            max=65535,
        ),
    ] = 0,
) -> None:
    """Start everything on this machine, until Ctrl-C.

    A server (unless $DISPATCHER_REDIS_URL names one), a provider that only pretends
    (unless an account and its credentials are set), workers, the callback receiver, and
    Flower. Campaigns stay
    in the data directory from one time to the next. A second Ctrl-C does not wait for
    what is on its way. If a part ends by itself, the others are ended, too.
    """
    settings = Settings.load()
    missing = lacking(settings)
    plan = Plan(
        workers=workers,
        concurrency=concurrency,
        flower_port=port or None,
        callback_port=callback_port or None,
        simulator_port=simulator_port if missing else None,
    )
    with Signals() as signals, up_note.only_one(settings):
        _check_ports(plan)
        _run(System(settings, plan, signals), settings, plan, missing)


def _check_ports(plan: Plan) -> None:
    """Raises DispatchError if a port is taken, before anything is started."""
    ports = {
        "--port": plan.flower_port,
        "--callback-port": plan.callback_port,
        "--simulator-port": plan.simulator_port,
    }
    for flag, port in ports.items():
        if port and not _is_free(port):
            raise DispatchError(f"port {port} is taken: choose another with {flag}")


def _is_free(port: int) -> bool:
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HERE, port))
        except OSError:
            return False
    return True


def _run(system: System, settings: Settings, plan: Plan, missing: str) -> None:
    say("starting ...")
    try:
        system.start_server()
        here = settings.model_copy(update={"redis_url": system.server.url})
        _check_owner(settings, here, simulated=bool(missing))
        system.start_parts()
        up_note.leave(settings, _note(system, settings))
        _tell(system, settings, plan, missing)
        system.keep()
        say("ending ... (Ctrl-C again: at once)")
    except DispatchError:
        _tell_last_words(system)
        raise
    finally:
        system.stop()
    say("everything has ended; campaigns and results stay")


def _tell_last_words(system: System) -> None:
    for log, lines in system.last_words():
        remark(f"the last lines of {log}:")
        for line in lines:
            remark(f"  {line}")


def _note(system: System, settings: Settings) -> Note:
    return Note(
        pid=os.getpid(),
        flower=system.flower,
        simulator=system.simulator,
        callbacks=system.callbacks,
        account_rate=settings.account_rate,
        sender_rate=settings.sender_rate,
    )


# -- no campaign may end up with the wrong provider ----------------------------


def _check_owner(settings: Settings, here: Settings, *, simulated: bool) -> None:
    """Make sure that what waits in the ledger was meant for this provider.

    Raises:
        Refused: It was, or may have been, meant for another.
    """
    account = "" if simulated else settings.account_id or ""
    if not up_note.belongs(settings, account):
        if waiting := _unfinished(here):
            raise Refused(_other_provider(waiting, simulated=simulated))
        up_note.mark(settings, account)
    if simulated and settings.redis_url and _workers(here):
        raise Refused(
            "workers run on this Redis already: a simulated provider beside them would "
            "swallow what is meant to be sent; set BW_ACCOUNT_ID and its credentials, "
            "or unset DISPATCHER_REDIS_URL"
        )


def _workers(here: Settings) -> int:
    with Dispatcher(here) as dispatcher:
        return dispatcher.ledger.run(vitals()).children


def _unfinished(here: Settings) -> list[str]:
    with Dispatcher(here) as dispatcher:
        return [row.id for row in dispatcher.ledger.campaigns() if not row.finished]


def _other_provider(waiting: list[str], *, simulated: bool) -> str:
    now = "the simulated provider" if simulated else "this account"
    first = ", ".join(waiting[:3]) + (", ..." if len(waiting) > 3 else "")  # noqa: PLR2004
    return (
        f"{count(len(waiting), 'campaign')} here ({first}) may not be meant for {now}: "
        "finish or cancel them with the account that they were begun with, or set "
        "another DISPATCHER_DATA_DIR"
    )


# -- what is told --------------------------------------------------------------


def _tell(system: System, settings: Settings, plan: Plan, missing: str) -> None:
    if system.interrupted:
        return
    say("dispatcher is up", style="bold")
    say()
    show(grid(_places(system, settings, plan, missing)))
    say()
    say("In another terminal:", style="bold")
    for line in _next_steps(system, settings):
        say(f"  {line}")
    say()
    say("Ctrl-C ends everything. Campaigns stay for the next time.")


def _places(
    system: System, settings: Settings, plan: Plan, missing: str
) -> Iterator[tuple[str, str]]:
    own = "embedded" if system.server.embedded else "yours"
    yield "Redis", f"{own}, {plain_address(system.server.url)}"
    if system.simulator:
        yield "provider", f"simulated, nothing real is sent ({missing})"
        yield "", system.simulator
    else:
        yield "provider", f"REAL: {settings.base_url}"
        if not settings.application_id:
            yield "", "BW_APPLICATION_ID is not set: submit needs --application"
    processes = count(plan.concurrency, "process").replace("processs", "processes")
    yield (
        "workers",
        f"{plan.workers}, with {processes}" + (" each" * (plan.workers > 1)),
    )
    yield "rate", _rate(settings, simulated=bool(system.simulator))
    yield "callbacks", system.callbacks or "not taken"
    if system.callbacks:
        yield "campaigns", _pages(system, settings)
    if system.callbacks and not system.simulator:
        yield "", "the provider comes by https: see the README for what to set there"
    yield "Flower", system.flower or "not started"
    yield "data", short(settings.data_path)
    yield "logs", short(system.logs)


def _pages(system: System, settings: Settings) -> str:
    if settings.callback_username and not settings.pages_username:
        return "not shown: set DISPATCHER_PAGES_USERNAME and ..._PASSWORD"
    return system.callbacks.removesuffix("/callbacks") + "/"


def _rate(settings: Settings, *, simulated: bool) -> str:
    if settings.account_rate is None:
        return "not limited (DISPATCHER_ACCOUNT_RATE=none)"
    told = f"at most {rate(settings.account_rate)}"
    if "account_rate" in settings.model_fields_set:
        return told
    if simulated:
        return f"{told}; for more: DISPATCHER_ACCOUNT_RATE=50 dispatcher up"
    return f"{told}; set DISPATCHER_ACCOUNT_RATE to what you were granted"


def _next_steps(system: System, settings: Settings) -> Iterator[str]:
    if settings.redis_url:
        yield "export DISPATCHER_REDIS_URL=...    (the same as here)"
    if "data_dir" in settings.model_fields_set:
        yield f"export DISPATCHER_DATA_DIR={settings.data_path.resolve()}"
    if system.simulator:
        sample = settings.data_path / "sample.csv"
        write_list(sample, _SAMPLE)
        sender = settings.number or "+19195550100"
        yield f"dispatcher submit {short(sample)} \\"
        yield f'  --sender {sender} --text "Hello!" --id sample'
        id_ = "sample"
    else:
        yield "dispatcher submit LIST --dry-run \\"
        yield '  --sender +1... --text "..." --id ID'
        id_ = "ID"
    yield f"dispatcher watch {id_}"
    yield f"dispatcher results {id_}"
    yield "dispatcher doctor"
