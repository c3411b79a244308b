"""When a campaign's units were let through, and how many might have been: for a plot.

gate.lua counts them in slots of ten seconds; after twenty minutes in slots of twenty,
and so on: twice as long each time the campaign's age doubles. So a campaign of a month
has some 800 of them, and nothing ever has to be thinned out. No I/O.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

#: Seconds of the first slots, and how many of a length there are at first: for as long
#: as one campaign is looked at closely. Stored slots are lost when these change.
SLOT_S: Final = 10
SLOTS: Final = 120

_PERMITTED: Final = b":permitted"


@dataclass(frozen=True, slots=True)
class Slot:
    """A stretch of time in which something was let through.

    Attributes:
        start: Seconds from the campaign's first send to the stretch's beginning.
        units: Units let through in it.
        permitted: Units a second that might have been, at its beginning; None for no
            limit.
    """

    start: int
    units: int
    permitted: float | None

    @property
    def seconds(self) -> int:
        """How long it is."""
        return width_at(self.start)


def width_at(age: float) -> int:
    """Seconds of the slot that a campaign of this age, in seconds, is in."""
    width = SLOT_S
    while age >= width * SLOTS:
        width *= 2
    return width


def slots(raw: Mapping[bytes, bytes]) -> Iterator[Slot]:
    """Read the hash as Redis returns it: oldest first, without empty slots."""
    permitted: float | None = None
    for start in sorted(int(name) for name in raw if name.isdigit()):
        told = raw.get(b"%d%b" % (start, _PERMITTED))
        if told is not None:
            permitted = float(told) if told else None
        yield Slot(start, int(raw[b"%d" % start]), permitted)
