"""The simulated provider's logic: from a request to a reply.

Pure but for what is passed in: clock, chance, faults, carriers and record. It knows
no sockets and never waits.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, unquote

from msgspec.structs import replace

from dispatcher.simulator import answers
from dispatcher.simulator.archive import Archive
from dispatcher.simulator.auth import Gatekeeper
from dispatcher.simulator.fates import Told, fate_of
from dispatcher.simulator.media import MediaStore, place_of
from dispatcher.simulator.query import BadQuery, read_query
from dispatcher.simulator.quotas import SearchQuota
from dispatcher.simulator.search import Search
from dispatcher.simulator.sending import SendCall, new_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from random import Random

    from dispatcher.simulator.carriers import Carriers
    from dispatcher.simulator.config import SimulatorConfig
    from dispatcher.simulator.exchange import Reply, Request
    from dispatcher.simulator.faults import FaultPlan
    from dispatcher.simulator.record import Record
    from dispatcher.simulator.stats import Stats

_TOKEN_PATH: Final = "/api/v1/oauth2/token"  # noqa: S105  # a path, not a password


class Provider:
    """Answers requests as the provider would.

    Args:
        config: How it behaves; host, port, faults, seed and record are not read.
        faults: What goes wrong with send requests.
        record: Where they are noted.
        carriers: Say what becomes of the messages taken.
        clock: Gives epoch seconds.
        random: Makes ids and tokens.

    Attributes:
        faults: As passed; may be changed at any time.
        gatekeeper: The credentials; may be changed at any time.
    """

    def __init__(
        self,
        config: SimulatorConfig,
        *,
        faults: FaultPlan,
        record: Record,
        carriers: Carriers,
        clock: Callable[[], float],
        random: Random,
    ) -> None:
        self._config = config
        self._clock = clock
        self._archive = Archive()
        self._quota = SearchQuota(config.search_limit)
        self._record = record
        self._carriers = carriers
        self._random = random
        self.faults = faults
        self.gatekeeper = Gatekeeper(config, clock=clock, random=random)
        self._media = MediaStore(
            self.gatekeeper, life=config.media_seconds, clock=clock
        )
        self._sending = SendCall(
            config,
            gatekeeper=self.gatekeeper,
            faults=faults,
            archive=self._archive,
            carriers=carriers,
            media=self._media,
            record=record,
            clock=clock,
            random=random,
        )

    def answer(self, request: Request) -> Reply:
        """Answer one request, after the configured latency."""
        reply = self._routed(request)
        if not self._config.latency_ms:
            return reply
        return replace(reply, delay=reply.delay + self._config.latency_ms / 1000)

    def stats(self) -> Stats:
        """Counts up to now; the record is brought up to date with them."""
        self._record.flush()
        return self._sending.stats

    def truth(self) -> Iterator[Told]:
        """The end of every message for every recipient, as it is or will be told."""
        for message in self._archive:
            for number, code in zip(message.recipients, message.ends, strict=True):
                yield Told(message.id, number, fate_of(code))

    def receive(self, sender: str, to: Sequence[str], text: str) -> str:
        """Take a message to the account's number `to[0]`; its id."""
        now = self._clock()
        id_ = new_id(now, self._random)
        self._carriers.receive(id_=id_, now=now, sender=sender, to=to, text=text)
        return id_

    def _routed(self, request: Request) -> Reply:
        path, _, query = request.target.partition("?")
        account = _account(path)
        match request.method:
            case "POST" if account:
                return self._sending.answer(request, account)
            case "GET" if account:
                return self._search(request, account, query)
            case "POST" if path == _TOKEN_PATH:
                return self.gatekeeper.issue(request)
        place = place_of(path)
        found = place and self._media.answer(request, place)
        if found:
            return found
        if account or place or path == _TOKEN_PATH:
            return answers.method_not_allowed(request.method)
        return answers.not_found(path, self._clock())

    def _search(self, request: Request, account: str, query: str) -> Reply:
        self._sending.stats.searches += 1
        now = self._clock()
        wait = self._quota.refused_for(request.peer, now)
        if wait is not None:
            return answers.searched_too_often(wait)
        if not self.gatekeeper.admits(request, account):
            return answers.UNAUTHORIZED
        try:
            asked = read_query(dict(parse_qsl(query, keep_blank_values=True)), now)
        except BadQuery as error:
            return answers.invalid(error.errors)
        visible = replace(asked, end=min(asked.end, now - self._config.index_lag))
        found = Search(self._archive, account, visible, self._config.layout, now)
        return answers.json_reply(200, found.answer())


@lru_cache(maxsize=1024)
def _account(path: str) -> str | None:
    """The account in `{any prefix}/users/{account}/messages`, else None."""
    head, _, last = path.rpartition("/")
    head, _, account = head.rpartition("/")
    if last != "messages" or not head.endswith("/users"):
        return None
    return unquote(account) or None
