"""Archiving while things go wrong, or go on: nothing is lost, nothing half removed."""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import Any

import pytest

from dispatcher import archive_files, books, results
from dispatcher.archive import Archive, archive, finish
from dispatcher.errors import (
    CampaignArchived,
    DispatchError,
    LedgerUnreachable,
    Refused,
)
from dispatcher.exports import FORMATS
from dispatcher.ledger.keys import key
from dispatcher.ledger.ledger import Ledger
from dispatcher.ledger.scripts import Call
from dispatcher.ledger.states import DeliveryState
from tests.bench import SIZE, Bench, lock_of
from tests.contract.everything import (
    GROUPS,
    LEDGER_WIDE,
    everything_in,
    full_disk,
    go,
    kept,
    names,
    read,
)


@pytest.fixture
def everything(bench: Bench) -> Bench:
    return everything_in(bench)


# -- faults --------------------------------------------------------------------


@pytest.mark.parametrize("field", ["accepted", "delivery_delivered", "doubled"])
def test_books_that_do_not_balance(
    everything: Bench, tmp_path: Path, field: str
) -> None:
    """Nothing is removed, and no file claims to be whole."""
    everything.redis.hincrby(key("campaign", "c"), field, 1)
    before = everything.dump()
    with pytest.raises(Refused, match="do not balance"):
        go(everything, tmp_path)
    assert everything.dump() == before
    assert kept(tmp_path) == []


@pytest.mark.parametrize("name", ["csv", "parquet"])
def test_a_row_that_got_lost_on_the_way(
    everything: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """What was written is read again, and compared with the books."""
    if name == "parquet":
        pytest.importorskip("pyarrow")
    by_group = results.by_group

    def lossy(*of: Any) -> Any:  # noqa: ANN401 - passed on
        rows = by_group(*of)
        next(rows)
        return rows

    monkeypatch.setattr(results, "by_group", lossy)
    before = everything.dump()
    with pytest.raises(Refused, match="nothing was removed"):
        go(everything, tmp_path, format=name)
    assert everything.dump() == before
    assert kept(tmp_path) == []


@pytest.mark.parametrize("files", [0, 1, 2])
def test_a_full_disk(
    everything: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: int
) -> None:
    """At the first, second or third file: everything is as it was, and told."""
    before = everything.dump()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full_disk(files))
        with pytest.raises(DispatchError, match="No space left on device"):
            go(everything, tmp_path)
    assert everything.dump() == before
    assert len(kept(tmp_path)) == files
    assert "c.json" not in kept(tmp_path)
    assert go(everything, tmp_path).removed


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_that_cannot_grow(everything: Bench, tmp_path: Path, name: str) -> None:
    """The kernel refuses to write more, in the middle of a file."""
    if name == "parquet":
        pytest.importorskip("pyarrow")
    before = everything.dump()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
    try:
        with pytest.raises(DispatchError, match="nothing was removed"):
            go(everything, tmp_path, format=name)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert everything.dump() == before
    assert kept(tmp_path) == []


def test_what_a_kill_left_is_cleared_away(everything: Bench, tmp_path: Path) -> None:
    """Half-written files are nobody's, and hold numbers."""
    draft = tmp_path / ".c-groups.csv-abcd"
    draft.write_text("+1919")
    other = tmp_path / ".c2-groups.csv-abcd"
    other.write_text("+1919")
    go(everything, tmp_path)
    assert not draft.exists()
    assert other.exists()


class Killed(BaseException):
    """The process ends here."""


STEPS = ["verify", "group", "recipient", "facts", "bury", "unlink", "strike", "end"]


