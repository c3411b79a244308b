"""`python -m dispatcher.simulator`: the simulated provider as a program."""

from __future__ import annotations

import sys

from dispatcher.errors import InvalidInput
from dispatcher.simulator.options import from_arguments
from dispatcher.simulator.server import run


def main() -> int:
    """Run until a signal; the exit code."""
    try:
        run(from_arguments())
    except (InvalidInput, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
