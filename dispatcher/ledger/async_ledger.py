"""The ledger for the workers' event loop; `ledger.py` is its blocking twin."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from redis.exceptions import NoScriptError

from dispatcher.errors import LedgerError, UnknownCampaign
from dispatcher.ledger import connection, scripts
from dispatcher.ledger.codec import Members, unpack_chunk
from dispatcher.ledger.keys import key
from dispatcher.ledger.scripts import Call, Clock, evalsha, server_clock

T = TypeVar("T")


class AsyncLedger:
    """What a worker child's event loop needs of the ledger.

    Args:
        url: Address of the Redis primary.
        clock: For tests only; production uses Redis's own clock.
    """

    def __init__(self, url: str, *, clock: Clock = server_clock) -> None:
        self._redis = connection.connect_async(url)
        self._clock = clock

    async def aclose(self) -> None:
        """Give the connections back."""
        await self._redis.aclose()

    async def run(self, call: Call[T]) -> T:
        """Carry out one script."""
        with connection.faults():
            arguments = evalsha(call, self._clock())
            try:
                return call.read(await self._evalsha(arguments))
            except NoScriptError:
                await self._redis.script_load(scripts.source(call.script))
                return call.read(await self._evalsha(arguments))

    async def _evalsha(self, arguments: tuple[Any, ...]) -> Any:  # noqa: ANN401
        return await self._redis.evalsha(*arguments)

    async def chunk(self, load: str, number: int) -> list[Members]:
        """The members of the groups of one chunk."""
        with connection.faults():
            packed: Any = await self._redis.get(key("groups", load, number))
        if packed is None:
            raise LedgerError(f"chunk {number} of load {load} is missing")
        return unpack_chunk(packed)

    async def spec(self, id: str) -> str:  # noqa: A002 - the public word for it
        """The campaign as the producer stored it (JSON)."""
        with connection.faults():
            raw: Any = await self._redis.hget(key("campaign", id), "spec")
        if raw is None:
            raise UnknownCampaign(f"no campaign has the id {id!r}")
        return str(raw, "utf-8")

    async def ids_of(self, loads: Sequence[str]) -> list[str | None]:
        """The campaigns that these loads are the lists of; None where there is none."""
        with connection.faults():
            raw: Any = await self._redis.hmget(key("loads"), list(loads))
        return [id_ and id_.decode() for id_ in raw]

    async def left_out(self, load: str, group: int, serial: int) -> int:
        """The mask of the members left out of one send of a group."""
        with connection.faults():
            raw: Any = await self._redis.hget(key("masks", load), f"{group}:{serial}")
        return int(raw or 0)

    async def add_up(self, name: str, amounts: Mapping[str, int]) -> None:
        """Add to the counters in a hash; if that fails, some may be added."""
        pipe = self._redis.pipeline(transaction=False)
        for counter, amount in amounts.items():
            pipe.hincrby(name, counter, amount)
        with connection.faults():
            await pipe.execute()

    async def look_again(self, doubt: str, at_ms: float) -> None:
        """Look for a doubt later; nothing when it is not on the list any more."""
        with connection.faults():
            await self._redis.zadd(key("doubts"), {doubt: math.ceil(at_ms)}, xx=True)

    async def drop_doubt(self, doubt: str) -> None:
        """Look for a doubt no more."""
        with connection.faults():
            await self._redis.zrem(key("doubts"), doubt)
