"""The tag of a message, echoed by its callbacks: whose it is, and the user's words.

`load.group.serial`, then `.` and the user's own tag if there is one. The load is a
random nonce that the ledger knows, so nobody else's tag counts as ours; the serial
names one HTTP write. So an answer that got lost is found again without a message id.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

#: Characters that our part (`load.group.serial.`) may take. Raising it makes tags of
#: stored campaigns too long; lowering it makes ours overflow.
OWN_SPACE: Final = 40

_NUMBER: Final = r"(0|[1-9][0-9]{0,8})"
_OWN: Final = re.compile(rf"([0-9A-Za-z_-]{{1,32}})\.{_NUMBER}\.{_NUMBER}(?:\.|\Z)")


class Tag(NamedTuple):
    """What our part of a tag says.

    Attributes:
        load: The nonce of the campaign's load.
        group: The group's number.
        serial: The serial under which it was written.
    """

    load: str
    group: int
    serial: int


def build_tag(load: str, group: int, serial: int, own: str | None = None) -> str:
    """The tag of one write; `own` is the user's."""
    ours = f"{load}.{group}.{serial}"
    return f"{ours}.{own}" if own else ours


def read_tag(text: object) -> Tag | None:
    """Our part of an echoed tag; None if it cannot be one of ours."""
    found = _OWN.match(text) if isinstance(text, str) else None
    return Tag(found[1], int(found[2]), int(found[3])) if found else None
