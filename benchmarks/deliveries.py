"""How many events a second does one process apply?

    python -m benchmarks.deliveries [--quick] [--write]

A real server that writes to its disk at every step, one campaign, two events
(sending, delivered) for each of ten members of each group, shuffled, one body each,
all waiting in the inbox when the clock starts.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import redis

from benchmarks.harness import command
from benchmarks.harness.command import Size
from benchmarks.harness.figures import table
from benchmarks.harness.report import Section
from dispatcher.campaign import Campaign
from dispatcher.embedded import EmbeddedServer
from dispatcher.ledger import calls
from dispatcher.ledger.async_ledger import AsyncLedger
from dispatcher.ledger.codec import in_chunks
from dispatcher.ledger.connection import ledger_url
from dispatcher.ledger.keys import key
from dispatcher.ledger.ledger import Ledger
from dispatcher.numbers import e164
from dispatcher.settings import Settings
from workers.deliveries import Deliveries

_LOAD = "ab12cd34ef"
_SENDER = "+19195551212"
_SIZE = 10
_BODY = (
    '[{"type":"%s","time":"2026-11-25T18:20:16.979Z","description":"ok","to":"%s",'
    '"message":{"id":"m%d","owner":"%s","applicationId":"93de2206","time":'
    '"2026-11-25T18:20:16.979Z","segmentCount":1,"direction":"out","to":[%s],'
    '"from":"+19195551212","text":"","tag":"%s.%d.1"}}]'
)


def _members(group: int) -> tuple[int, ...]:
    first = 12015550000 + group * _SIZE
    return tuple(range(first, first + _SIZE))


def _load(ledger: Ledger, groups: int) -> None:
    """A campaign whose groups are all accepted."""
    chunks = list(in_chunks(_members(group) for group in range(groups)))
    ledger.put_chunks(_LOAD, 0, chunks)
    spec = Campaign(sender=_SENDER, text="Doors open at six.").to_json()
    fields: dict[str, str | int | float] = {
        "groups": groups,
        "sender": _SENDER,
        "spec": spec,
    }
    ledger.run(calls.commit("bench", _LOAD, "content", len(chunks), fields))
    for first in range(0, groups, 200):
        proofs = [
            calls.Settlement("bench", g, 1, calls.Verdict.ACCEPTED, "x", f"m{g}")
            for g in range(first, min(groups, first + 200))
        ]
        ledger.run(calls.settle("", proofs))


def _bodies(groups: int) -> list[bytes]:
    bodies = []
    for group in range(groups):
        to = [e164(member) for member in _members(group)]
        listed = ",".join(f'"{number}"' for number in to)
        bodies += [
            (_BODY % (type_, number, group, number, listed, _LOAD, group)).encode()
            for number in to
            for type_ in ("message-sending", "message-delivered")
        ]
    random.Random(7).shuffle(bodies)  # noqa: S311 - the same order every time
    return bodies


async def _apply(url: str) -> tuple[float, float]:
    """Seconds on the clock and of this process's core."""
    ledger = AsyncLedger(url)
    applier = Deliveries(ledger, Settings.load())
    began, used = time.perf_counter(), time.process_time()
    while await applier.run_once() == 0:
        pass
    took = time.perf_counter() - began, time.process_time() - used
    await ledger.aclose()
    return took


def _core_of(client: redis.Redis) -> float:
    """Seconds of a core that the server used so far."""
    info: Any = client.info("cpu")
    return float(info["used_cpu_user"] + info["used_cpu_sys"])


_TEXT: Final = """\
Two events (sending, delivered) for each of ten members of {groups:,} groups, in no
order, one body each, all waiting in the inbox when the clock starts; one process
applies them.

{table}"""


def measure(size: Size) -> Section:
    """Apply what waits."""
    groups = size.pick(1000, 5000)
    bodies = _bodies(groups)
    with (
        tempfile.TemporaryDirectory() as directory,
        EmbeddedServer(Path(directory)) as server,
        Ledger(server.url) as ledger,
    ):
        _load(ledger, groups)
        with redis.Redis.from_url(ledger_url(server.url)) as client:
            for first in range(0, len(bodies), 1000):
                client.rpush(key("inbox"), *bodies[first : first + 1000])
            before = _core_of(client)
            seconds, core = asyncio.run(_apply(server.url))
            server_core = _core_of(client) - before
    rates = [len(bodies) / used for used in (seconds, core, server_core)]
    heads = ["events", "events/s", "a second of the applier's core", "of Redis's"]
    row = [f"{len(bodies):,}", *[f"{rate:,.0f}" for rate in rates]]
    text = _TEXT.format(groups=groups, table=table(heads, [row]))
    return Section("deliveries", "Applying callbacks", text)


if __name__ == "__main__":
    command.run(measure)
