"""Campaigns that are archived under the hands of everything that works with them."""

from __future__ import annotations

import csv
import os
import subprocess
import threading
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Final

import pytest

from dispatcher import Campaign, CampaignArchived, Dispatcher, Refused, Run
from dispatcher.ledger.connection import connect
from dispatcher.ledger.keys import PREFIX, key
from tests.bench import SIZE, Bench, ticket
from tests.integration.program import Program
from tests.stack import SENDER, Stack, eventually, numbers

#: Seconds for everything to come to rest.
PATIENCE: Final = 60
CAMPAIGNS: Final = 6
GROUPS: Final = 4000
#: How often it is killed at most; more with TEST_ARCHIVE_KILLS in the environment.
KILLS: Final = int(os.environ.get("TEST_ARCHIVE_KILLS", "4"))
#: What a worker or a receiver writes when it stumbled.
STUMBLES: Final = ("crashed", "duty_failed", "unreadable", "postponed", "Traceback")

pytestmark = [pytest.mark.integration, pytest.mark.timeout(3 * PATIENCE)]


def test_campaigns_vanish_while_everything_works(tmp_path: Path) -> None:
    """Each as soon as it is done: its callbacks are on their way, others are sent."""
    faults = ("callback-doubled=0.5", "callback-failed=0.1")
    settings = {"DISPATCHER_UNKNOWN_GRACE": "1"}
    with Stack(tmp_path, faults=faults, settings=settings) as stack:
        stack.receiver()
        stack.worker()
        looking = threading.Event()
        watcher = threading.Thread(
            target=look, args=(stack.client(), looking), daemon=True
        )
        watcher.start()
        for number in range(CAMPAIGNS):
            submit(stack, number).wait(timeout=PATIENCE)
            eventually(lambda n=number: goes(stack, n), PATIENCE, "archived")  # type: ignore[misc]
        stack.simulator.settle(PATIENCE)
        eventually(lambda: inbox(stack) == 0, PATIENCE, "callbacks are applied")
        looking.set()
        watcher.join()
        logs = stack.logs() + stack.receiver_log()
        assert not [line for line in logs.splitlines() if stumbled(line)]
        assert campaign_keys(stack) == {f"campaign:v{n}" for n in range(CAMPAIGNS)}
        rows = [row for n in range(CAMPAIGNS) for row in recipients(tmp_path, n)]
        assert len(rows) == CAMPAIGNS * 40
        assert {row["state"] for row in rows} == {"accepted"}


def test_killed_at_any_moment(tmp_path: Path) -> None:
    """However often: the files are whole or absent, and in the end all is removed."""
    moments = Random(9)
    with Stack(tmp_path) as stack:
        bench = Bench(stack.env["DISPATCHER_REDIS_URL"], checked=False)
        with bench:
            accepted(bench)
        for _ in range(KILLS):
            archiving = Program({**os.environ, **stack.env}).start(
                *("archive", "c", "--anyway", "--yes", "--output", str(tmp_path / "a"))
            )
            with archiving, suppress(subprocess.TimeoutExpired):
                archiving.wait(moments.uniform(0.4, 1.6))
            archiving.kill()
            assert whole(tmp_path / "a")
            if not campaign_keys(stack) - {"campaign:c"}:
                break
        else:
            stack.dispatcher.archive("c", tmp_path / "a", anyway=True)
        assert campaign_keys(stack) == {"campaign:c"}
        assert (tmp_path / "a" / "c.json").exists()


def accepted(bench: Bench) -> None:
    """A campaign of many groups, each of which was accepted."""
    bench.load("c", GROUPS)
    for first in range(0, GROUPS, 200):
        groups = [claimed.group for claimed in bench.claim(200).groups]
        assert groups[0] == first
        assert not any(bench.gates([ticket(group) for group in groups]))
        for group in groups:
            bench.settle("accepted", group, detail=f"m{group}")


def whole(place: Path) -> bool:
    """Whether every file that has its name has all its rows."""
    expected = {"groups": GROUPS, "recipients": GROUPS * SIZE}
    found = {path.stem.removeprefix("c-"): path for path in place.glob("c-*.csv")}
    return all(
        len(path.read_text("utf-8").splitlines()) == expected[name] + 1
        for name, path in found.items()
    )


def goes(stack: Stack, number: int) -> bool:
    """Whether it was archived: not while its callbacks come in too fast."""
    try:
        stack.dispatcher.archive(f"v{number}", stack.directory / "files", anyway=True)
    except Refused:
        return False
    return True


def submit(stack: Stack, number: int) -> Run:
    people = list(numbers(40 * (number + 1)))[40 * number :]
    campaign = Campaign(sender=SENDER, text="Doors open at 6 pm.")
    return stack.dispatcher.submit(campaign, people, id=f"v{number}")


def look(dispatcher: Dispatcher, enough: threading.Event) -> None:
    """Read, and try to retry, whatever there is; nothing but a refusal may come."""
    with dispatcher:
        while not enough.is_set():
            for campaign in dispatcher.campaigns():
                with suppress(CampaignArchived, Refused):
                    campaign.verify()
                    list(campaign.results(by="recipient"))
                    campaign.explain()
                    campaign.retry(failed=True)


def inbox(stack: Stack) -> int:
    with connect(stack.env["DISPATCHER_REDIS_URL"]) as client:
        return int(client.llen(key("inbox")))


def stumbled(line: str) -> bool:
    return any(word in line for word in STUMBLES)


def campaign_keys(stack: Stack) -> set[str]:
    """Keys that are of one campaign, by name or by load."""
    with connect(stack.env["DISPATCHER_REDIS_URL"]) as client:
        found = {name.decode().removeprefix(PREFIX) for name in client.scan_iter()}
    return {name for name in found if ":" in name and not name.startswith("celery:")}


def recipients(place: Path, number: int) -> list[dict[str, str]]:
    path = place / "files" / f"v{number}-recipients.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
