"""The stop flag: one byte shared by the worker's parent and all its children.

Not a multiprocessing.Event: that holds a lock while it is looked at, and a
child killed at that moment would leave it locked for everybody.
"""

from __future__ import annotations

import mmap
from typing import Final

_FLAG: Final = mmap.mmap(-1, 1)


def ask() -> None:
    """Tell every child to claim nothing more."""
    _FLAG[0] = 1


def asked() -> bool:
    """Whether the worker was told to stop."""
    return _FLAG[0] == 1
