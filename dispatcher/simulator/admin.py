"""What tests can change and ask while the simulator runs: `/_admin/...`.

Kept off the provider's paths, without latency, faults or authorization.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from dispatcher.errors import InvalidInput
from dispatcher.simulator import answers
from dispatcher.simulator.answers import json_reply
from dispatcher.simulator.faults import named_faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from dispatcher.simulator.exchange import Reply, Request
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


class Admin:
    """Answers admin requests itself and passes the others on to the provider."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._handlers: dict[tuple[str, str], Callable[[Request], Reply]] = {
            ("POST", "faults"): self._faults,
            ("POST", "credentials"): self._credentials,
            ("POST", "revoke"): self._revoke,
            ("GET", "stats"): self._stats,
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

    def _stats(self, _: Request) -> Reply:
        return json_reply(200, self._provider.stats())
