"""What this machine is, and what processes use of it.

Processor time is that of a process and all it started, read from the system: so work
that a framework does in helpers of its own counts too. It changes nothing.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import psutil

_MEGABYTE: Final = 1_000_000
#: Taken once: a benchmark may keep to fewer for a while.
_CORES: Final = len(os.sched_getaffinity(0))


def facts() -> str:
    """One line: day, cores, processor, memory, Python."""
    memory = psutil.virtual_memory().total / 2**30
    day = datetime.now(UTC).date().isoformat()
    python = f"Python {platform.python_version()}"
    return f"{day}, {cores()} cores ({_processor()}), {memory:.0f} GiB, {python}"


def cores() -> int:
    """How many this process may use."""
    return _CORES


def _processor() -> str:
    with suppress(OSError), Path("/proc/cpuinfo").open() as lines:
        for line in lines:
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.machine()


def busy() -> float:
    """Processes that wanted a core lately: the load average of one minute."""
    return os.getloadavg()[0]


def core_seconds(pids: Iterable[int]) -> float:
    """Seconds of a core that processes and their descendants used so far."""
    return sum(_used(process) for process in family(pids))


def _used(process: psutil.Process) -> float:
    with suppress(psutil.NoSuchProcess):
        times = process.cpu_times()
        return float(times.user + times.system)
    return 0.0


def family(pids: Iterable[int]) -> set[psutil.Process]:
    """Processes and all their descendants that live now."""
    found: set[psutil.Process] = set()
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            found |= {process, *process.children(recursive=True)}
    return found


def peak_memory(pid: int | str = "self") -> float:
    """The most memory that a process has held at once, megabytes (VmHWM)."""
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = [x for x in status.splitlines() if x.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024 / _MEGABYTE
