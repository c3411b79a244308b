"""The client on a real ledger: what a person's commands do, and what they refuse."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from dispatcher import (
    Campaign,
    CampaignArchived,
    ContentConflict,
    Dispatcher,
    InvalidInput,
    LedgerError,
    LedgerUnreachable,
    ListRejected,
    Refused,
    Run,
    Settings,
    UnknownCampaign,
    client,
)
from dispatcher.ledger.codec import member_lock
from dispatcher.ledger.graves import bury
from dispatcher.ledger.scripts import Call
from tests.bench import Bench, ticket

CAMPAIGN = Campaign(sender="+19195551212", text="Doors open at 6 pm.", group_size=2)
LIST = [f"+1919556{number:04}" for number in range(6)]


class Office:
    """A dispatcher on the bench's ledger, whose wake-ups are counted, not published.

    Attributes:
        sleeps: Seconds slept; `on_sleep` is what happens meanwhile.
    """

    def __init__(self, bench: Bench, dispatcher: Dispatcher) -> None:
        self.bench = bench
        self.dispatcher = dispatcher
        self.wakes = 0
        self.sleeps: list[float] = []
        self.on_sleep: Callable[[], object] = lambda: None

    def publish(self, _app: object) -> None:
        self.wakes += 1

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.bench.clock.forward(seconds * 1000)
        self.on_sleep()

    def monotonic(self) -> float:
        return self.bench.clock.us / 1e6

    def submit(self) -> Run:
        run = self.dispatcher.submit(CAMPAIGN, LIST, id="c")
        self.bench.loaded.append("c")
        return run

    def send(self, *groups: int, serial: int = 1) -> None:
        """Groups are claimed and pass the gate, with the locks that workers use."""
        self.bench.claim()
        items = [ticket(group, serial, lock=self.lock(group)) for group in groups]
        assert self.bench.gates(items) == [0] * len(groups)

    def lock(self, group: int) -> str:
        row = self.bench.row()
        return member_lock(row.sender, self.bench.ledger.group(row, group).members)

    def states(self) -> list[str]:
        return [self.bench.state(group) for group in range(3)]


@pytest.fixture
def office(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Office]:
    """An office with an empty ledger."""
    settings = Settings(
        DISPATCHER_REDIS_URL=bench.url,
        DISPATCHER_DATA_DIR=tmp_path,
        BW_APPLICATION_ID="the-application",
    )
    with Dispatcher(settings) as dispatcher:
        own, dispatcher.ledger = dispatcher.ledger, bench.ledger
        made = Office(bench, dispatcher)
        monkeypatch.setattr(client, "publish_wake_up", made.publish)
        monkeypatch.setattr("dispatcher.run.time", made)
        yield made
        dispatcher.ledger = own


# -- submitting ----------------------------------------------------------------


def test_submit(office: Office) -> None:
    """The campaign runs, one worker is called, and the run tells what was done."""
    run = office.submit()
    assert (run.id, repr(run)) == ("c", "Run('c')")
    assert run.submission
    assert (run.submission.groups, run.submission.existing) == (3, False)
    assert office.wakes == 1
    assert run.progress().state == "running"
    assert run.verify().balanced


def test_nothing_is_submitted_to_a_redis_that_keeps_nothing(
    office: Office, configure: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused before anything is written; whoever insists is warned, once."""
    insisting = office.dispatcher.settings.model_copy(
        update={"allow_unsafe_redis": True}
    )
    configure(maxmemory_policy="allkeys-lru")
    with pytest.raises(LedgerError, match="noeviction"):
        office.submit()
    assert office.bench.redis.dbsize() == 0
    monkeypatch.setattr(office.dispatcher, "settings", insisting)
    with capture_logs() as logs:
        office.submit()
        office.submit()
    found = [entry["found"] for entry in logs if entry["event"] == "redis.unsafe"]
    assert [text.split()[0] for text in found] == ["appendfsync", "maxmemory-policy"]


def test_submit_again(office: Office) -> None:
    """The same id and content: the same run; other content is refused."""
    office.submit()
    again = office.dispatcher.submit(CAMPAIGN, iter(LIST), id="c")
    assert again.submission
    assert again.submission.existing
    with pytest.raises(ContentConflict):
        office.dispatcher.submit(CAMPAIGN, LIST[:-1], id="c")
    assert len(office.dispatcher.campaigns()) == 1