@pytest.mark.parametrize("step", STEPS)
def test_a_crash_anywhere(
    everything: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Before the tombstone nothing is changed, after it the next call finishes."""
    before = everything.dump()
    with monkeypatch.context() as patch:
        crash_at(patch, everything, step)
        with pytest.raises(Killed):
            go(everything, tmp_path)
    if STEPS.index(step) < STEPS.index("bury"):
        assert everything.dump() == before
    else:
        with pytest.raises(CampaignArchived):
            everything.row()
    assert go(everything, tmp_path).removed
    assert names(everything) - LEDGER_WIDE == {"campaign:c"}
    assert kept(tmp_path) == ["c-groups.csv", "c-recipients.csv", "c.json"]


def crash_at(patch: pytest.MonkeyPatch, bench: Bench, step: str) -> None:
    """Let the process die at a step."""

    def die(*_: Any, **__: Any) -> Any:  # noqa: ANN401 - instead of anything
        raise Killed

    ledger, redis = bench.ledger, bench.ledger._redis
    if step == "verify":
        patch.setattr(books, "verify", die)
    elif step in ("group", "recipient"):
        patch.setattr(results, f"by_{step}", die)
    elif step == "facts":
        patch.setattr(archive_files.Export, "_facts", die)
    elif step == "bury":
        # It ran, and nobody heard of it.
        run = ledger.run
        patch.setattr(
            ledger, "run", lambda call: die(run(call)) if is_bury(call) else run(call)
        )
    elif step == "unlink":
        patch.setattr(redis, "unlink", die)
    elif step == "strike":
        patch.setattr(redis, "zrem", die)
    else:
        patch.setattr(redis, "hdel", die)


def is_bury(call: Call[Any]) -> bool:
    return call.script == "bury"


def test_redis_goes_away(
    everything: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reply of the last step got lost: it is said, and the next call finishes."""
    run = everything.ledger.run

    def lossy(call: Call[Any]) -> Any:  # noqa: ANN401 - as the ledger's
        answer = run(call)
        if is_bury(call):
            raise LedgerUnreachable("the reply got lost")
        return answer

    with monkeypatch.context() as patch:
        patch.setattr(everything.ledger, "run", lossy)
        with pytest.raises(LedgerUnreachable):
            go(everything, tmp_path)
    assert go(everything, tmp_path) == Archive("c", removed=True)
    with pytest.raises(CampaignArchived):
        go(everything, tmp_path)


# -- others at the same time ---------------------------------------------------


def meanwhile(
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    *happens: Any,  # noqa: ANN401
) -> None:
    """Between export and removal something happens, each time another thing."""
    run, coming = bench.ledger.run, iter(happens)

    def busy(call: Call[Any]) -> Any:  # noqa: ANN401 - as the ledger's
        if is_bury(call):
            next(coming, lambda: None)()
        return run(call)

    monkeypatch.setattr(bench.ledger, "run", busy)


def test_a_callback_meanwhile(
    everything: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is in the files: they are written once more."""
    late: dict[str, Any] = {"group": 5, "message_id": "m5"}
    meanwhile(
        everything,
        monkeypatch,
        lambda: everything.deliver(DeliveryState.DELIVERED, 0, **late),
        lambda: everything.deliver(DeliveryState.DELIVERED, 1, **late),
    )
    done = go(everything, tmp_path)
    people = read(done.files[1])[5 * SIZE :][:3]
    assert [row["delivery"] for row in people] == ["delivered", "delivered", "awaiting"]


def test_it_does_not_come_to_rest(
    everything: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then nothing is removed, and that is told."""

    def news(member: int) -> Any:  # noqa: ANN401 - a thunk
        how: dict[str, Any] = {"group": 5, "message_id": "m5"}
        return lambda: everything.deliver(DeliveryState.DELIVERED, member, **how)

    meanwhile(everything, monkeypatch, *map(news, range(4)))
    with pytest.raises(Refused, match="changes while it is exported"):
        go(everything, tmp_path)
    assert everything.campaign() == "done"


@pytest.mark.parametrize(
    "verdict", [("ask", 1, 2), ("retry", 3, 1), ("ask", 3, 1)], ids=str
)
def test_a_retry_or_a_resolution_meanwhile(
    everything: Bench,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    verdict: tuple[str, int, int],
) -> None:
    """The campaign runs again: it is not removed, and its group is sent."""
    _, group, _ = verdict
    late: dict[str, Any] = {"token": "", "lock": lock_of(group)}
    meanwhile(everything, monkeypatch, lambda: everything.settle(*verdict, **late))
    with pytest.raises(Refused, match="is running: only one that is done"):
        go(everything, tmp_path)
    everything.clock.forward(1)
    assert everything.claimed(9) == [("c", group)]


def test_two_at_once(
    everything: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of them removes it, the other is told so; the files are whole."""
    other = tmp_path / "other"
    meanwhile(everything, monkeypatch, lambda: archive_elsewhere(everything, other))
    with pytest.raises(CampaignArchived, match=f"to {other}"):
        go(everything, tmp_path / "mine")
    assert len(read(other / "c-groups.csv")) == GROUPS
    assert finish(everything.ledger) == set()


def archive_elsewhere(bench: Bench, place: Path) -> None:
    with Ledger(bench.url, clock=bench.clock) as ledger:
        archive(ledger, "c", place, anyway=True)
