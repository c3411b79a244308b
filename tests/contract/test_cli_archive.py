"""`dispatcher archive`: what it asks, does and says; what commands say afterwards."""

from __future__ import annotations

import csv
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer

from dispatcher.cli.entry import run
from dispatcher.ledger.keys import key
from dispatcher.settings import Settings
from tests.bench import SENDER, Bench
from tests.contract.everything import full_disk

DAY_MS = 24 * 3_600_000
LIST = "+19195560000\n+19195560001\n12\n"
SUBMIT = ("submit", "list.txt", "--sender", SENDER, "--text", "hi", "--id", "over")
TOLD = "campaign 'over' was archived on "


class Answer(NamedTuple):
    """What a call left behind."""

    code: int
    out: str
    err: str

    @property
    def line(self) -> str:
        """What a call that was refused says."""
        assert self.out == ""
        return self.err.splitlines()[-1]


@dataclass
class Cli:
    """The command line on a bench's ledger, forty days after it was used."""

    bench: Bench
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str) -> Answer:
        code = run(arguments)
        return Answer(code, *self.capsys.readouterr())

    def json(self, *arguments: str) -> Any:  # noqa: ANN401 - any JSON
        answer = self(*arguments, "--json")
        assert answer.code == 0, answer.err
        return json.loads(answer.out)

    def done(self, id_: str = "over", state: str = "done") -> None:
        """Send a campaign; deliveries are known if it is to be done."""
        assert self(*SUBMIT[:-1], id_).code == 0
        self.bench.claim()
        assert self.bench.gate(id_=id_) == 0
        self.bench.settle("accepted", id_=id_, detail="m1")
        if state == "done":
            self.bench.clock.forward(2000)
            self.bench.sweep(1000)


