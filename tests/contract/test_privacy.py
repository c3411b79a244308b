"""Promise 6 without processes: reprs, errors and log lines show nothing private."""

from __future__ import annotations

import asyncio
import io
import logging
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import structlog

from dispatcher import (
    Campaign,
    DispatchError,
    GroupError,
    GroupResult,
    RecipientResult,
    Recipients,
    Row,
    Run,
    Settings,
    Submission,
    logs,
    read_recipients,
)
from dispatcher.client import Dispatcher
from dispatcher.credentials import Credentials
from dispatcher.intake import Intake
from dispatcher.ledger import calls
from dispatcher.ledger.async_ledger import AsyncLedger
from dispatcher.ledger.calls import Rates, Settlement, Verdict
from dispatcher.ledger.codec import Record
from dispatcher.ledger.connection import connect, faults
from dispatcher.ledger.ledger import Ledger
from dispatcher.ledger.rows import CampaignRow, GroupRow, MemberChunk
from dispatcher.ledger.states import CampaignState, GroupState
from dispatcher.order import Order, check_id
from dispatcher.recipients import as_rows
from dispatcher.rejections import RejectionsFile
from dispatcher.simulator import SimulatorConfig
from dispatcher.web.doubts import Held
from dispatcher.web.pages import Pages
from tests.unit.canned import Provider, Reply
from tests.unit.worker_fakes import (
    AWAY,
    FakeLedger,
    VirtualLoop,
    claim_reply,
    claimed,
    now,
)
from workers.bandwidth import Bandwidth, Message
from workers.connection import NotWritten
from workers.jobs import Job, Lease
from workers.outcomes import Kind, Outcome
from workers.retry import Failed, HandBack, PauseAccount
from workers.shifts import Crew
from workers.tokens import Token

SENDER = "+19195551200"
NUMBERS = ("+19195551201", "+19195551202")
MEMBERS = tuple(int(number) for number in NUMBERS)
TEXT = "Doors open at six"
SECRET = "hunter2-s3cret"
SENTENCE = f"'to' has an invalid number '{NUMBERS[0]}': {TEXT}"
PRIVATE = (SENDER[1:], *(number[1:] for number in NUMBERS), TEXT, SECRET)

CAMPAIGN = Campaign(sender=SENDER, text=TEXT, media=["https://x.test/a.jpg"])
RECORD = Record(GroupState.FAILED, 1, 0, 0, 1, 3, 0.0, "400 bad")
SETTLEMENT = Settlement("c1", 0, 3, Verdict.FAILED, "lock", "400 bad", SENTENCE)


def private(text: str) -> list[str]:
    return [secret for secret in PRIVATE if secret in text]


def settings() -> Settings:
    return Settings.load(
        number=SENDER,
        account_id="9900123",
        username="user",
        password=SECRET,
        client_secret=SECRET,
        flower_password=SECRET,
        callback_username=SECRET,
        callback_password=SECRET,
        account_rate=None,
        slots=4,
    )


def job() -> Job:
    lease = Lease(FakeLedger(), Rates())
    return Job.of(claimed(), lease, CAMPAIGN, MEMBERS)


def order() -> Order:
    return Order("c1", CAMPAIGN, list(NUMBERS))


def recipients() -> Recipients:
    return read_recipients(io.BytesIO("\n".join(NUMBERS).encode()))


def result() -> GroupResult:
    error = GroupError("400 bad", SENTENCE)
    return GroupResult("c1", 0, NUMBERS, "failed", None, 1, error, None, NUMBERS[:1])


def client() -> Bandwidth:
    return Bandwidth.from_settings(settings(), transport=Provider())


def crew() -> Crew:
    ledger = FakeLedger()
    return Crew("child", ledger, client(), settings(), stop_asked=lambda: False)


def run() -> Run:
    bare = Dispatcher.__new__(Dispatcher)
    bare.ledger = Ledger(f"redis://:{SECRET}@127.0.0.1:1/0")
    return Run(bare, "c1")


def intake() -> Intake:
    intake = Intake(as_rows(NUMBERS), region="US", reject=lambda *_: None)
    list(intake)
    return intake


# -- what is shown of objects ----------------------------------------------------

