"""What the simulator can be told: one frozen object, checked when it is made.

Reads no environment and no files.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from dispatcher.errors import InvalidInput
from dispatcher.simulator.faults import Fault, check_shares
from dispatcher.simulator.media import LIFE as MEDIA_LIFE
from dispatcher.simulator.search import Layout
from dispatcher.simulator.target import Target

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
        media_seconds: Life of an upload.
        callback_url: Who is told what became of messages; None for nobody.
        callback_username: Given to a receiver that asks (401 with a challenge).
        callback_password: Given to a receiver that asks.
        callback_delay_ms: Time from a message to its end, on average, in
            milliseconds; searches see the end then too, callbacks spread after it.
        callback_late_seconds: How long the fault `callback-late` holds back.
        callback_retry_seconds: Pause before an event that was not acknowledged is
            told again; doubles up to 16 times.
        callback_connections: To the receiver, at most.
        callback_codes: Error codes that the fault `callback-failed` draws from.
        record: File that every send request is noted in; None for no file.

    Raises:
        InvalidInput: A value is out of range, or only one of a username and its
            password is given.
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
    media_seconds: float = MEDIA_LIFE
    callback_url: str | None = field(default=None, repr=False)
    callback_username: str | None = None
    callback_password: str | None = field(default=None, repr=False)
    callback_delay_ms: float = 200.0
    callback_late_seconds: float = 5.0
    callback_retry_seconds: float = 1.0
    callback_connections: int = 16
    callback_codes: tuple[int, ...] = (4700, 4720, 4750, 5600)
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
        if self.callback_connections < 1:
            raise InvalidInput("callback_connections of the simulator must be above 0")
        codes = self.callback_codes
        if not codes or not all(1000 <= code <= 9999 for code in codes):  # noqa: PLR2004
            raise InvalidInput("callback_codes of the simulator must have four digits")
        # Told now and not when somebody is to be called.
        self.callback_target()

    def callback_target(self) -> Target | None:
        """Who is called back.

        Raises:
            InvalidInput: The URL cannot be called, or half of the credentials is
                missing.
        """
        return Target.of(
            self.callback_url, self.callback_username, self.callback_password
        )


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
    "media_seconds",
    "callback_delay_ms",
    "callback_late_seconds",
    "callback_retry_seconds",
)
