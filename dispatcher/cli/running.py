"""`dispatcher worker` and `dispatcher simulator`: what runs until it is stopped."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from dispatcher.cli.options import option, taking
from dispatcher.credentials import Credentials
from dispatcher.doors import wanted
from dispatcher.embedded import ledger_address, redis_address
from dispatcher.errors import DispatchError, InvalidInput
from dispatcher.settings import Settings
from dispatcher.simulator import Layout, SimulatorConfig, parse_faults, run
from dispatcher.simulator.options import OPTIONS


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(worker)
    app.command()(simulator)


# -- the worker ----------------------------------------------------------------


def worker(
    *,
    concurrency: Annotated[
        int, option("--concurrency N", "Processes that send.", min=1)
    ] = 2,
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"] | None,
        option("--log-level", "What to log.  [default: $DISPATCHER_LOG_LEVEL, info]"),
    ] = None,
) -> None:
    """Send what is due until SIGTERM or Ctrl-C."""
    if log_level:
        # The worker's processes read it where they read everything: there.
        os.environ["DISPATCHER_LOG_LEVEL"] = log_level
    settings = Settings.load()
    redis_address(settings)
    ledger_address(settings)
    # The one place where the library starts what it otherwise knows nothing of.
    from workers.app import celery_app  # noqa: PLC0415

    # Celery would find that they are missing, and could only end with exit code 1.
    Credentials.from_settings(settings)
    celery_app().worker_main(_celery_arguments(concurrency))


def _celery_arguments(concurrency: int) -> list[str]:
    return [
        # Its banner is no log line.
        "--quiet",
        "worker",
        f"--concurrency={concurrency}",
        # Two workers of one name on one machine would take each other's commands.
        f"--hostname=dispatcher-{os.getpid()}@%h",
        # Workers have nothing to tell each other: the ledger does that.
        "--without-gossip",
        "--without-mingle",
    ]


# -- the simulator -------------------------------------------------------------


def _of(name: str, flag: str = "") -> Any:  # noqa: ANN401 - as typer's own
    """The simulator's own option of that name."""
    own = OPTIONS[name]
    flag = flag or "--" + name.replace("_", "-")
    return option(f"{flag} {own.metavar}", own.help[:1].upper() + own.help[1:] + ".")


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """The options of `simulator`: those of its configuration, checked there."""

    host: Annotated[str, _of("host")] = "127.0.0.1"
    port: Annotated[int, _of("port")] = 0
    latency_ms: Annotated[float, _of("latency_ms", "--latency")] = 0.0
    rate: Annotated[str, _of("rate")] = "none"
    queue_seconds: Annotated[float, _of("queue_seconds")] = 900.0
    faults: Annotated[list[str] | None, _of("faults", "--fault")] = None
    seed: Annotated[int | None, _of("seed")] = None
    hang_seconds: Annotated[float, _of("hang_seconds")] = 60.0
    slow_ms: Annotated[float, _of("slow_ms")] = 2000.0
    refuse_ms: Annotated[float, _of("refuse_ms")] = 20.0
    username: Annotated[str | None, _of("username")] = None
    password: Annotated[str | None, _of("password")] = None
    account: Annotated[str | None, _of("account")] = None
    token_seconds: Annotated[int, _of("token_seconds")] = 3600
    index_lag: Annotated[float, _of("index_lag")] = 0.0
    layout: Annotated[Layout, _of("layout")] = Layout.RECIPIENT
    search_limit: Annotated[int, _of("search_limit")] = 3500
    media_seconds: Annotated[float, _of("media_seconds")] = 172_800.0
    callback_url: Annotated[str | None, _of("callback_url")] = None
    callback_username: Annotated[str | None, _of("callback_username")] = None
    callback_password: Annotated[str | None, _of("callback_password")] = None
    callback_delay_ms: Annotated[float, _of("callback_delay_ms")] = 200.0
    callback_late_seconds: Annotated[float, _of("callback_late_seconds")] = 5.0
    callback_retry_seconds: Annotated[float, _of("callback_retry_seconds")] = 1.0
    callback_connections: Annotated[int, _of("callback_connections")] = 16
    callback_codes: Annotated[str, _of("callback_codes")] = "4700,4720,4750,5600"
    record: Annotated[Path | None, _of("record")] = None

    def configuration(self) -> SimulatorConfig:
        """The configuration these give.

        Raises:
            InvalidInput: A value is out of range or unknown.
        """
        given = vars(self) | {
            "rate": _read("rate", self.rate, "units per second, or none"),
            "callback_codes": _read(
                "callback_codes", self.callback_codes, "codes with commas between"
            ),
            "faults": parse_faults(self.faults or ()),
        }
        if self.callback_url and self.callback_username is None:
            given |= _credentials_of_ours()
        return SimulatorConfig(**given)


def _credentials_of_ours() -> dict[str, str]:
    """What our own receiver asks for: a command line could be read by others."""
    asked = wanted(Settings.load(), "callback")
    if asked is None:
        return {}
    password = asked.password.get_secret_value()
    return {"callback_username": asked.username, "callback_password": password}


def _read(name: str, text: str, what: str) -> object:
    try:
        return OPTIONS[name].read(text)
    except ValueError:
        flag = "--" + name.replace("_", "-")
        raise InvalidInput(f"{flag}: write {what}") from None


@taking(Simulation)
def simulator(simulation: Simulation) -> None:
    """Run the simulated provider until SIGTERM or Ctrl-C."""
    configuration = simulation.configuration()
    try:
        run(configuration)
    except OSError as error:
        what = error.filename or f"address {simulation.host}, port {simulation.port}"
        raise DispatchError(
            f"the simulator cannot run: {what}: {error.strerror}"
        ) from None
