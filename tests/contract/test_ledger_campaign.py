"""A campaign's course: commands, done, reopened, errors, what counts as cancelled."""

from __future__ import annotations

import pytest

from dispatcher.ledger import calls
from dispatcher.ledger.keys import key
from tests.bench import DAWN_US, LAPSE_MS, Bench, ticket

NOW_MS = DAWN_US // 1000


def test_done(bench: Bench) -> None:
    """With the last group settled it is done, at that time."""
    bench.sent(2)
    bench.settle("accepted", 0, detail="m")
    assert bench.campaign() == "running"
    bench.clock.forward(1234)
    bench.settle("failed", 1, detail="400")
    assert bench.campaign() == "done"
    assert bench.row().ended_at == NOW_MS + 1234
    assert bench.claim().wait_ms is None


@pytest.mark.parametrize(
    ("verdicts", "state"),
    [
        ([], "running"),
        (["unknown"], "running"),
        (["unknown", "hold"], "done"),
        (["retry"], "running"),
        (["failed"], "done"),
        (["accepted"], "done"),
    ],
)
def test_when_it_is_done(bench: Bench, verdicts: list[str], state: str) -> None:
    """No group pending, claimed, sending, retry or unknown; held ones may remain."""
    bench.sent()
    for verdict in verdicts:
        bench.settle(verdict, detail="x")
    assert bench.campaign() == state


@pytest.mark.parametrize("way", ["ask failed", "ask held", "resolve held"])
def test_reopened(bench: Bench, way: str) -> None:
    """What a person asks for again opens it, and it is claimed."""
    bench.sent()
    if way == "ask failed":
        bench.settle("failed", detail="400")
    else:
        bench.settle("unknown")
        bench.settle("hold")
    assert bench.campaign() == "done"
    assert bench.settle("retry" if way == "resolve held" else "ask", token="") == 1
    assert bench.campaign() == "running"
    assert bench.row().ended_at == 0
    assert bench.claimed() == [("c", 0)]


def test_paused_and_resumed(bench: Bench) -> None:
    """It stops with its reason and goes on where it was."""
    bench.load()
    bench.claim(1)
    assert bench.control("pause", "by hand") == "paused"
    assert bench.campaign() == "paused(by hand)"
    bench.settle("back", 0, 0)
    assert bench.claim().groups == []
    assert bench.control("resume") == "running"
    assert bench.claimed() == [("c", 0), ("c", 1), ("c", 2)]


def test_a_second_pause_keeps_the_first_reason(bench: Bench) -> None:
    """What paused it first is what a person must look at."""
    bench.load()
    bench.control("pause", "by hand")
    assert bench.control("pause", "401") == "paused"
    assert bench.campaign() == "paused(by hand)"


def test_paused_campaigns_end(bench: Bench) -> None:
    """The last answer comes during the pause: nothing is left to resume."""
    bench.sent()
    bench.control("pause", "by hand")
    bench.settle("accepted", detail="m")
    assert bench.campaign() == "done"


def test_paused_before_its_time(bench: Bench) -> None:
    """A scheduled one that is paused and resumed still begins on time."""
    bench.load(starts_at=NOW_MS + 5000)
    bench.control("pause")
    assert bench.control("resume") == "scheduled"
    bench.clock.forward(4999)
    assert bench.claim().groups == []
    bench.control("pause")
    bench.clock.forward(1)
    assert bench.claim().groups == []
    assert bench.control("resume") == "running"
    assert len(bench.claim().groups) == 3


def test_a_refusal_from_before_the_resume_pauses_nothing(bench: Bench) -> None:
    """It speaks of what was mended; one of what was sent since then pauses again."""
    bench.load(groups=3)
    bench.claim(3)
    bench.gates([ticket(0), ticket(1)])
    assert bench.refused(0) == "paused"
    bench.clock.forward(1)
    bench.control("resume")
    assert bench.refused(1) == "running"
    bench.gate(2)
    assert bench.refused(2) == "paused"


@pytest.mark.parametrize("command", ["pause", "resume", "cancel"])
@pytest.mark.parametrize("end", ["done", "cancelled"])
def test_what_has_ended_obeys_nothing(bench: Bench, end: str, command: str) -> None:
    """Done and cancelled campaigns stay as they are."""
    bench.sent()
    bench.settle("accepted", detail="m") if end == "done" else bench.control("cancel")
    before = bench.dump()
    assert bench.control(command, "no") == end  # type: ignore[arg-type]
    assert bench.dump() == before


