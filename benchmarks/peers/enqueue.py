"""Puts N groups into the queue of one peer and tells how long that took.

    python -m benchmarks.peers.enqueue MODULE N

A process of its own, so that no peer has the imports and the memory of another.
"""

from __future__ import annotations

import importlib
import json
import sys
import time

from benchmarks.harness import job


def main() -> None:
    """Enqueue; the bodies are made before the clock starts."""
    module, count = sys.argv[1], int(sys.argv[2])
    peer = importlib.import_module(module)
    bodies = [job.body(group) for group in range(count)]
    began = time.perf_counter()
    peer.enqueue(bodies)
    print(json.dumps({"seconds": time.perf_counter() - began}))


if __name__ == "__main__":
    main()
