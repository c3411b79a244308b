"""What tests can change and ask while the simulator runs: `/_admin/...`.

Kept off the provider's paths, without latency, faults or authorization.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from dispatcher.errors import InvalidInput
from dispatcher.simulator import answers
from dispatcher.simulator.answers import json_reply
from dispatcher.simulator.faults import named_faults
from dispatcher.simulator.fields import E164
from dispatcher.simulator.target import Target

if TYPE_CHECKING:
    from collections.abc import Callable

    from dispatcher.simulator.exchange import Reply, Request
    from dispatcher.simulator.outbox import CallbackCounts
    from dispatcher.simulator.provider import Provider

PREFIX: Final = "/_admin/"


class CredentialsOrder(msgspec.Struct, forbid_unknown_fields=True):
    """Body of `POST /_admin/credentials`.

    Attributes:
        username: None takes any from now on.
        password: None takes any from now on.
    """

    username: str | None
    password: str | None


class CallbacksOrder(msgspec.Struct, forbid_unknown_fields=True):
    """Body of `POST /_admin/callbacks`: who is called from now on.

    Attributes:
        url: None calls nobody.
        username: Given to a receiver that asks.
        password: Given to a receiver that asks.
    """

    url: str | None
    username: str | None = None
    password: str | None = None


class Arrival(msgspec.Struct, forbid_unknown_fields=True):
    """Body of `POST /_admin/inbound`: a message to the account.

    Attributes:
        sender: `from` in the body; E.164.
        to: The account's number; of a group message all numbers, that one first.
        text: What it says.
    """

    sender: str = msgspec.field(name="from")
    to: str | list[str]
    text: str


class Outgoing(Protocol):
    """What can be asked of whoever calls back."""

    @property
    def wanted(self) -> bool:
        """Whether there is anybody to call."""
        ...

    @property
    def counts(self) -> CallbackCounts:
        """What became of the callbacks so far."""
        ...

    def direct(self, target: Target | None) -> None:
        """Call somebody else from now on."""
        ...


class Admin:
    """Answers admin requests itself and passes the others on to the provider."""

    def __init__(self, provider: Provider, outgoing: Outgoing) -> None:
        self._provider = provider
        self._outgoing = outgoing
        self._handlers: dict[tuple[str, str], Callable[[Request], Reply]] = {
            ("POST", "faults"): self._faults,
            ("POST", "credentials"): self._credentials,
            ("POST", "revoke"): self._revoke,
            ("GET", "stats"): self._stats,
            ("GET", "truth"): self._truth,
            ("GET", "callbacks"): self._callbacks,
            ("POST", "callbacks"): self._direct,
            ("POST", "inbound"): self._inbound,
        }

    def answer(self, request: Request) -> Reply:
        """Answer one request."""
        if not request.target.startswith(PREFIX):
            return self._provider.answer(request)
        name = request.target.removeprefix(PREFIX)
        handler = self._handlers.get((request.method, name))
        if handler is None:
            return answers.problem(404, "not-found", "no such admin call")
        try:
            return handler(request)
        # Bad UTF-8 and deep nesting do not come as msgspec's own error.
        except (InvalidInput, msgspec.MsgspecError, UnicodeError, RecursionError) as e:
            return answers.problem(400, "bad-request", str(e))

    def _faults(self, request: Request) -> Reply:
        shares = msgspec.json.decode(request.body, type=dict[str, float])
        self._provider.faults.order(named_faults(shares))
        return json_reply(200, shares)

    def _credentials(self, request: Request) -> Reply:
        order = msgspec.json.decode(request.body, type=CredentialsOrder)
        self._provider.gatekeeper.change(order.username, order.password)
        return json_reply(200, {})

    def _revoke(self, _: Request) -> Reply:
        self._provider.gatekeeper.revoke_tokens()
        return json_reply(200, {})

    def _truth(self, _: Request) -> Reply:
        return json_reply(200, list(self._provider.truth()))

    def _callbacks(self, _: Request) -> Reply:
        return json_reply(200, self._outgoing.counts)

    def _direct(self, request: Request) -> Reply:
        order = msgspec.json.decode(request.body, type=CallbacksOrder)
        target = Target.of(order.url, order.username, order.password)
        self._outgoing.direct(target)
        return json_reply(200, {})

    def _inbound(self, request: Request) -> Reply:
        arrival = msgspec.json.decode(request.body, type=Arrival)
        to = [arrival.to] if isinstance(arrival.to, str) else arrival.to
        if not to or not all(map(E164.fullmatch, [arrival.sender, *to])):
            raise InvalidInput("from and to must be numbers in E.164 form")
        if not self._outgoing.wanted:
            raise InvalidInput("there is no callback URL")
        id_ = self._provider.receive(arrival.sender, to, arrival.text)
        return json_reply(200, {"id": id_})

    def _stats(self, _: Request) -> Reply:
        return json_reply(200, self._provider.stats())