@pytest.mark.parametrize("command", ["pause", "resume", "cancel"])
def test_loading_and_unknown_campaigns(bench: Bench, command: str) -> None:
    """There is nothing to command before the commit."""
    bench.run(calls.begin("c", 60))
    for id_ in ("c", "gone"):
        call = calls.control(id_, command)  # type: ignore[arg-type]
        assert bench.ledger.run(call) is None
    assert bench.campaign() == "loading"


def test_cancel(bench: Bench) -> None:
    """What waits is cancelled at once; what is on its way comes to its end."""
    bench.load(groups=6)
    bench.claim(4)
    for group in (0, 1):
        bench.gate(group)
    bench.settle("retry", 0, detail="500", delay_ms=1000)
    assert bench.control("cancel", "by hand") == "cancelled"
    assert bench.counts() == {"cancelled": 3, "claimed": 2, "sending": 1}
    assert not bench.redis.exists(key("due", "load-c"))
    bench.settle("accepted", 1, detail="m")
    bench.settle("back", 2, 0)
    bench.clock.forward(LAPSE_MS)
    bench.lapse()
    assert bench.counts() == {"cancelled": 5, "accepted": 1}
    assert bench.campaign() == "cancelled(by hand)"
    assert bench.row().ended_at == NOW_MS
    assert bench.claim().wait_ms is None


@pytest.mark.parametrize(
    ("verdict", "state"),
    [
        ("retry", "cancelled"),
        ("back", "cancelled"),
        ("failed", "failed"),
        ("unknown", "unknown"),
        ("accepted", "accepted"),
    ],
)
def test_late_verdicts_on_a_cancelled_campaign(
    bench: Bench, verdict: str, state: str
) -> None:
    """To be tried again means cancelled now; everything else is what it is."""
    bench.sent()
    bench.control("cancel")
    assert bench.settle(verdict, detail="x") == 1
    assert bench.counts() == {state: 1}
    assert bench.settle(verdict, detail="x") == 0
    assert bench.counts() == {state: 1}


def test_unknown_ones_of_a_cancelled_campaign(bench: Bench) -> None:
    """Unknown is resolved there, too: held, then proven, or proven not sent."""
    bench.sent(3)
    bench.control("cancel")
    for group in range(3):
        bench.settle("unknown", group)
        bench.settle("hold", group)
    assert bench.counts() == {"held": 3}
    bench.settle("accepted", 0, detail="m", token="")
    bench.settle("retry", 1, token="")
    assert bench.counts() == {"accepted": 1, "cancelled": 1, "held": 1}


def test_error_counts(bench: Bench) -> None:
    """Failed groups by code, and the provider's sentence for each."""
    bench.sent(4)
    for group, code in enumerate(("400 a", "400 a", "403 b", "400 a")):
        bench.settle(
            "failed", group, detail=code, sentence=f"because {group}" * (group % 2)
        )
    row = bench.row()
    assert bench.ledger.error_counts(row) == {"400 a": 3, "403 b": 1}
    assert bench.ledger.sentences(row, [1, 2]) == ["because 1", ""]
    bench.settle("ask", 2)
    assert bench.ledger.error_counts(bench.row()) == {"400 a": 3}


@pytest.mark.parametrize(
    ("failed", "accepted", "state"),
    [
        (21, 79, "paused(error threshold)"),
        (20, 80, "running"),
        (99, 0, "running"),
        (100, 0, "paused(error threshold)"),
    ],
)
def test_error_threshold(bench: Bench, failed: int, accepted: int, state: str) -> None:
    """Over that share of at least a hundred it pauses; below it goes on."""
    bench.checked = False
    bench.load(groups=130, error_threshold=0.2)
    bench.claim(130)
    for group in range(failed + accepted):
        bench.gate(group)
        verdict = "accepted" if group < accepted else "failed"
        bench.settle(verdict, group, detail="x")
    assert bench.campaign() == state
    bench.check()


def test_started(bench: Bench) -> None:
    """It starts with its first send, once."""
    bench.load(groups=2)
    bench.claim()
    bench.clock.forward(500)
    bench.gate(0)
    bench.clock.forward(500)
    bench.gate(1)
    assert bench.row().started_at == NOW_MS + 500
