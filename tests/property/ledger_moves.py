"""What may happen to workers and their jobs, for the ledger's state machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import rule

from dispatcher.ledger.calls import LEASE_MS
from tests.bench import SIZE

if TYPE_CHECKING:
    from tests.property.test_ledger_machine import Machine

Place = tuple[str, int]

#: How a call fares: it runs and is answered, or its reply gets lost and it ran,
#: never ran, or runs when it likes.
FATES = st.sampled_from(["told"] * 4 + ["ran", "never", "later"])
#: What the provider does with a message, and what of it the worker gets to know.
ANSWERS = st.sampled_from(
    ["took", "refused", "refused", "failed", "took, lost", "took, lost", "lost"]
)
PICK = st.integers(0, 99)
Move = tuple[int, int, str, str]
MOVES = st.lists(
    st.tuples(PICK, st.integers(1, 3), FATES, ANSWERS), min_size=2, max_size=8
)
#: Who in a group opts out.
PLACES = st.sampled_from([(0,), (1, 3), tuple(range(SIZE))])
PAUSES = st.sampled_from([1, 700, 700, 5_000, LEASE_MS])
MISHAPS = st.sampled_from(
    [
        *["a worker dies", "a token is given back", "leases are renewed"] * 4,
        *["pause", "resume", "resume", "resume", "cancel"],
    ]
)

T = TypeVar("T")


def choose(things: list[T], pick: int) -> T:
    return things[pick % len(things)]


def after_work(**strategies: st.SearchStrategy[Any]) -> Callable[[Any], Any]:
    """A rule before which the workers make some moves.

    Were working a rule of its own, every second run would have it switched off, as
    the tool does with rules, and come nowhere.
    """

    def decorate(happens: Callable[..., None]) -> object:
        @wraps(happens)
        def rule_of(self: Machine, moves: list[Move], **drawn: object) -> None:
            for move in moves:
                self.work(*move)
                self.as_the_model_says()
            happens(self, **drawn)

        make_rule: Any = rule
        return make_rule(moves=MOVES, **strategies)(rule_of)

    return decorate


def lock_without(place: Place, dropped: int) -> str:
    """The lock of a group less some members; no two places have one in common."""
    return f"{place[0]}|{place[1]}|{dropped}"


@dataclass
class Worker:
    """A worker child; `token` is the one it claims under."""

    token: str


@dataclass
class Job:
    """A claimed group in the hands of a worker."""

    worker: Worker
    token: str
    place: Place
    serial: int
    #: claimed -> gated -> answered
    step: str = "claimed"
    #: What the provider told: (verdict, detail).
    answer: tuple[str, str] = ("", "")
    #: The serial is proven unsent and the ledger does not know that yet.
    unsent: bool = False
    #: Members whom the next send leaves out (mask).
    leaving_out: int = 0
