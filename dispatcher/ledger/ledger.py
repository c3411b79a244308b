"""The ledger: the truth about every campaign and group, in one Redis primary.

`Ledger` blocks (producer, commands); `AsyncLedger` (`async_ledger.py`) serves the
workers' event loop. Both run the same scripts. Neither ever repeats a call by itself.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from redis.exceptions import NoScriptError

from dispatcher.errors import CampaignArchived, LedgerError, UnknownCampaign
from dispatcher.ledger import connection, scripts, server
from dispatcher.ledger.calls import Rates
from dispatcher.ledger.circumstances import Circumstances, look
from dispatcher.ledger.codec import CHUNK_GROUPS, Record, unpack_chunk
from dispatcher.ledger.graves import Graves
from dispatcher.ledger.keys import key
from dispatcher.ledger.loads import Loads
from dispatcher.ledger.rows import CampaignRow, GroupRow, LaneRow, MemberChunk
from dispatcher.ledger.scripts import Call, Clock, evalsha, server_clock
from dispatcher.ledger.server import Remark
from dispatcher.ledger.states import CampaignState
from dispatcher.ledger.vitals import vitals

T = TypeVar("T")

#: Fields of a large hash read at once: some 50 KB, and Redis busy for a millisecond.
PAGE: Final = 2000
#: Campaigns read at once: each some 1 KB, up to 10 KB with a long text.
CAMPAIGNS_PAGE: Final = 200

#: A hash as Redis returns it.
_Hash = dict[bytes, bytes]


class Ledger(Loads, Graves):
    """The ledger over a blocking connection.

    Args:
        url: Address of the Redis primary.
        clock: For tests only; production uses Redis's own clock.

    Raises:
        LedgerUnreachable, LedgerError: From every method, when Redis cannot serve.
    """

    def __init__(self, url: str, *, clock: Clock = server_clock) -> None:
        self._redis = connection.connect(url)
        self._clock = clock

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._redis.close()

    def run(self, call: Call[T]) -> T:
        """Carry out one script."""
        with connection.faults():
            arguments = evalsha(call, self._clock())
            try:
                return call.read(self._redis.evalsha(*arguments))
            except NoScriptError:
                # The server did not run it: a fresh server, or a flushed cache.
                self._redis.script_load(scripts.source(call.script))
                return call.read(self._redis.evalsha(*arguments))

    def check(self) -> None:
        """Make sure that the server can be a ledger at all.

        Raises:
            LedgerError: It is a cluster node or a read-only replica.
        """
        with connection.faults():
            info: Any = self._redis.info("all")
        if (found := server.role(info)).level == "fault":
            raise LedgerError(str(found))

    def check_safety(self, *, insisted: bool) -> list[Remark]:
        """Make sure that the server keeps what it is told.

        Args:
            insisted: The user wants this server, whatever it loses.

        Returns:
            What to warn of.

        Raises:
            LedgerError: It may evict, or keeps nothing over a restart.
        """
        with connection.faults():
            facts = connection.facts_of(self._redis)
        found = [remark for remark in server.safety(facts) if remark.level != "ok"]
        faults = [remark for remark in found if remark.level == "fault"]
        if faults and not insisted:
            raise LedgerError(
                ". ".join(map(str, faults))
                + f", or {server.INSIST} to use it all the same"
            )
        return found

    # -- reading -----------------------------------------------------------

    def campaign(self, id: str) -> CampaignRow:  # noqa: A002 - the public word for it
        """One campaign.

        Raises:
            UnknownCampaign: No campaign has that id.
            CampaignArchived: It had one.
        """
        with connection.faults():
            raw: Any = self._redis.hgetall(key("campaign", id))
        return _campaign(id, raw)

    def campaign_ids(self) -> list[str]:
        """Ids of all campaigns, oldest first; not of loads that died and expired."""
        with connection.faults():
            raw: Any = self._redis.zrange(key("campaigns"), 0, -1)
            ids = [id_.decode() for id_ in raw]
            pipe = self._redis.pipeline(transaction=False)
            for id_ in ids:
                pipe.exists(key("campaign", id_))
            alive = pipe.execute() if ids else []
        return [id_ for id_, there in zip(ids, alive, strict=True) if there]

    def newest(self, first: int, count: int) -> list[str]:
        """Ids of some campaigns, newest first; some may be gone."""
        with connection.faults():
            raw: Any = self._redis.zrevrange(key("campaigns"), first, first + count - 1)
        return [id_.decode() for id_ in raw]

    def campaigns(self, *, but: Container[str] = ()) -> Iterator[CampaignRow]:
        """All campaigns but some, oldest first; not of loads that died and expired.

        Read in pages: what is begun or given up meanwhile may be there or not.
        """
        with connection.faults():
            raw: Any = self._redis.zrange(key("campaigns"), 0, -1)
        ids = [id_ for id_ in map(bytes.decode, raw) if id_ not in but]
        for first in range(0, len(ids), CAMPAIGNS_PAGE):
            yield from self._campaigns(ids[first : first + CAMPAIGNS_PAGE])

    def _campaigns(self, ids: Sequence[str]) -> Iterator[CampaignRow]:
        pipe = self._redis.pipeline(transaction=False)
        for id_ in ids:
            pipe.hgetall(key("campaign", id_))
        with connection.faults():
            stored = pipe.execute()
        for id_, fields in zip(ids, stored, strict=True):
            with suppress(UnknownCampaign):
                yield _campaign(id_, fields)

    def groups(self, row: CampaignRow) -> Iterator[GroupRow]:
        """Every group of a campaign with its record, streamed chunk by chunk."""
        for number in range(-(-row.groups // CHUNK_GROUPS)):
            yield from self._chunk(row, number).rows(row)

    def group(self, row: CampaignRow, group: int) -> GroupRow:
        """One group.

        Raises:
            UnknownCampaign: The campaign has no group of that number.
        """
        if not 0 <= group < row.groups:
            raise UnknownCampaign(
                f"campaign {row.id!r} has groups 0 to {row.groups - 1}, not {group}"
            )
        chunk, place = divmod(group, CHUNK_GROUPS)
        return self.chunk(row, chunk)[place]

    def _chunk(self, row: CampaignRow, number: int) -> MemberChunk:
        # Of one instant: else groups of a campaign that is removed may seem untouched.
        pipe = self._redis.pipeline(transaction=True)
        pipe.get(key("groups", row.load, number))
        pipe.hgetall(key("records", row.load, number))
        pipe.hgetall(key("delivery", row.load, number))
        with connection.faults():
            packed, records, deliveries = pipe.execute()
        return self._member_chunk(row, number, packed, records, deliveries)

    def lanes(self, row: CampaignRow) -> list[LaneRow]:
        """Its runs of groups; one of them all for a campaign without sending hours."""
        with connection.faults():
            raw: Any = self._redis.hgetall(key("lanes", row.load))
        return LaneRow.parse(row, raw)

    def due_groups(self, row: CampaignRow) -> set[int]:
        """Groups in the queue of those handed back."""
        with connection.faults():
            raw: Any = self._redis.zrange(key("due", row.load), 0, -1)
        return {int(group) for group in raw}

    def snapshot(
        self, row: CampaignRow
    ) -> tuple[CampaignRow, Iterator[GroupRow], set[int], int, list[LaneRow]]:
        """A campaign, groups, queue, extra ids and lanes, all of one instant."""
        chunks = range(-(-row.groups // CHUNK_GROUPS))
        pipe = self._redis.pipeline(transaction=True)
        pipe.hgetall(key("campaign", row.id))
        pipe.zrange(key("due", row.load), 0, -1)
        pipe.hlen(key("extra", row.load))
        pipe.hgetall(key("lanes", row.load))
        for number in chunks:
            pipe.hgetall(key("records", row.load, number))
            pipe.hgetall(key("delivery", row.load, number))
        with connection.faults():
            raw, due, extra, lanes, *stored = pipe.execute()
        now = _campaign(row.id, raw)
        groups = (
            group
            for number in chunks
            for group in self._whole(now, number, *stored[2 * number :][:2]).rows(now)
        )
        queue = {int(group) for group in due}
        return now, groups, queue, extra, LaneRow.parse(now, lanes)

    def _whole(
        self, row: CampaignRow, number: int, records: _Hash, deliveries: _Hash
    ) -> MemberChunk:
        with connection.faults():
            packed: Any = self._redis.get(key("groups", row.load, number))
        return self._member_chunk(row, number, packed, records, deliveries)

    def _member_chunk(
        self,
        row: CampaignRow,
        number: int,
        packed: bytes | None,
        records: _Hash,
        deliveries: _Hash,
    ) -> MemberChunk:
        if packed is None:
            # Archived meanwhile, as a rule: then that is what is told.
            self.campaign(row.id)
            raise LedgerError(f"chunk {number} of campaign {row.id!r} is missing")
        parsed = {int(group): Record.unpack(raw) for group, raw in records.items()}
        delivered = {int(group): raw for group, raw in deliveries.items()}
        return MemberChunk(number, unpack_chunk(packed), parsed, delivered)

    def circumstances(self, row: CampaignRow, rates: Rates) -> Circumstances:
        """What decides whether a campaign sends now.

        Raises:
            UnknownCampaign: It is gone.
        """
        if row.state == CampaignState.LOADING:
            return Circumstances(row.state)
        found = self.run(look(row.id, rates))
        if found is None:
            self.campaign(row.id)
            raise UnknownCampaign(f"no campaign has the id {row.id!r}")
        locks = [self.group(row, group).lock(row.sender) for group in found.waiting]
        locked, signs = self._locked(locks, found.now), self.run(vitals())
        return replace(found, locked=locked, children=signs.children, down=signs.down)

    def _locked(self, locks: list[str], now_ms: float) -> int:
        if not locks:
            return 0
        with connection.faults():
            ends: Any = self._redis.zmscore(key("locks"), locks)
        return sum(end is not None and end > now_ms for end in ends)

    def sentences(self, row: CampaignRow, groups: Sequence[int]) -> list[str]:
        """The provider's own words on failed groups ("" where it gave none)."""
        if not groups:
            return []
        with connection.faults():
            raw: Any = self._redis.hmget(key("why", row.load), [str(g) for g in groups])
        return [(text or b"").decode() for text in raw]

    def error_counts(self, row: CampaignRow) -> dict[str, int]:
        """Failed groups by error code."""
        with connection.faults():
            raw: Any = self._redis.hgetall(key("errors", row.load))
        return {code.decode(): int(n) for code, n in raw.items() if int(n)}

    def extra_ids(self, row: CampaignRow) -> dict[str, str]:
        """Message ids beyond the first: "group:serial" -> id."""
        with connection.faults():
            raw: Any = self._redis.hgetall(key("extra", row.load))
        return {name.decode(): id_.decode() for name, id_ in raw.items()}

    def unknown_before(self, ms: float, limit: int) -> list[tuple[str, int]]:
        """(id, group) of groups that became unknown at `ms` or earlier."""
        with connection.faults():
            raw: Any = self._redis.zrangebyscore(key("unknown"), "-inf", ms, 0, limit)
        pairs = (member.decode().rsplit("|", 1) for member in raw)
        return [(id_, int(group)) for id_, group in pairs]

    def awaiting(self) -> list[tuple[str, float]]:
        """Chunks with deliveries to come, "id|chunk", and since when, ms."""
        with connection.faults():
            raw: Any = self._redis.zrange(key("awaiting"), 0, -1, withscores=True)
        return [(name.decode(), since) for name, since in raw]

    def first_callback(self) -> bytes | None:
        """The body that waits first to be applied, if one does."""
        with connection.faults():
            raw: Any = self._redis.lindex(key("inbox"), 0)
        return raw if raw is None else bytes(raw)

    def chunk(self, row: CampaignRow, number: int) -> list[GroupRow]:
        """The groups of one chunk."""
        return list(self._chunk(row, number).rows(row))

    def now_ms(self) -> float:
        """The ledger's clock, ms since the epoch."""
        if (now := self._clock()) is not None:
            return now / 1000
        with connection.faults():
            time: Any = self._redis.time()
        seconds, micros = time
        return float(seconds * 1000 + micros / 1000)

    # -- what may hold millions --------------------------------------------

    def pages_of(self, name: str) -> Iterator[tuple[bytes, bytes]]:
        """Every field of a hash and its value, read in pages; one may come twice."""
        cursor = 0
        while True:
            with connection.faults():
                reply: Any = self._redis.hscan(name, cursor, count=PAGE)
            cursor, page = reply
            yield from page.items()
            if not cursor:
                return

    def size_of(self, name: str) -> int:
        """How many fields a hash has."""
        with connection.faults():
            size: Any = self._redis.hlen(name)
        return int(size)

    def members_of(self, name: str) -> list[str]:
        """The members of a small set, sorted."""
        with connection.faults():
            raw: Any = self._redis.smembers(name)
        return sorted(member.decode() for member in raw)

    def list_of(self, name: str) -> list[bytes]:
        """All of a short list."""
        with connection.faults():
            raw: Any = self._redis.lrange(name, 0, -1)
        return list(raw)

    # -- short leases ------------------------------------------------------

    def hold(self, name: str, holder: str, lease_ms: int) -> bool:
        """Whether this holder has the lease of that key now, for so long from now."""
        with connection.faults():
            if self._redis.set(name, holder, nx=True, px=lease_ms):
                return True
            if self._redis.get(name) != holder.encode():
                return False
            return bool(self._redis.pexpire(name, lease_ms))


def _campaign(id_: str, raw: _Hash) -> CampaignRow:
    """A stored campaign, unless there is none any more."""
    if not raw:
        raise UnknownCampaign(f"no campaign has the id {id_!r}")
    row = CampaignRow.parse(id_, raw)
    if row.state is CampaignState.ARCHIVED:
        raise CampaignArchived(_epitaph(row), row.archived_at)
    return row


def _epitaph(row: CampaignRow) -> str:
    at = datetime.fromtimestamp(row.archived_at / 1000, UTC)
    counts = (f"{n:,} {state.word}" for state, n in row.counts.items() if n)
    return (
        f"campaign {row.id!r} was archived on {at:%Y-%m-%d %H:%M} UTC to {row.where}: "
        f"{row.ended}, groups: {', '.join(counts)}"
    )
