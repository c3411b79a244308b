"""How often Python looks for garbage, in processes that hold much for a short time."""

from __future__ import annotations

import gc
from typing import Final

#: Objects made and not yet gone before the collector looks; a request has about 30.
_GARBAGE: Final = 50_000


def look_rarely() -> None:
    """Call it once everything is loaded.

    Requests that wait for a disk or a provider look like a leak to Python's collector.
    At its usual threshold it goes through all of them again and again: a tenth of the
    processor's time.
    """
    gc.freeze()
    gc.set_threshold(_GARBAGE, *gc.get_threshold()[1:])
