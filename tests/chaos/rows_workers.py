"""Rows of the fault matrix: workers that die, freeze or are stopped."""

from __future__ import annotations

import os
import signal
import time
from random import Random
from typing import Final

from tests.chaos.trial import (
    CHILDREN,
    PATIENCE,
    Row,
    Scene,
    all_sent,
    little_in_doubt,
    poison_told,
)
from tests.stack import Worker, eventually

#: Seconds: longer than a lease (30 s) and the time in which a lapsed one is noticed.
PAST_THE_LEASE: Final = 35.0
#: Seconds in which bytes that were written reach the provider.
ARRIVAL: Final = 0.5
#: Kills of the storm, and seconds between two of them.
KILLS: Final = 50
BETWEEN_KILLS: Final = (1.0, 3.0)
#: Seconds in which a worker that was asked to stop has ended.
STOP: Final = 20.0


def _workers(scene: Scene) -> list[Worker]:
    return scene.stack.workers


def _kill(scene: Scene, worker: Worker) -> None:
    """Parent and children at once."""
    scene.killed += CHILDREN
    worker.kill()


def _kill_child(scene: Scene, pid: int) -> None:
    scene.killed += 1
    os.kill(pid, signal.SIGKILL)


def _replace(scene: Scene) -> None:
    """A new worker, once what the dead wrote last has arrived."""
    time.sleep(ARRIVAL)
    scene.ended()
    scene.worker()


def kill_one(scene: Scene) -> None:
    """One of two, children and all."""
    scene.under_way()
    _kill(scene, _workers(scene)[0])
    scene.ended()


def kill_child(scene: Scene) -> None:
    """One of the four children; its parent makes another."""
    scene.under_way()
    _kill_child(scene, _workers(scene)[0].children[0])
    scene.ended()


def kill_all(scene: Scene) -> None:
    """Both workers; nobody is left until a new one starts."""
    scene.under_way()
    for worker in _workers(scene):
        _kill(scene, worker)
    _replace(scene)


def kill_parent(scene: Scene) -> None:
    """The only worker's parent: the kernel ends its children with it."""
    scene.under_way()
    scene.killed += CHILDREN
    os.kill(_workers(scene)[0].pid, signal.SIGKILL)
    _replace(scene)


def freeze(scene: Scene) -> None:
    """One of two, past its lease: others have its groups when it wakes."""
    scene.under_way()
    _workers(scene)[0].signal(signal.SIGSTOP)
    time.sleep(PAST_THE_LEASE)
    _workers(scene)[0].signal(signal.SIGCONT)
    scene.ended()


def freeze_all(scene: Scene) -> None:
    """The only worker, as when a laptop sleeps: it wakes up with stale leases."""
    scene.under_way()
    _workers(scene)[0].signal(signal.SIGSTOP)
    time.sleep(PAST_THE_LEASE)
    _workers(scene)[0].signal(signal.SIGCONT)
    scene.ended()


def stop(scene: Scene) -> None:
    """SIGTERM to the only worker, as an orchestrator does; then another one."""
    scene.under_way()
    _workers(scene)[0].terminate()
    scene.expect("exit 0", so=_workers(scene)[0].wait(STOP + PATIENCE) == 0)
    counts = scene.run.progress().counts
    left = {state: counts[state] for state in ("claimed", "sending", "unknown")}
    scene.expect(f"nothing is left behind, but {left}", so=not any(left.values()))
    _replace(scene)


def poison(scene: Scene) -> None:
    """A group whose handling kills its child before the gate, whoever takes it."""
    scene.worker("tests.chaos.poisoned")
    scene.worker("tests.chaos.poisoned")
    eventually(
        lambda: bool(scene.run.progress().counts["cancelled"]),
        3 * PATIENCE,
        "the group is given up",
    )


def storm(scene: Scene) -> None:
    """Fifty kills while the campaign runs, of a whole worker or of one child."""
    random = Random(scene.row.name)
    crew = list(_workers(scene))
    scene.under_way(0.01)
    for _ in range(KILLS):
        time.sleep(random.uniform(*BETWEEN_KILLS))
        place = random.randrange(len(crew))
        if random.random() < 0.5 and (children := crew[place].children):
            _kill_child(scene, random.choice(children))
        else:
            _kill(scene, crew[place])
            crew[place] = scene.worker()
    scene.expect("it outlasts the kills", so=not scene.run.progress().finished)
    scene.ended()
    scene.run.wait(timeout=5 * PATIENCE)


ROWS: Final = (
    Row(
        name="kill-worker",
        fault="kill -9 of one of two workers",
        act=kill_one,
        promise=little_in_doubt,
    ),
    Row(
        name="kill-child",
        fault="kill -9 of one worker child",
        act=kill_child,
        promise=little_in_doubt,
    ),
    Row(
        name="kill-all",
        fault="kill -9 of all workers, then a new one",
        act=kill_all,
        promise=little_in_doubt,
    ),
    Row(
        name="kill-parent",
        fault="kill -9 of the only worker's parent process alone, then a new worker",
        act=kill_parent,
        promise=little_in_doubt,
        workers=1,
    ),
    Row(
        name="freeze-worker",
        fault="one of two workers frozen (SIGSTOP) past its lease, then thawed",
        act=freeze,
        groups=3000,
        rate=600,
    ),
    Row(
        name="freeze-all",
        fault="the only worker frozen past its lease, then thawed",
        act=freeze_all,
        workers=1,
    ),
    Row(
        name="stop",
        fault="SIGTERM to the only worker, then a new one",
        act=stop,
        promise=all_sent,
        workers=1,
    ),
    Row(
        name="poison",
        fault="a group that kills every child that is about to send it",
        act=poison,
        promise=poison_told,
        workers=0,
    ),
    Row(
        name="storm",
        fault="50 random kill -9 of workers or their children in one campaign",
        act=storm,
        promise=little_in_doubt,
        runs=1,
        groups=10_000,
        rate=900,
        workers=4,
    ),
)
