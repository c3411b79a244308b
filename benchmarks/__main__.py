"""All benchmarks, one after the other; each also runs alone.

python -m benchmarks [--quick | --full] [--write]
"""

from __future__ import annotations

from benchmarks import (
    callbacks,
    commands,
    deliveries,
    distant,
    memory,
    rate,
    scale,
    sending,
    steering,
    submit,
    where,
)
from benchmarks.harness import command

_MODULES = (
    *(sending, distant, where, submit, memory, commands, scale),
    *(rate, steering, callbacks, deliveries),
)

if __name__ == "__main__":
    command.begin(*command.parse(None), [module.measure for module in _MODULES])
