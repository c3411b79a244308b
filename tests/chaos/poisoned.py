"""Workers with one group in them that kills whoever is about to send it.

`celery -A tests.chaos.poisoned worker`. Stands for any input that crashes the process:
a fault in a C library, or the kernel that is out of memory. The product has no switch
for it.
"""

from __future__ import annotations

import os
import signal

from tests.chaos.trial import POISONED
from workers import celery
from workers.jobs import Job
from workers.sending import Sender

__all__ = ["celery"]

_run = Sender.run


async def _run_or_die(self: Sender, job: Job) -> str:
    """As a sender runs jobs, but for one."""
    if job.group == POISONED:
        os.kill(os.getpid(), signal.SIGKILL)
    return await _run(self, job)


Sender.run = _run_or_die  # type: ignore[method-assign]
