"""What the code of a failed group says: whether another try can fare better. No I/O.

These are codes of the send call ("400 request-validation"), not of a delivery
(codes.py).
"""

from __future__ import annotations

from typing import Final

#: Beginning of the code of a group that the provider never judged: it answered with
#: errors of its own until all attempts were used.
ATTEMPTS_USED_UP: Final = "attempts used up"


def may_be_retried(code: str) -> bool:
    """Whether the same message may be taken another time; a refusal is for good."""
    return code.startswith(ATTEMPTS_USED_UP)
