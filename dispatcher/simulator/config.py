"""What the simulator can be told: one frozen object, checked when it is made.

Reads no environment and no files.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from dispatcher.errors import InvalidInput
from dispatcher.simulator.faults import Fault, check_shares
from dispatcher.simulator.search import Layout

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorConfig:
    """How the simulated provider behaves.

    Attributes:
        host: Address to listen on.
        port: 0 takes a free one.
        latency_ms: Time before every answer of the provider, in milliseconds.
        rate: Units a second that the account's queue is drained at; None for a
            queue without end.
        queue_seconds: Depth of that queue, as seconds of `rate`.
        faults: The share of send requests, 0 to 1, that each fault strikes.
        seed: Makes faults come in the same order again; None for chance.
        hang_seconds: After so long a hanging connection is closed.
        slow_ms: What the fault `slow` adds, in milliseconds.
        refuse_ms: How long the fault `refuse` keeps the door shut, in milliseconds.
        username: Of the API user, and client id for tokens; None takes any.
        password: Of the API user, and client secret for tokens; None takes any.
        account: The one account that exists; None takes any.
        token_seconds: Life of a bearer token.
        index_lag: Seconds before a message can be found by a search.
        layout: The rows a group makes in a search.
        search_limit: Searches that one address may make in five minutes.
        record: File that every send request is noted in; None for no file.

    Raises:
        InvalidInput: A value is out of range, or only one of username and password
            is given.
    """

    host: str = "127.0.0.1"
    port: int = 0
    latency_ms: float = 0.0
    rate: float | None = None
    queue_seconds: float = 900.0
    faults: Mapping[Fault, float] = field(default_factory=dict)
    seed: int | None = None
    hang_seconds: float = 60.0
    slow_ms: float = 2000.0
    refuse_ms: float = 20.0
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    account: str | None = None
    token_seconds: int = 3600
    index_lag: float = 0.0
    layout: Layout = Layout.RECIPIENT
    search_limit: int = 3500
    record: Path | None = None

    def __post_init__(self) -> None:
        check_shares(self.faults)
        for name in _NOT_NEGATIVE:
            # "not at least" also refuses a NaN.
            if not getattr(self, name) >= 0:
                raise InvalidInput(f"{name} of the simulator must not be negative")
        if self.port > _LAST_PORT:
            raise InvalidInput("port of the simulator must be from 0 to 65535")
        if self.rate is not None and not self.rate > 0:
            raise InvalidInput("rate of the simulator must be above 0, or none")
        if (self.username is None) != (self.password is None):
            raise InvalidInput("the simulator needs username and password, or neither")


_LAST_PORT: Final = 65535

_NOT_NEGATIVE: Final = (
    "port",
    "latency_ms",
    "queue_seconds",
    "hang_seconds",
    "slow_ms",
    "refuse_ms",
    "token_seconds",
    "index_lag",
    "search_limit",
)
