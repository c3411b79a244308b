"""How much of Redis's memory does a recipient need, from submit to delivered?

    python -m benchmarks.memory [--quick | --full] [--write]

A real campaign through a real worker; Redis's own count of what it holds, against an
instance that has sent a few groups before. Beside it other ways to write the same
down.
"""

from __future__ import annotations

import asyncio
import json
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Final

import msgspec
import redis

from benchmarks.harness import command, job
from benchmarks.harness.command import Size
from benchmarks.harness.figures import table
from benchmarks.harness.report import Section
from benchmarks.harness.store import Store
from benchmarks.rig import Rig
from benchmarks.submit import shuffled
from dispatcher import Run
from dispatcher.ledger.async_ledger import AsyncLedger
from dispatcher.ledger.codec import CHUNK_GROUPS, Members, in_chunks, pack_chunk
from dispatcher.ledger.keys import key
from dispatcher.ledger.ledger import Ledger
from workers.deliveries import Deliveries

#: Recipients of the campaign that targets speak of, and of a large one.
SMALL, LARGE = 10_000, 1_000_000
#: Groups that one result is read and put into the inbox for at a time.
_BATCH: Final = 1000

KINDS: Final = ("groups", "records", "delivery", "rest")
STAGES: Final = (
    "submitted",
    "half sent",
    "finished, at once",
    "finished, locks gone",
    "all delivered",
)

_EVENT: Final = (
    '[{"type":"message-delivered","time":"2026-11-25T18:20:16.979Z",'
    '"description":"ok","to":"%s","message":{"id":"%s","owner":"%s",'
    '"applicationId":"93de2206","time":"2026-11-25T18:20:16.979Z","segmentCount":1,'
    '"direction":"out","to":[%s],"from":"%s","text":"","tag":"%s.%d.1"}}]'
)


@dataclass(frozen=True)
class Weight:
    """What a server holds at one stage, in bytes.

    Attributes:
        keys: By kind of key, as Redis tells of each.
        server: All in all, without clients and buffers.
    """

    keys: Counter[str]
    server: int


def stages(recipients: int) -> dict[str, Weight]:
    """What a campaign of so many needs, stage by stage."""
    found: dict[str, Weight] = {}
    with Rig() as rig:
        rig.warm()
        empty = weigh(rig.store)

        def note(stage: str) -> None:
            now = weigh(rig.store)
            now.keys.subtract(empty.keys)
            found[stage] = Weight(now.keys, now.server - empty.server)

        run = rig.submit(shuffled(recipients), "memory")
        note("submitted")
        rig.start()
        rig.until(lambda: run.progress().counts["accepted"] * 20 >= recipients)
        note("half sent")
        rig.finish()
        note("finished, at once")
        rig.until(lambda: not rig.store.client.zcard(key("locks")))
        note("finished, locks gone")
        deliver(rig, run)
        note("all delivered")
    return found


def weigh(store: Store) -> Weight:
    """What a server holds now."""
    return Weight(_by_kind(store.client), store.memory())


def _by_kind(client: redis.Redis) -> Counter[str]:
    """Bytes of all keys, by what they are for."""
    kinds: Counter[str] = Counter()
    for name in client.scan_iter(count=5000):
        kinds[_kind(name)] += client.memory_usage(name, samples=0) or 0
    return kinds


def _kind(name: bytes) -> str:
    words = name.decode(errors="replace").split(":")
    return next((word for word in words if word in KINDS), "rest")


def deliver(rig: Rig, run: Run) -> None:
    """One event for each recipient, applied as the receiver's process does."""
    with Ledger(rig.store.url) as ledger:
        load = ledger.campaign(run.id).load
    bodies = _events(run, load)
    while some := list(islice(bodies, _BATCH * job.SIZE)):
        rig.store.client.rpush(key("inbox"), *some)
        asyncio.run(_apply(rig))


def _events(run: Run, load: str) -> Iterator[str]:
    for result in run.results():
        to = ",".join(f'"{number}"' for number in result.to)
        for number in result.to:
            yield _EVENT % (
                *(number, result.message_id, job.SENDER, to, job.SENDER),
                *(load, result.number),
            )


async def _apply(rig: Rig) -> None:
    ledger = AsyncLedger(rig.store.url)
    applier = Deliveries(ledger, rig.settings)
    while rig.store.client.llen(key("inbox")):
        await applier.run_once()
    # What the next one finds must not be a lease of this one.
    rig.store.client.delete(key("applier"))
    await ledger.aclose()


# -- other ways ----------------------------------------------------------------


def _id(group: int) -> str:
    return f"{1_790_000_000_000 + group}lm4k2je7j7jk{group:04d}"


Write = Callable[[redis.Redis, int, list[Members]], object]


def _ours(client: redis.Redis, number: int, chunk: list[Members]) -> None:
    client.set(f"c:{number}", pack_chunk(chunk))


