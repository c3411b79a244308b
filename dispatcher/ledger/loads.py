"""Loads: lists that are written to the ledger and are no campaign's yet.

Nothing here makes one a campaign's (`commit.lua` does); until then it expires.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import redis

from dispatcher.lanes import Lane
from dispatcher.ledger import connection
from dispatcher.ledger.codec import Members, pack_chunk
from dispatcher.ledger.keys import key

#: Seconds until the chunks of a submission that died vanish. A living one
#: renews them well before (`renew_chunks`).
LOAD_TTL_S: Final = 3600


class Loads:
    """The part of `Ledger` that writes lists."""

    _redis: redis.Redis

    def put_chunks(
        self, load: str, first: int, chunks: Sequence[list[Members]]
    ) -> None:
        """Write whole chunks, `first` being the number of the first one."""
        pipe = self._redis.pipeline(transaction=False)
        for number, groups in enumerate(chunks, first):
            name = key("groups", load, number)
            pipe.set(name, pack_chunk(groups), ex=LOAD_TTL_S)
        with connection.faults():
            pipe.execute()

    def put_lanes(self, load: str, lanes: Sequence[Lane]) -> None:
        """Write which groups have which sending hours."""
        if not lanes:
            return
        name = key("lanes", load)
        stored: Any = {
            str(place): f"{lane.first} {lane.end} {lane.rule.stored()}"
            for place, lane in enumerate(lanes)
        }
        pipe = self._redis.pipeline(transaction=False)
        pipe.hset(name, mapping=stored)
        pipe.expire(name, LOAD_TTL_S)
        with connection.faults():
            pipe.execute()

    def renew_chunks(self, load: str, count: int) -> None:
        """Keep the chunks of a load that takes long."""
        pipe = self._redis.pipeline(transaction=False)
        for number in range(count):
            pipe.expire(key("groups", load, number), LOAD_TTL_S)
        with connection.faults():
            pipe.execute()

    def drop_chunks(self, load: str, count: int) -> None:
        """Remove a load that will not be committed.

        One that was committed stays, for a commit may have run though its reply got
        lost: it took the expiry from the chunks, and only what expires goes.
        """
        pipe = self._redis.pipeline(transaction=False)
        for number in range(count):
            pipe.expire(key("groups", load, number), 0, xx=True)
        pipe.expire(key("lanes", load), 0, xx=True)
        with connection.faults():
            pipe.execute()
