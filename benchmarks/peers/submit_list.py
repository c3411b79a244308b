"""Submits one list as a user's program does, and tells time and memory.

    python -m benchmarks.peers.submit_list LIST

A process of its own, so that its peak memory is that of a submission.
"""

from __future__ import annotations

import json
import os
import sys
import time

from benchmarks.harness import job, machine
from benchmarks.peers import ours
from dispatcher import Campaign, Dispatcher, read_recipients


def main() -> None:
    """Submit; imports and connections are there before the clock starts."""
    environ = ours.environment(job.redis_url(), os.environ[job.PROVIDER])
    environ["DISPATCHER_DATA_DIR"] = os.environ["DISPATCHER_DATA_DIR"]
    campaign = Campaign(sender=job.SENDER, text=job.TEXT, tag=job.TAG)
    with Dispatcher(ours.settings(environ)) as dispatcher:
        began, used = time.perf_counter(), time.process_time()
        run = dispatcher.submit(campaign, read_recipients(sys.argv[1]), id=ours.ID)
        seconds, core = time.perf_counter() - began, time.process_time() - used
        recipients = run.progress().recipients
    said = {"seconds": seconds, "core": core, "recipients": recipients}
    print(json.dumps({**said, "megabytes": machine.peak_memory()}))


if __name__ == "__main__":
    main()