OBJECTS: dict[str, Callable[[], object]] = {
    "Campaign": lambda: CAMPAIGN,
    "Settings": settings,
    "Order": order,
    "Recipients": recipients,
    "GroupResult": result,
    "RecipientResult": lambda: RecipientResult(
        "c1", 0, NUMBERS[0], "accepted", "m1", None, None
    ),
    "Submission": lambda: Submission(
        *("c1", False, 2, 1, 2, {"not_a_number": 1}, {}, Path("/x"))
    ),
    "Run": run,
    "CampaignRow": lambda: CampaignRow(
        "c1", CampaignState.RUNNING, spec=CAMPAIGN.to_json(), sender=SENDER
    ),
    "Held": lambda: Held(
        CampaignRow("c1", CampaignState.RUNNING, spec=CAMPAIGN.to_json()),
        [GroupRow(0, MEMBERS, Record(GroupState.HELD, 1, 0, 0, 0, 1, 0.0, "timeout"))],
        None,
    ),
    "Pages": lambda: Pages(settings(), callbacks=None),
    "Intake": intake,
    "RejectionsFile": lambda: RejectionsFile(Path("/x")),
    "SimulatorConfig": lambda: SimulatorConfig(username="user", password=SECRET),
    "Job": job,
    "Lease": lambda: job().lease,
    "GateItem": lambda: job().ticket(),
    "gate": lambda: calls.gate("token", Rates(), [job().ticket()]),
    "Message": lambda: Message("app", SENDER, NUMBERS, TEXT),
    "Outcome": lambda: Outcome(Kind.REFUSED, "400 bad", description=SENTENCE),
    "Failed": lambda: Failed("400 bad", SENTENCE),
    "HandBack": lambda: HandBack("429", pause=PauseAccount(1.0)),
    "Credentials": lambda: Credentials.from_settings(settings()),
    "Token": lambda: Token(b"Bearer " + SECRET.encode(), 1.0),
    "Bandwidth": client,
    "its headers": lambda: client()._basic.headers,
    "Crew": crew,
    "Sender": lambda: crew()._sender,
    "AsyncLedger": lambda: AsyncLedger(f"redis://:{SECRET}@127.0.0.1:1/0"),
    "Redis": lambda: connect(f"redis://:{SECRET}@127.0.0.1:1/0"),
}

#: These show it still.
LEAKS: dict[str, Callable[[], object]] = {
    "Settings": lambda: Settings.load(redis_url=f"redis://:{SECRET}@h/0"),
    "Row": lambda: Row(1, NUMBERS[0]),
    "GroupRow": lambda: GroupRow(0, MEMBERS, RECORD),
    "MemberChunk": lambda: MemberChunk(0, [MEMBERS], {0: RECORD}),
    "Settlement": lambda: SETTLEMENT,
    "settle": lambda: calls.settle("token", [SETTLEMENT]),
    "commit": lambda: calls.commit(
        "c1", "load", "hash", 1, {"spec": CAMPAIGN.to_json()}
    ),
}


def shown(make: Callable[[], object]) -> str:
    async def go() -> str:
        made = make()
        return f"{made!r} {made} {[made]} {made!s:.5000}"

    return asyncio.run(go())


@pytest.mark.parametrize("name", OBJECTS)
def test_no_object_shows_anything_private(name: str) -> None:
    """Neither repr() nor str(), alone or in a list."""
    assert private(shown(OBJECTS[name])) == []


@pytest.mark.parametrize("name", LEAKS)
def test_these_must_not_either(name: str) -> None:
    """Each of them may come into a traceback or a debugger's log."""
    assert private(shown(LEAKS[name])) == []


def test_the_provider_s_sentence_is_for_exports_only() -> None:
    """An error's text, which an export shows, holds it; its repr does not."""
    error = GroupError("400 bad", SENTENCE)
    assert SENTENCE in str(error)
    assert private(repr(error)) == []


# -- what is shown of errors -----------------------------------------------------


def unreachable() -> None:
    with faults():
        connect(f"redis://user:{SECRET}@127.0.0.1:1/0").ping()