def _squeezed(client: redis.Redis, number: int, chunk: list[Members]) -> None:
    client.set(f"c:{number}", zlib.compress(pack_chunk(chunk), 6))


def _messagepack(client: redis.Redis, number: int, chunk: list[Members]) -> None:
    client.set(f"c:{number}", msgspec.msgpack.encode(chunk))


def _hash_of_json(client: redis.Redis, number: int, chunk: list[Members]) -> None:
    rows = {group: json.dumps(members) for group, members in enumerate(chunk)}
    client.hset(f"c:{number}", mapping=rows)  # type: ignore[arg-type]


def _key_each(client: redis.Redis, number: int, chunk: list[Members]) -> None:
    for group, members in enumerate(chunk, number * CHUNK_GROUPS):
        to = [f"+{member}" for member in members]
        client.set(f"group:{group}", json.dumps({"to": to, "state": "pending"}))


def _record_each(client: redis.Redis, number: int, chunk: list[Members]) -> None:
    for group, _ in enumerate(chunk, number * CHUNK_GROUPS):
        result = {"state": "accepted", "id": _id(group), "attempts": 1}
        client.set(f"result:{group}", json.dumps(result))


def _record_hash(client: redis.Redis, number: int, chunk: list[Members]) -> None:
    rows = {g: bytes(18) + _id(g).encode() for g, _ in enumerate(chunk)}
    client.hset(f"r:{number}", mapping=rows)  # type: ignore[arg-type]


WAYS: Final[dict[str, Write]] = {
    "numbers: a packed chunk of 128 groups, as here": _ours,
    "numbers: the same, zlib": _squeezed,
    "numbers: a MessagePack chunk of 128 groups": _messagepack,
    "numbers: a hash of 128 groups, JSON": _hash_of_json,
    "numbers: a key a group, JSON": _key_each,
    "message ids: a hash of 128 packed records": _record_hash,
    "message ids: a key a group, JSON": _record_each,
}


def ways(recipients: int) -> dict[str, float]:
    """Bytes a recipient if it were written down so."""
    chunks = list(in_chunks(_groups(recipients)))
    with Store("everysec") as store:
        return {name: _weigh(store, chunks, way) / recipients
                for name, way in WAYS.items()}  # fmt: skip


def _groups(recipients: int) -> list[Members]:
    numbers = [int(number) for number in shuffled(recipients)]
    return [tuple(numbers[i : i + job.SIZE]) for i in range(0, recipients, job.SIZE)]


def _weigh(store: Store, chunks: list[list[Members]], way: Write) -> int:
    store.client.flushdb()
    for number, chunk in enumerate(chunks):
        way(store.client, number, chunk)
    return _by_kind(store.client).total()


# -- telling -------------------------------------------------------------------

_TEXT: Final = """\
Bytes of Redis a recipient: the sum over all keys, and in brackets all that the server
holds more than before, without clients and buffers (with few recipients that is mostly
its own). Groups of ten, numbers in no order, message ids of 29 characters. The lock on
sender and members lives until ten seconds after an outcome.

{stages}
By kind of key, once all is delivered:

{kinds}
Other ways to write the same down, {recipients:,} recipients:

{ways}"""

_Found = Mapping[int, Mapping[str, Weight]]


def measure(size: Size) -> Section:
    """Walk campaigns through their stages."""
    sizes = (SMALL,) if size.quick else (SMALL, 10 * SMALL, LARGE)
    found = {count: stages(count) for count in sizes}
    compared = [[way, f"{bytes_:.1f}"] for way, bytes_ in ways(SMALL).items()]
    text = _TEXT.format(
        stages=_stages(found),
        kinds=_kinds(found),
        recipients=SMALL,
        ways=table(["", "bytes"], compared),
    )
    return Section("memory", "Memory", text, {"bytes_finished": _finished(found)})


def _finished(found: _Found) -> float:
    """What the target speaks of: the worst of all sizes."""
    stage = "finished, locks gone"
    return max(at[stage].keys.total() / count for count, at in found.items())


def _stages(found: _Found) -> str:
    rows = [
        [f"{count:,}", *[_each(at[stage], count) for stage in STAGES]]
        for count, at in found.items()
    ]
    return table(["recipients", *STAGES], rows)


def _each(weight: Weight, count: int) -> str:
    return f"{weight.keys.total() / count:.1f} [{weight.server / count:.1f}]"


def _kinds(found: _Found) -> str:
    last = {count: at[STAGES[-1]].keys for count, at in found.items()}
    rows = [
        [f"{count:,}", *[f"{by[kind] / count:.2f}" for kind in KINDS]]
        for count, by in last.items()
    ]
    return table(["recipients", *KINDS], rows)


if __name__ == "__main__":
    command.run(measure)
