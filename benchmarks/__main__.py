"""All benchmarks, one after the other; each also runs alone.

python -m benchmarks [--quick | --full] [--write]
"""

from __future__ import annotations

from benchmarks import sending
from benchmarks.harness import command

#: In the order of the page.
ALL = (sending.measure,)

if __name__ == "__main__":
    command.begin(*command.parse(None), ALL)