ERRORS: dict[str, Callable[[], object]] = {
    "sender": lambda: Campaign(sender=SENDER[1:], text=TEXT),
    "text": lambda: Campaign(sender=SENDER, text=TEXT * 200),
    "media": lambda: Campaign(sender=SENDER, media=[f"ftp://{TEXT}"]),
    "tag": lambda: Campaign(sender=SENDER, text=TEXT, tag=NUMBERS[0] * 200),
    "types": lambda: Campaign(sender=19195551200, text=[TEXT], tag={SECRET: 1}),
    "stored": lambda: Campaign.from_json('{"sender":"' + SENDER + '","text":1}'),
    "not stored": lambda: Campaign.from_json(TEXT + SENDER),
    "id": lambda: check_id(NUMBERS[0]),
    "recipients": lambda: list(as_rows(NUMBERS[0])),
    "recipient": lambda: list(as_rows([MEMBERS[0]])),  # type: ignore[list-item]
    "columns": lambda: listed(f"{NUMBERS[0]},{NUMBERS[1]}"),
    "cell": lambda: listed(f'phone,name\n"{NUMBERS[0]}{TEXT * 10_000}",x'),
    "binary": lambda: listed(f"{NUMBERS[0]}\0{TEXT}"),
    "settings": lambda: Settings.load(slots=SENDER, base_url=SECRET, log_level=TEXT),
    "provider address": lambda: Bandwidth(
        base_url=f"https://user:{SECRET}@h:port",
        credentials=Credentials("1", "user", SECRET),
        transport=Provider(),
        deadline=1.0,
    ),
    "redis address": lambda: connect(f"http://user:{SECRET}@h"),
    "unreachable": unreachable,
}


def listed(text: str) -> list[Row]:
    return list(read_recipients(io.BytesIO(text.encode())))


@pytest.mark.parametrize("name", ERRORS)
def test_no_error_shows_anything_private(name: str) -> None:
    """Neither its text nor its repr, nor what it was raised from."""
    with pytest.raises(DispatchError) as told:
        ERRORS[name]()
    error = told.value
    assert private(f"{error} {error!r}") == []
    only = "".join(traceback.format_exception_only(error))
    assert private(only) == []
    assert error.__cause__ is None or private(repr(error.__cause__)) == []
    assert error.__suppress_context__ or error.__context__ is None


# -- what is logged --------------------------------------------------------------

REPLIES: list[Reply] = [
    httpx.Response(202, json={"id": "m1"}),
    httpx.Response(400, json={"type": "bad", "description": SENTENCE}),
    httpx.Response(400, json={"type": SENDER, "description": TEXT}),
    httpx.Response(500, json={"type": "internal", "description": SENTENCE}),
    httpx.Response(500, content=SENTENCE.encode()),
    httpx.Response(202, content=SENTENCE.encode()),
    httpx.Response(401, json={"type": "unauthorized", "description": SECRET}),
    httpx.Response(429, headers={"retry-after": SENDER}, content=b"{}"),
    httpx.ConnectError(f"cannot connect to https://user:{SECRET}@h"),
    httpx.ReadError(f"cut at {NUMBERS[0]}"),
    NotWritten(NUMBERS[0]),
    LookupError(f"{NUMBERS[0]} of https://user:{SECRET}@h"),
]


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """All that is logged, at debug level, as a worker logs it."""
    stream = io.StringIO()
    logs.configure("json", "debug", stream)
    # Loggers of modules must not keep this configuration.
    structlog.configure(cache_logger_on_first_use=False)
    yield stream
    structlog.reset_defaults()


@pytest.mark.usefixtures("_root_logger")
def test_no_line_of_a_shift_shows_anything_private(stream: io.StringIO) -> None:
    """Every kind of answer and fault, with Redis failing in between."""
    groups = [claimed(group) for group in range(3 * len(REPLIES))]
    claims = [claim_reply(group) for group in groups]
    ledger = FakeLedger(
        claim=[*claims, AWAY, claim_reply()],
        settle=[[1], AWAY, LookupError(f"{NUMBERS[1]} {SECRET}@"), [1]],
        throttle=[AWAY, 100],
        breaker=[AWAY, 1],
    )
    ledger.campaign, ledger.members = CAMPAIGN, MEMBERS
    provider = Provider(*REPLIES * 6)
    sending = Bandwidth.from_settings(settings(), transport=provider)
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        # Debug mode makes asyncio talk.
        runner.get_loop().set_debug(True)
        crew = Crew("child", ledger, sending, settings(), lambda: False, clock=now)
        for _ in range(5):
            runner.run(crew.shift())
        runner.run(crew.close())
    text = stream.getvalue()
    assert text.count("send.ended") >= len(REPLIES)
    assert private(text.replace("\\n", "\n")) == []


@pytest.fixture
def _root_logger() -> Iterator[None]:
    root = logging.getLogger()
    before, level = root.handlers, root.level
    yield
    root.handlers = before
    root.setLevel(level)