def test_submit_without_an_id(office: Office) -> None:
    """Each gets an id of its own."""
    ids = {office.dispatcher.submit(CAMPAIGN, LIST).id for _ in range(3)}
    assert {run.id for run in office.dispatcher.campaigns()} == ids
    assert len(ids) == 3


def test_application_of_the_settings(office: Office) -> None:
    """A campaign without an application has that of the settings, as content, too."""
    office.submit()
    named = Campaign(**{**CAMPAIGN.model_dump(), "application_id": "the-application"})
    again = office.dispatcher.submit(named, LIST, id="c")
    assert again.submission
    assert again.submission.existing
    spec = json.loads(office.bench.row().spec)
    assert spec["application_id"] == "the-application"


def test_dry_run(office: Office) -> None:
    """Counts, calls nobody, keeps nothing."""
    order = office.dispatcher.order(CAMPAIGN, LIST, "c", dry_run=True)
    run = office.dispatcher.place(order)
    assert run.submission
    assert run.submission.groups == 3
    assert office.wakes == 0
    assert office.bench.redis.keys() == []


def test_what_is_not_submitted(office: Office) -> None:
    """A wrong call or a bad list under strict: nothing is kept."""
    submit = office.dispatcher.submit
    for stop_after in (0, -1):
        with pytest.raises(InvalidInput, match="stop_after"):
            submit(CAMPAIGN, LIST, stop_after=stop_after)
    with pytest.raises(InvalidInput, match="an id has"):
        submit(CAMPAIGN, LIST, id="not an id")
    with pytest.raises(ListRejected):
        submit(CAMPAIGN, [*LIST, "hello"], strict=True)
    assert office.bench.redis.keys() == []


def test_one_string_is_no_list(office: Office) -> None:
    """A number instead of a list of them: told, and no id is taken by it."""
    with pytest.raises(InvalidInput, match="one string"):
        office.dispatcher.submit(CAMPAIGN, LIST[0])
    assert office.bench.redis.keys() == []