@pytest.fixture
def cli(
    bench: Bench,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    configure: Callable[..., None],
) -> Cli:
    configure(appendfsync="always")  # what is less is warned of
    for field in Settings.model_fields.values():
        monkeypatch.delenv(str(field.alias), raising=False)
    monkeypatch.setenv("DISPATCHER_REDIS_URL", bench.url)
    monkeypatch.setenv("DISPATCHER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("BW_APPLICATION_ID", "app")
    monkeypatch.chdir(tmp_path)
    Path("list.txt").write_text(LIST)
    bench.checked = False
    bench.clock.us = int((time.time() - 40 * DAY_MS / 1000) * 1e6)
    made = Cli(bench, capsys)
    made.done()
    return made


# -- the command ---------------------------------------------------------------


def test_it_is_said_first(cli: Cli) -> None:
    """Without a yes nothing happens; --dry-run ends there, well."""
    answer = cli("archive", "over")
    assert answer.code == 2
    said, line = answer.err.splitlines()
    assert said.startswith("over: 1 group, done since ")
    assert "1 campaign will be exported, then removed: pass --yes, or --keep" in line
    assert cli("archive", "over", "--dry-run") == (0, "", f"{said}\n")
    assert cli.json("status", "over")["state"] == "done"
    assert not Path("data", "archive").exists()


@pytest.mark.parametrize(("yes", "state"), [(True, "archived"), (False, "done")])
def test_a_terminal_is_asked(
    cli: Cli,
    monkeypatch: pytest.MonkeyPatch,
    yes: bool,  # noqa: FBT001
    state: str,
) -> None:
    """A yes removes, a no is told and leaves everything."""
    asked: list[str] = []

    def confirm(text: str, **_: object) -> bool:
        asked.append(text)
        return yes

    monkeypatch.setattr(typer, "confirm", confirm)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    assert cli("archive", "over").code == int(not yes)
    assert asked == ["1 campaign will be exported, then removed. Go on?"]
    assert (TOLD in cli("status", "over").err) == (state == "archived")


def test_it_is_done(cli: Cli) -> None:
    """Files in the data directory unless said otherwise; one line for each campaign."""
    answer = cli("archive", "over", "--yes")
    assert answer.code == 0
    assert answer.out.startswith("campaign over is exported and removed: ")
    place = Path("data", "archive")
    assert json.loads((place / "over.json").read_text())["rejected"] == {"too_short": 1}
    with (place / "over-recipients.csv").open(encoding="utf-8") as file:
        assert [row["delivery"] for row in csv.DictReader(file)] == ["unconfirmed"] * 2


def test_for_programs(cli: Cli) -> None:
    """What was written, and whether it is gone."""
    where = ("--output", "out", "--format", "jsonl")
    (kept,) = cli.json("archive", "over", *where, "--keep")
    assert kept["removed"] is False
    assert (kept["groups"], kept["recipients"]) == (1, 2)
    assert [Path(file).name for file in kept["files"]] == [
        *("over-groups.jsonl", "over-recipients.jsonl", "over.json"),
    ]
    assert cli.json("archive", "over", *where, "--yes") == [kept | {"removed": True}]


def test_by_age(cli: Cli) -> None:
    """Those that ended so long ago; what cannot go is told with its reason."""
    cli.done("waits", "running")
    assert cli("archive", "--older-than", "41d", "--yes").out == "nothing to archive\n"
    answer = cli("archive", "--older-than", "39d", "--yes", "--json")
    assert [row["id"] for row in json.loads(answer.out)] == ["over"]
    assert "left: campaign 'waits' waits for the deliveries" in answer.err
    assert [row["id"] for row in cli.json("status")] == ["waits"]


def test_what_a_crash_left_is_finished(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the next call, whatever it is about; it needs no yes, and tells."""
    with monkeypatch.context() as patch:
        patch.setattr("dispatcher.archive.finish", lambda _: set())
        assert cli("archive", "over", "--yes").code == 0
    assert cli.bench.redis.keys("*:groups:*") != []
    assert "finish it: dispatcher archive over" in cli("doctor").out
    answer = cli("archive", "over", "--json")
    assert "over: exported before; the rest of it is to be removed" in answer.err
    assert [row["id"] for row in json.loads(answer.out)] == ["over"]
    assert cli.bench.redis.keys("*:groups:*") == []


def test_one_that_cannot_go_keeps_no_other(cli: Cli) -> None:
    """It is told and left, the others are archived; exit code 1."""
    cli.done("unbalanced")
    cli.bench.redis.hincrby(key("campaign", "over"), "accepted", 1)
    answer = cli("archive", "--older-than", "1d", "--yes", "--json")
    assert answer.code == 1
    assert [row["id"] for row in json.loads(answer.out)] == ["unbalanced"]
    assert "left: the books of 'over' do not balance" in answer.err
    assert answer.err.endswith("1 campaign could not be archived\n")


def test_a_full_disk_ends_it(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """What went before is told, and what stays stays."""
    cli.done("second")
    monkeypatch.setattr(os, "fsync", full_disk(4))
    answer = cli("archive", "over", "second", "--yes", "--json")
    assert answer.code == 1
    assert [row["id"] for row in json.loads(answer.out)] == ["over"]
    assert "No space left on device; nothing was removed" in answer.err
    assert [row["id"] for row in cli.json("status")] == ["second"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((), 2, "name campaigns, or pass --older-than AGE"),
        (("a", "--older-than", "1d"), 2, "name campaigns, or pass --older-than AGE"),
        (("--older-than", "1 month"), 2, "write an age such as 30d, 12h or 4w"),
        (("no spaces",), 2, "an id has 1 to 64"),
        (("over", "nobody"), 1, "no campaign has the id 'nobody'"),
        (("over", "runs"), 1, "is running: only one that is done or cancelled"),
    ],
)
def test_what_is_refused(
    cli: Cli, arguments: tuple[str, ...], code: int, words: str
) -> None:
    """One line, and nothing is archived, also of what could be."""
    assert cli(*SUBMIT[:-1], "runs").code == 0
    answer = cli("archive", *arguments, "--yes")
    assert answer.code == code
    assert words in answer.line
    assert cli.json("status", "over")["state"] == "done"


# -- afterwards ----------------------------------------------------------------


@pytest.fixture
def archived(cli: Cli) -> Cli:
    assert cli("archive", "over", "--yes").code == 0
    return cli


@pytest.mark.parametrize(
    "arguments",
    [
        *(("status",), ("results",), ("verify",), ("explain",), ("watch",)),
        *(("pause",), ("resume",), ("cancel",), ("retry",)),
        *(("resolve", "0", "--not-sent"), ("archive",)),
    ],
)
def test_what_commands_say(archived: Cli, arguments: tuple[str, ...]) -> None:
    """One line, exit code 1: when it was archived, where to, how it ended."""
    name, *more = arguments
    answer = archived(name, "over", *more)
    assert answer.code == 1
    assert TOLD in answer.line
    assert "done, groups: 1 accepted" in answer.line


def test_it_is_in_no_list(archived: Cli) -> None:
    """As if it had never been there."""
    assert archived.json("status") == []


def test_its_id_stays_taken(archived: Cli) -> None:
    """The same again does nothing and says so; other content is refused."""
    again = archived.json(*SUBMIT)
    assert again["existing"] is True
    assert again["archived_at"].startswith("20")
    told = archived(*SUBMIT)
    assert told.code == 0
    assert told.out.startswith("campaign over with the same content was archived on ")
    Path("list.txt").write_text("+19195560099\n")
    other = archived(*SUBMIT)
    assert other.code == 1
    assert "belongs to a campaign with other content" in other.line
    assert TOLD in archived("status", "over").err
