"""Rows of the fault matrix: Redis that dies, freezes, forgets or is full."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

from dispatcher import Refused
from tests import faults
from tests.chaos.trial import PATIENCE, Row, Scene
from tests.stack import Witness, eventually

#: Seconds that Redis is away, and that it gives no answer: longer than any client waits
#: for one (10 s).
AWAY: Final = 1.0
FROZEN: Final = 20.0
#: Seconds in which connections are cut one by one, and between two of them.
CUTTING: Final = 8.0
CUT_EVERY: Final = 0.1
#: Seconds without memory.
FULL: Final = 5.0


def crash(scene: Scene) -> None:
    """Killed, away for a moment, started again on its file."""
    scene.under_way()
    faults.crash(scene.stack.server)
    time.sleep(AWAY)
    scene.stack.server.start()
    scene.ended()


def freeze(scene: Scene) -> None:
    """There and deaf."""
    scene.under_way()
    with faults.frozen(faults.pid_of(scene.stack.server)):
        time.sleep(FROZEN)
    scene.ended()


def cut_all(scene: Scene) -> None:
    """Every connection at once."""
    scene.under_way()
    faults.cut_all(scene.stack.server.url)
    scene.ended()


def cut_each(scene: Scene) -> None:
    """One after the other, ten a second."""
    scene.under_way()
    end = time.monotonic() + CUTTING
    while time.monotonic() < end:
        faults.cut_each(scene.stack.server.url, CUT_EVERY)
    scene.ended()


def fill(scene: Scene) -> None:
    """No memory for a while; then there is more."""
    scene.under_way()
    with faults.full_memory(scene.stack.server.url):
        time.sleep(FULL)
    scene.ended()


def set_back(scene: Scene) -> None:
    """The file of a while ago: the ledger has forgotten what was sent since."""
    copy = scene.directory / "copy"
    scene.under_way()
    faults.keep_file(scene.stack.server, copy)
    scene.under_way(0.3)
    faults.crash(scene.stack.server)
    faults.put_back_file(scene.stack.server, copy)
    scene.stack.server.start()
    eventually(
        lambda: scene.run.progress().reason == "ledger", PATIENCE, "it is noticed"
    )
    try:
        scene.run.resume()
    except Refused:
        scene.run.cancel()
    else:
        scene.expect("nobody resumes it by mistake", so=False)


def noticed(scene: Scene, witness: Witness) -> Iterator[str]:
    """Nothing is sent that may have been sent; what was forgotten stays so."""
    yield from scene.findings
    if witness.doubled:
        yield f"{witness.doubled} groups were taken more than once"
    if witness.lost:
        yield f"{len(witness.lost)} groups were never taken, and nobody is told"
    if unknown := witness.in_state("unknown"):
        yield f"{len(unknown)} groups are still unknown"
    if not witness.unbooked:
        yield "nothing was forgotten: the row shows nothing"
    yield from scene.run.verify().differences


ROWS: Final = (
    Row(
        name="redis-crash",
        fault="kill -9 of Redis, started again on its file",
        act=crash,
    ),
    Row(name="redis-freeze", fault="Redis frozen for 20 s", act=freeze),
    Row(
        name="redis-cut-all",
        fault="all connections to Redis cut at once",
        act=cut_all,
    ),
    Row(
        name="redis-cut-each",
        fault="connections to Redis cut one by one, ten a second, for 8 s",
        act=cut_each,
        groups=3000,
    ),
    Row(
        name="redis-full",
        fault="Redis out of memory for 5 s, then given more",
        act=fill,
    ),
    Row(
        name="redis-set-back",
        fault="Redis started on an old file: it paused until a person looked, who then "
        "cancelled",
        act=set_back,
        promise=noticed,
    ),
)
