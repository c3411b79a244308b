"""`dispatcher verify --provider` between the real ledger and the simulated provider."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from dispatcher.cli.entry import run as command_line
from dispatcher.numbers import e164
from dispatcher.simulator import Layout, Simulator, SimulatorConfig
from tests.bench import SENDER, Bench, Hands, lock_of, members_of
from workers import survey

CONFIG = SimulatorConfig(username="user", password="pa55word")


class Now(Hands):
    """The time it is."""

    def __call__(self) -> int:
        return int(time.time() * 1e6)


@dataclass
class Scene:
    """A ledger, a provider and the command line."""

    bench: Bench
    simulator: Simulator
    capsys: pytest.CaptureFixture[str]

    def send(self, group: int) -> str:
        """The provider takes a message to a group; its id."""
        answer = httpx.post(
            f"{self.simulator.base_url}/users/5500001/messages",
            auth=("user", "pa55word"),
            json={
                "applicationId": "93de2206-9669-4e07-948d-329f4b722ee2",
                "from": SENDER,
                "to": [e164(member) for member in members_of(group)],
                "text": "Doors open at 6 pm.",
            },
        )
        return str(answer.json()["id"])

    def accept(self, groups: int, id_: str = "c") -> None:
        """A campaign whose groups were all taken and booked."""
        self.bench.load(id_, groups=groups)
        self.bench.claimed(groups)
        for group in range(groups):
            lock = lock_of(group, id_)
            assert self.bench.gate(group, id_=id_, lock=lock) == 0
            self.settle("accepted", group, self.send(group), id_)

    def settle(self, word: str, group: int, detail: str = "", id_: str = "c") -> None:
        lock = lock_of(group, id_)
        assert self.bench.settle(word, group, 1, detail, id_=id_, lock=lock) == 1

    def verify(self) -> tuple[int, dict[str, Any], str]:
        """Exit code, what the provider says in JSON, stderr."""
        self.capsys.readouterr()
        code = command_line(["verify", "c", "--provider", "--json"])
        out, err = self.capsys.readouterr()
        assert "+1919" not in out + err
        return code, json.loads(out)["provider"] if out else {}, err


@contextmanager
def scene(
    url: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    config: SimulatorConfig = CONFIG,
    **settings: str,
) -> Iterator[Scene]:
    """Everything; the environment is a command's."""
    with Simulator(config) as simulator, Bench(url, clock=Now(0)) as bench:
        environment = {
            "DISPATCHER_REDIS_URL": url,
            "DISPATCHER_UNKNOWN_GRACE": "0",
            "BW_BASE_URL": simulator.base_url,
            "BW_ACCOUNT_ID": "5500001",
            "BW_USERNAME": "user",
            "BW_PASSWORD": "pa55word",
            **settings,
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        yield Scene(bench, simulator, capsys)


@pytest.fixture(autouse=True)
def _home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DISPATCHER_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(survey, "RATE", 1000.0)


def test_books_and_provider_agree(
    server_url: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every accepted group is there under its id, and nothing else is."""
    config = replace(CONFIG, layout=Layout.MESSAGE)
    with scene(server_url, capsys, monkeypatch, config) as s:
        s.accept(3)
        code, found, err = s.verify()
        assert (code, err) == (0, "")
        assert found == {
            "messages": 3, "not_found_yet": 0, "open": 0, "others": 0, "differences": []
        }  # fmt: skip
        assert command_line(["verify", "c", "--provider"]) == 0
        assert "3 messages of this campaign; books and provider agree" in (
            capsys.readouterr().out
        )


def test_each_difference_is_told(
    server_url: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An id that is not there, one of other people, a taken group that is held."""
    with scene(server_url, capsys, monkeypatch) as s:
        s.bench.load(groups=5)
        s.bench.claimed(5)
        for group in range(4):
            assert s.bench.gate(group, lock=lock_of(group)) == 0
        s.settle("accepted", 0, "nobody-knows-me")
        other, own = s.send(99), s.send(1)
        s.settle("accepted", 1, other)
        s.settle("unknown", 2)
        s.settle("hold", 2)
        held, forgotten = s.send(2), s.send(4)
        s.settle("accepted", 3, s.send(3))
        code, found, err = s.verify()
        assert code == 1
        assert found["differences"] == [
            f"group 1: {other} went to other people than the group's",
            "group 0: the provider does not have nobody-knows-me",
            *(
                f"group {group}: the provider has {id_}, which is not in the books"
                for group, id_ in (
                    ("1 (accepted)", own),
                    ("2 (held)", held),
                    ("4 (claimed)", forgotten),
                )
            ),
        ]
        assert "the provider do not agree: group 1" in err


def test_what_is_not_decided_yet(
    server_url: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The index lags, and a group is still looked up: told, and no difference."""
    config = replace(CONFIG, index_lag=2.0)
    settings = {"DISPATCHER_UNKNOWN_GRACE": "300"}
    with scene(server_url, capsys, monkeypatch, config, **settings) as s:
        s.bench.load(groups=2)
        s.bench.claimed(2)
        for group in range(2):
            assert s.bench.gate(group, lock=lock_of(group)) == 0
        s.send(0)
        s.settle("unknown", 0)
        s.settle("accepted", 1, s.send(1))
        code, found, _ = s.verify()
        assert (code, found["messages"], found["not_found_yet"]) == (0, 0, 1)
        time.sleep(2.0)
        code, found, _ = s.verify()
        assert (code, found["messages"], found["open"]) == (0, 2, 1)
        assert (found["not_found_yet"], found["differences"]) == (0, [])


def test_another_campaign_to_the_same_people(
    server_url: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its messages are in its own books; a stranger's are nobody's."""
    with scene(server_url, capsys, monkeypatch) as s:
        s.accept(2)
        s.accept(2, "d")
        s.send(77)
        code, found, _ = s.verify()
        assert (code, found["messages"], found["others"]) == (0, 2, 3)


def test_many_pages(
    server_url: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """More than one search can show: asked for in halves, and none counts twice."""
    monkeypatch.setattr(survey, "ROWS", 7)
    monkeypatch.setattr(survey, "SHORTEST_S", 0.001)
    with scene(server_url, capsys, monkeypatch) as s:
        s.accept(12)
        code, found, _ = s.verify()
        assert (code, found["messages"], found["differences"]) == (0, 12, [])
        assert s.simulator.stats().searches > 120 / 7


@pytest.mark.parametrize(
    ("setting", "value", "code", "told"),
    [
        ("BW_PASSWORD", "wrong", 1, "the provider does not search: 401"),
        ("BW_ACCOUNT_ID", "", 2, "BW_ACCOUNT_ID"),
    ],
)
def test_an_account_that_cannot_search(  # noqa: PLR0917 - fixtures and parameters
    server_url: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    setting: str,
    value: str,
    code: int,
    told: str,
) -> None:
    """One line says so, and nothing is called a difference."""
    with scene(server_url, capsys, monkeypatch, CONFIG, **{setting: value}) as s:
        s.accept(1)
        found = s.verify()
        assert (found[0], told in found[2]) == (code, True)
