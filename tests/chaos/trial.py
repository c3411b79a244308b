"""One trial of the fault matrix: a campaign, a fault, and what the provider says.

A `Row` is data: how the parts are set up, what goes wrong, what must hold in the end.
`play` runs it against real processes. The provider's own record is the witness; what
the ledger says is only compared with it.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Literal, Self, TypeVar

from dispatcher import DispatchError, Run
from dispatcher.simulator import Fault
from tests.stack import SENDER, Stack, Witness, Worker, eventually

#: Seconds for anything a trial waits for that is not a promise: it only ends a hang.
PATIENCE: Final = 180.0
#: Seconds from the act to the kept promise, before it counts as broken.
SETTLE: Final = 120.0
#: Children of one worker, and requests in flight in each of them.
CHILDREN: Final = 2
SLOTS: Final = 32
#: Seconds between two looks at the end.
LOOK: Final = 1.0
#: Seconds between two looks at which groups are unknown.
GLANCE: Final = 0.1

Act = Callable[["Scene"], None]
Part = TypeVar("Part", bound=AbstractContextManager[Any])
Promise = Callable[["Scene", Witness], Iterator[str]]


def nothing(_: Scene) -> None:
    """The fault is in the set-up, and lasts."""


# -- promises ------------------------------------------------------------------


def never_twice(scene: Scene, witness: Witness) -> Iterator[str]:
    """Policy hold: nothing lost or doubled, and held is what was never taken."""
    yield from booked_as_taken(scene, witness)
    if witness.doubled:
        yield f"{witness.doubled} groups were taken more than once"
    held = {result.number for result in witness.in_state("held")}
    told = {result.number for result in witness.results if result.state in _REFUSED}
    untaken = set(witness.missing)
    if held != untaken - told:
        yield f"{len(held)} are held, {len(untaken - told)} were never taken"


def little_in_doubt(scene: Scene, witness: Witness) -> Iterator[str]:
    """Of what a dead process held, only what it had on the wire became unknown."""
    yield from never_twice(scene, witness)
    lost = sum(said["unknown"] for said in scene.logged("claims.lapsed"))
    most = SLOTS * scene.killed
    if lost > most:
        yield f"{lost} groups became unknown, the dead had {most} slots"


def all_sent(scene: Scene, witness: Witness) -> Iterator[str]:
    """Every group was taken exactly once."""
    yield from never_twice(scene, witness)
    if witness.missing:
        yield f"{len(witness.missing)} groups were never taken"


def doubles_told(scene: Scene, witness: Witness) -> Iterator[str]:
    """Policy resend, too early: what was taken twice is counted and shown."""
    yield from booked_as_taken(scene, witness)
    if witness.missing:
        yield f"{len(witness.missing)} groups were never taken"
    told = scene.run.progress().doubled
    if told != witness.extra:
        yield f"{told} are told as doubled, {witness.extra} were taken again"
    if not told:
        yield "nothing was doubled: the row shows nothing"


def poison_told(scene: Scene, witness: Witness) -> Iterator[str]:
    """The one group that kills workers is given up and told, all others are sent."""
    yield from never_twice(scene, witness)
    given_up = [(r.number, r.error and r.error.code) for r in _cancelled(witness)]
    if given_up != [(POISONED, "poison")]:
        yield f"given up are {given_up}"
    if witness.missing != [POISONED]:
        yield f"{len(witness.missing)} groups were never taken"


#: The group of the row `poison` that kills whoever is about to send it.
POISONED: Final = 5

_REFUSED: Final = frozenset({"failed", "cancelled"})


def booked_as_taken(scene: Scene, witness: Witness) -> Iterator[str]:
    """What holds under any policy: the books say what the provider says."""
    yield from scene.findings
    if witness.lost:
        yield f"{len(witness.lost)} groups were never taken, and nobody is told"
    if witness.unbooked:
        yield f"{len(witness.unbooked)} groups were taken and are not accepted"
    if witness.misbooked:
        yield f"{len(witness.misbooked)} groups are accepted under a wrong id"
    if witness.foreign:
        yield f"{witness.foreign} messages are no group of ours"
    if unknown := witness.in_state("unknown"):
        yield f"{len(unknown)} groups are still unknown"
    yield from scene.run.verify().differences


def _cancelled(witness: Witness) -> list[Any]:
    return list(witness.in_state("cancelled"))


# -- rows ----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Row:
    """One fault of the matrix.

    Attributes:
        name: For the command line.
        fault: For the reader of the table.
        act: Brings the fault about, once the workers send.
        promise: What must hold in the end; says what does not.
        runs: At most so many, however many are asked for.
        groups: Of the campaign.
        people: In each group.
        rate: Units a second: it keeps the campaign going while the fault lasts.
        workers: Started before the act; 0 leaves it to the act.
        submits: Whether the campaign is submitted before the act.
        policy: What follows when nobody can know.
        faults: The provider's from the start, KIND=SHARE.
        index_lag: Seconds before the provider's search shows a message.
        settings: Further environment of workers and client.
    """

    name: str
    fault: str
    act: Act = nothing
    promise: Promise = never_twice
    runs: int = 3
    groups: int = 2000
    people: int = 10
    rate: int = 1500
    workers: int = 2
    submits: bool = True
    policy: Literal["hold", "resend"] = "hold"
    faults: Sequence[str] = ()
    index_lag: float = 1.0
    settings: Mapping[str, str] = field(default_factory=dict)


class Scene:
    """What an act works with; a context manager that ends all of it.

    Attributes:
        findings: What an act found wrong by itself.
        ended_at: When the fault ended or a worker ran again, epoch seconds.
        run: The campaign.
        killed: Worker children that an act killed.
    """

    run: Run
    killed: int = 0

    def __init__(self, row: Row, directory: Path) -> None:
        self.row = row
        self.directory = directory
        self.findings: list[str] = []
        self.ended_at: float | None = None
        self.seen_unknown: set[int] = set()
        self.stack = Stack(
            directory,
            latency_ms=200,
            faults=row.faults,
            rate=str(row.rate),
            settings=_settings(row),
            index_lag=row.index_lag,
        )
        self._over = threading.Event()

    def __enter__(self) -> Self:
        with ExitStack() as parts:
            self._helpers = parts.enter_context(ExitStack())
            parts.enter_context(self.stack)
            observer = threading.Thread(target=self._observe)
            observer.start()
            parts.callback(observer.join)
            parts.callback(self._over.set)
            self._parts = parts.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._parts.close()

    # -- for acts ----------------------------------------------------------

    def worker(self, app: str = "workers", **env: str) -> Worker:
        """A further worker; if the fault ends by it, say `ended` before."""
        return self.stack.worker(children=CHILDREN, app=app, **env)

    def hold(self, part: Part) -> Part:
        """Enter a context; it ends with the scene, after the workers."""
        self._helpers.enter_context(part)
        return part

    def under_way(self, share: float = 0.1) -> None:
        """Wait until the provider took this share of the groups."""
        enough = self.row.groups * share
        eventually(lambda: self.taken() >= enough, PATIENCE, "groups are taken")

    def taken(self) -> int:
        """Messages that the provider took so far."""
        return self.stack.simulator.stats().taken

    def ended(self) -> None:
        """The fault ends now, or a worker runs again."""
        self.ended_at = time.time()

    def provider(self, **shares: float) -> None:
        """The faults of the provider from now on."""
        orders = {Fault(name.replace("_", "-")): s for name, s in shares.items()}
        self.stack.simulator.set_faults(orders)

    def expect(self, what: str, *, so: bool) -> None:
        """Note as a finding what is not so."""
        if not so:
            self.findings.append(f"not so: {what}")

    def logged(self, event: str) -> list[dict[str, Any]]:
        """What all workers said under this name."""
        return self.stack.logged(event)

    def until_logged(self, event: str) -> None:
        """Wait until a worker says so."""
        eventually(lambda: bool(self.logged(event)), PATIENCE, event)

    # -- watching ----------------------------------------------------------

    def _observe(self) -> None:
        """Which groups are ever unknown: the books at the end do not say."""
        with self.stack.client() as client:
            while not self._over.wait(GLANCE):
                # A Redis that is away is a fault of the row, not of the observer.
                with suppress(DispatchError):
                    found = client.ledger.unknown_before(float("inf"), 10**6)
                    self.seen_unknown |= {group for _, group in found}


def _settings(row: Row) -> dict[str, str]:
    return {
        "DISPATCHER_UNKNOWN_POLICY": row.policy,
        "DISPATCHER_UNKNOWN_GRACE": "10",
        "DISPATCHER_HTTP_DEADLINE": "3",
        "DISPATCHER_SLOTS": str(SLOTS),
        "BW_NUMBER": SENDER,
        **row.settings,
    }


# -- playing -------------------------------------------------------------------


@dataclass(frozen=True)
class Verdict:
    """How one trial went.

    Attributes:
        broken: What of the promise does not hold; empty when it is kept.
        resolved: Groups that were ever unknown, by what settled them.
        resume_s: From the end of the fault to the next group taken and answered.
        took_s: The whole trial.
    """

    groups: int
    lost: int
    doubled: int
    unknown: int
    held: int
    broken: tuple[str, ...]
    resolved: Mapping[str, int]
    resume_s: float | None
    took_s: float


def play(row: Row, logs: Path | None = None) -> Verdict:
    """Run one row once. Only a fault of the trial itself raises.

    Args:
        row: What goes wrong, and what must hold.
        logs: Where the workers' logs go when a promise is broken.
    """
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as directory, Scene(row, Path(directory)) as on:
        if row.submits:
            people = row.groups * row.people
            on.run = on.stack.submit(people, group_size=row.people)
        for _ in range(row.workers):
            on.worker()
        row.act(on)
        witness, broken = _settled(on)
        if broken and logs:
            (logs / f"{row.name}.log").write_text(on.stack.logs(), "utf-8")
        return Verdict(
            groups=len(witness.results),
            lost=len(witness.lost),
            doubled=witness.doubled,
            unknown=len(witness.in_state("unknown")),
            held=len(witness.in_state("held")),
            broken=tuple(broken),
            resolved=_resolved(on, witness),
            resume_s=_resume_s(on),
            took_s=time.monotonic() - begun,
        )


def _settled(scene: Scene) -> tuple[Witness, list[str]]:
    """Once the promise is kept; else what is broken when the time is over."""
    end = time.monotonic() + SETTLE
    while True:
        over = time.monotonic() > end
        progress = scene.run.progress()
        if progress.finished or over:
            witness = scene.stack.witness(scene.run)
            broken = list(scene.row.promise(scene, witness))
            if not progress.finished:
                broken.append(f"the campaign is {progress.state} {progress.reason}")
            if not broken or over:
                return witness, broken
        time.sleep(LOOK)


def _resolved(scene: Scene, witness: Witness) -> dict[str, int]:
    """What settled each group that was ever unknown; the first that applies."""
    unknown = scene.seen_unknown | _groups(scene, "send.ended", outcome="unknown")
    ways = {
        "sent again": _groups(scene, "doubt.settled", verdict="retry"),
        "held": {result.number for result in witness.in_state("held")},
        # One that overtakes the answer proves a group that was never unknown.
        "callback": _groups(scene, "group.proven") & unknown,
        "search": _groups(scene, "doubt.settled", verdict="accepted"),
        "late answer": unknown & {r.number for r in witness.in_state("accepted")},
    }
    counts, counted = dict[str, int](), set[int]()
    for way, groups in ways.items():
        if fresh := groups - counted:
            counts[way] = len(fresh)
        counted |= groups
    return counts


def _groups(scene: Scene, event: str, **fields: str) -> set[int]:
    """Of which it is logged."""
    return {
        said["group"]
        for said in scene.logged(event)
        if all(said[name] == value for name, value in fields.items())
    }


def _resume_s(scene: Scene) -> float | None:
    if scene.ended_at is None:
        return None
    answered = (
        entry.time
        for entry in scene.stack.simulator.record()
        if entry.taken and entry.status == HTTPStatus.ACCEPTED
    )
    later = [moment for moment in answered if moment >= scene.ended_at]
    return min(later) - scene.ended_at if later else None


def longest_gap(scene: Scene) -> float:
    """Seconds, the longest in which the provider took nothing."""
    times = sorted(e.time for e in scene.stack.simulator.record() if e.taken)
    return max((later - sooner for sooner, later in pairwise(times)), default=0.0)
