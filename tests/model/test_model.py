"""The model of the protocol: it holds, and the checker misses each protection."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

#: Seconds of work; building the checker takes most of them.
pytestmark = [pytest.mark.model, pytest.mark.timeout(900)]

SOURCE = Path(__file__).parents[2] / "docs" / "model" / "dispatcher.pml"
SWITCHES = {
    name: int(number)
    for name, number in re.findall(
        r"^#define (\w+) (\d+) +/\* \w+\.(?:lua|py):", SOURCE.read_text(), re.MULTILINE
    )
}
#: Mishaps in a run of the model as it is; `make model` tries more.
MISHAPS = int(os.environ.get("MODEL_MISHAPS", "2"))

#: Switch -> the mishaps it takes, the policy, and part of the rule that is broken.
NEEDED = {
    "NO_TOKEN_CHECK": (3, "hold", "taken<=1"),
    "NO_SERIAL_CHECK": (3, "hold", "prov["),
    "UNKNOWN_AS_UNSENT": (1, "hold", "taken<=1"),
    "LAPSE_GATED_AS_UNSENT": (1, "hold", "taken<=1"),
    "NOT_SENT_SETTLES_ANY": (2, "hold", "taken<=1"),
    "LATE_PROOF_IGNORED": (3, "hold", "reported"),
    "EXTRA_KEPT": (3, "hold", "reported"),
    "NO_DEQUEUE": (2, "hold", "state=="),
    "NO_SWEEP": (1, "hold", "state=="),
    "NO_RETIRE": (2, "hold", "taken<=1"),
    "TWO_JOBS_OF_A_GROUP": (2, "hold", "taken<=1"),
    "NO_PERMIT": (2, "resend", "taken<=1"),
    "RESEND_IN_WINDOW": (1, "resend", "taken<=1"),
}
#: Steps of the longest run that is looked at: the shortest faults of all are shorter.
DEPTH = {"NO_SERIAL_CHECK": 52}


@dataclass(frozen=True)
class Checker:
    """The model, built once for each way to search."""

    safety: Path
    cycles: Path

    def run(
        self, program: Path, mishaps: int, policy: str, switch: str = "", depth: int = 0
    ) -> str:
        """What the checker reports."""
        environment = {
            "MISHAPS": str(mishaps),
            "RESEND": str(int(policy == "resend")),
            "BROKEN": str(SWITCHES[switch] if switch else 0),
        }
        search = ["-l"] if program == self.cycles else []
        report = subprocess.run(
            [program, *search, f"-m{depth or 10_000}", "-w20"],
            env=environment,
            cwd=program.parent,
            capture_output=True,
            text=True,
            check=False,
        )
        return report.stdout


@pytest.fixture(scope="module")
def checker(tmp_path_factory: pytest.TempPathFactory) -> Checker:
    """Spin writes a checker in C."""
    if missing := [name for name in ("spin", "gcc") if not shutil.which(name)]:
        if os.environ.get("CI"):
            pytest.fail(f"not installed: {missing}")
        pytest.skip(f"not installed: {missing}")
    folder = tmp_path_factory.mktemp("model")
    subprocess.run(["spin", "-a", SOURCE], cwd=folder, check=True)
    builds = {"safety": ("-DSAFETY", "-O1"), "cycles": ("-DNP", "-O0")}
    for name, flags in builds.items():
        build = ["gcc", "-w", *flags, "-o", name, "pan.c"]
        subprocess.run(build, cwd=folder, check=True)
    return Checker(*(folder / name for name in builds))


@pytest.mark.parametrize("policy", ["hold", "resend"])
def test_the_protocol_holds(checker: Checker, policy: str) -> None:
    """No mixture of mishaps sends twice, loses the group or unbalances the books."""
    report = checker.run(checker.safety, MISHAPS, policy)
    assert "errors: 0" in report, report
    assert "max search depth too small" not in report
    assert stored(report) > 40_000


@pytest.mark.parametrize("policy", ["hold", "resend"])
def test_everything_comes_to_rest(checker: Checker, policy: str) -> None:
    """No run goes on for ever; where one ends, the group is final."""
    report = checker.run(checker.cycles, 2, policy)
    assert "errors: 0" in report, report
    assert "max search depth too small" not in report


@pytest.mark.parametrize("switch", NEEDED)
def test_every_protection_is_needed(checker: Checker, switch: str) -> None:
    """Without it the checker finds a run that breaks a rule."""
    mishaps, policy, rule = NEEDED[switch]
    report = checker.run(checker.safety, mishaps, policy, switch, DEPTH.get(switch, 0))
    (violated,) = re.findall(r"pan:1: assertion violated (.*)", report)
    assert rule in violated


def test_every_switch_is_tried() -> None:
    """The model names no other."""
    assert set(SWITCHES) == set(NEEDED)


def stored(report: str) -> int:
    """States that the checker saw."""
    (count,) = re.findall(r"(\d+) states, stored", report)
    return int(count)