def test_a_broker_that_is_away(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """The campaign is in the ledger all the same: a worker's clock finds it."""

    def away(_app: object) -> None:
        raise LedgerUnreachable("the wake-up was not published")

    monkeypatch.setattr(client, "publish_wake_up", away)
    assert office.submit().progress().state == "running"


def test_region(office: Office) -> None:
    """Numbers without a country code are of the region named."""
    run = office.dispatcher.submit(CAMPAIGN, ["020 7946 0018"], region="GB")
    (result,) = run.results()
    assert result.to == ("+442079460018",)


# -- looking -------------------------------------------------------------------


def test_unknown_campaign(office: Office) -> None:
    """An id that is not there is told at once."""
    dispatcher = office.dispatcher
    for ask in (dispatcher.campaign, dispatcher.pause, dispatcher.cancel):
        with pytest.raises(UnknownCampaign, match="no campaign has the id 'gone'"):
            ask("gone")


def test_results(office: Office) -> None:
    """By group and by recipient, all or of one state; a wrong word is told."""
    run = office.submit()
    office.send(0, 1)
    office.bench.settle("accepted", 0, detail="m0")
    office.bench.settle("failed", 1, detail="400 bad", sentence="no such number")
    states = [(r.number, r.state, r.message_id) for r in run.results()]
    assert states == [(0, "accepted", "m0"), (1, "failed", None), (2, "claimed", None)]
    (failed,) = run.results(state="failed")
    assert str(failed.error) == "400 bad: no such number"
    recipients = [(r.number, r.delivery) for r in run.results(by="recipient")]
    assert recipients[:3] == [
        (LIST[0], "awaiting"), (LIST[1], "awaiting"), (LIST[2], None),
    ]  # fmt: skip
    assert run.errors() == {"400 bad": 1}
    with pytest.raises(InvalidInput, match="is no state of a group"):
        run.results(state="sent")
    with pytest.raises(InvalidInput, match="by group or by recipient"):
        run.results(by="campaign")  # type: ignore[call-overload]


@pytest.mark.parametrize("end", ["done", "paused", "cancelled"])
def test_wait(office: Office, end: str) -> None:
    """It returns once nothing more happens by itself, and tells how it stands."""
    run = office.submit()
    office.send(0, 1, 2)

    def go_on() -> None:
        if len(office.sleeps) < 3:
            return
        if end == "done":
            for group in range(3):
                office.bench.settle("accepted", group, detail="m")
        else:
            office.bench.control("pause" if end == "paused" else "cancel")

    office.on_sleep = go_on
    assert run.wait().state == end
    assert len(office.sleeps) == 3


def test_wait_in_vain(office: Office) -> None:
    """After its time it gives up, and the campaign runs on."""
    run = office.submit()
    with pytest.raises(TimeoutError, match="still runs"):
        run.wait(timeout=10)
    assert 10 <= sum(office.sleeps) < 11
    with pytest.raises(TimeoutError):
        run.wait(timeout=0)


# -- steering ------------------------------------------------------------------


def test_pause(office: Office) -> None:
    """It returns when nothing is on its way any more, and nothing leaves after it."""
    run = office.submit()
    office.send(0)
    office.on_sleep = lambda: office.bench.settle("accepted", 0, detail="m")
    assert run.pause() == []
    assert len(office.sleeps) == 1
    assert office.bench.gate(1) == -2
    assert run.progress().reason == "by hand"
    assert run.pause() == []


def test_pause_with_an_answer_that_does_not_come(office: Office) -> None:
    """After the deadline of a send it returns all the same, and names the groups."""
    run = office.submit()
    office.send(0, 2)
    assert run.pause() == [0, 2]
    deadline = office.dispatcher.settings.http_deadline
    assert deadline < sum(office.sleeps) < deadline + 10


def test_pause_names_what_got_no_answer(office: Office) -> None:
    """The provider may take it yet; what was lost long before the pause is none."""
    run = office.submit()
    deadline = office.dispatcher.settings.http_deadline
    office.send(0)
    office.bench.settle("unknown", 0, detail="timeout")
    office.bench.clock.forward(deadline * 1000)
    office.send(1, 2)
    office.bench.settle("unknown", 1, detail="timeout")
    office.on_sleep = lambda: office.bench.settle("accepted", 2, detail="m")
    assert run.pause() == [0, 1]
    office.bench.clock.forward(1)
    assert run.pause() == [1]


def test_resume(office: Office) -> None:
    """It goes on, and a worker is called; only a paused one can be resumed."""
    run = office.submit()
    with pytest.raises(Refused, match="'c' is running, not paused"):
        run.resume()
    office.dispatcher.pause("c")
    office.dispatcher.resume("c")
    assert office.wakes == 2
    assert run.progress().state == "running"


def test_resume_what_ended_meanwhile(office: Office) -> None:
    """The last answer came during the pause: it is done, and that is no error."""
    run = office.submit()
    office.send(0, 1, 2)
    run.pause()
    for group in range(2):
        office.bench.settle("accepted", group, detail="m")
    office.bench.settle("unknown", 2)
    run.resume()
    office.bench.settle("hold", 2)
    with pytest.raises(Refused, match="is done"):
        run.resume()


def test_cancel_is_final(office: Office) -> None:
    """No resume, no pause, no retry; cancelling it twice is no error."""
    run = office.submit()
    run.cancel()
    run.cancel()
    assert run.progress().counts["cancelled"] == 3
    for refused in (run.resume, run.pause, lambda: run.retry(failed=True)):
        with pytest.raises(Refused, match="cancelled"):
            refused()


def test_what_is_done_cannot_be_cancelled(office: Office) -> None:
    """Nor paused: there is nothing left to stop."""
    run = office.submit()
    office.send(0, 1, 2)
    for group in range(3):
        office.bench.settle("accepted", group, detail="m")
    for refused in (run.cancel, run.pause):
        with pytest.raises(Refused, match="is done: it cannot"):
            refused()


@pytest.mark.parametrize(
    ("wanted", "asked", "states"),
    [
        ({}, 0, ["failed", "held", "accepted"]),
        ({"failed": True}, 1, ["retry", "held", "accepted"]),
        ({"held": True}, 1, ["failed", "retry", "accepted"]),
        ({"failed": True, "held": True}, 2, ["retry", "retry", "accepted"]),
    ],
)
def test_retry(
    office: Office, wanted: dict[str, Any], asked: int, states: list[str]
) -> None:
    """Only what was asked for is tried again; asked twice, it is not twice."""
    run = office.submit()
    office.send(0, 1, 2)
    office.bench.settle("failed", 0, detail="400")
    office.bench.settle("unknown", 1, detail="timeout")
    office.bench.settle("hold", 1)
    office.bench.settle("accepted", 2, detail="m")
    assert office.dispatcher.retry("c", **wanted) == asked
    assert office.states() == states
    assert run.progress().state == ("running" if asked else "done")
    assert run.retry(**wanted) == 0
    assert len(office.bench.claimed()) == asked


@pytest.mark.parametrize(
    ("codes", "states"),
    [
        ({"500 x"}, ["failed", "retry", "held"]),
        ({"400", "500 x"}, ["retry", "retry", "held"]),
        (set(), ["failed", "failed", "held"]),
    ],
)
def test_retry_of_some_codes(
    office: Office, codes: set[str], states: list[str]
) -> None:
    """Failed groups with one of these codes; others of any state are as they were."""
    run = office.submit()
    office.send(0, 1, 2)
    office.bench.settle("failed", 0, detail="400")
    office.bench.settle("failed", 1, detail="500 x")
    office.bench.settle("unknown", 2, detail="timeout")
    office.bench.settle("hold", 2)
    assert run.retry(failed=True, codes=codes) == states.count("retry")
    assert office.states() == states


@pytest.mark.parametrize("state", ["unknown", "held"])
@pytest.mark.parametrize("message_id", ["m1", None])
def test_resolve(office: Office, state: str, message_id: str | None) -> None:
    """A person found out: accepted under that id, or not sent and tried again."""
    run = office.submit()
    office.send(1)
    office.bench.settle("unknown", 1, detail="timeout")
    if state == "held":
        office.bench.settle("hold", 1)
    run.resolve(1, message_id=message_id)
    record = office.bench.record(1)
    if message_id:
        assert (record.state.word, record.tail) == ("accepted", "m1")
    else:
        assert record.state.word == "retry"
        office.bench.claim()
        assert office.bench.gate(1, 2) == 0


@pytest.mark.parametrize("group", [0, 1, 2])
def test_resolve_what_is_known(office: Office, group: int) -> None:
    """Only an unknown or held group can be resolved."""
    run = office.submit()
    office.send(0, 1)
    office.bench.settle("accepted", 0, detail="m")
    with pytest.raises(Refused, match="only an unknown or held one can be resolved"):
        run.resolve(group, message_id="m9")
    with pytest.raises(UnknownCampaign, match="has groups 0 to 2, not 3"):
        run.resolve(3, message_id="m9")


@pytest.mark.parametrize(
    ("meanwhile", "error", "words"),
    [
        ("settle", Refused, "group 1 was settled meanwhile"),
        ("bury", CampaignArchived, "'c' was archived on"),
    ],
)
def test_resolved_too_late(
    office: Office,
    monkeypatch: pytest.MonkeyPatch,
    meanwhile: str,
    error: type[Exception],
    words: str,
) -> None:
    """Somebody else was first, or archived the campaign: it is not said to be done."""
    run, ledger = office.submit(), office.dispatcher.ledger
    office.bench.claim()
    for group in range(3):
        office.bench.gate(group)
        office.bench.settle("unknown", group, detail="timeout")
        office.bench.settle("hold", group)
    ask, comes = ledger.run, iter([meanwhile])

    def late(call: Call[Any]) -> object:
        first = next(comes, "") if call.script == "settle" else ""
        if first == "settle":
            office.bench.settle("accepted", 1, detail="m1", token="")
        elif first == "bury":
            ask(bury(ledger.campaign("c"), "archive"))
        return ask(call)

    monkeypatch.setattr(ledger, "run", late)
    with pytest.raises(error, match=words):
        run.resolve(1, message_id=None)
