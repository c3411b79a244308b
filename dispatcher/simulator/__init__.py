"""A simulated provider of group messages, faithful down to its misbehaviour.

It stands in for Bandwidth's messaging API in tests, benchmarks and the demo, runs as
a process of its own, and keeps its own record of what reached it. It never sends a
message to anybody.
"""

from dispatcher.simulator.config import SimulatorConfig
from dispatcher.simulator.fates import Fate
from dispatcher.simulator.faults import Fault, parse_faults
from dispatcher.simulator.outbox import CallbackCounts
from dispatcher.simulator.process import Simulator
from dispatcher.simulator.record import Entry, read_record
from dispatcher.simulator.search import Layout
from dispatcher.simulator.server import run
from dispatcher.simulator.stats import Stats

__all__ = [
    "CallbackCounts",
    "Entry",
    "Fate",
    "Fault",
    "Layout",
    "Simulator",
    "SimulatorConfig",
    "Stats",
    "parse_faults",
    "read_record",
    "run",
]
