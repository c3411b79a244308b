"""The producer on a real ledger: all of a list or nothing, once for each id."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dispatcher import producer
from dispatcher.campaign import Campaign
from dispatcher.errors import (
    ContentConflict,
    InvalidInput,
    LedgerError,
    LedgerUnreachable,
    ListError,
    ListRejected,
    UnitsExceeded,
    UnknownCampaign,
)
from dispatcher.ledger import suppressions
from dispatcher.ledger.codec import Members
from dispatcher.ledger.keys import key
from dispatcher.ledger.loads import LOAD_TTL_S
from dispatcher.ledger.scripts import Call
from dispatcher.ledger.suppressions import ALL, Entry, Source
from dispatcher.order import Order, Submission, check_id, new_id
from dispatcher.producer import Producer
from dispatcher.recipients import Row, read_recipients
from tests.bench import Bench

CAMPAIGN = Campaign(sender="+19195551212", text="Doors open at 6 pm.", tag="open-house")
#: Three good rows, one twice, one bad.
LIST = ["+19195561000", "(919) 556-1001", "919-556-1000", "hello", "+19195561002"]


def numbers(count: int) -> Iterator[str]:
    return (f"+1919{5_561_000 + number}" for number in range(count))


def order(rows: Iterable[str | Row] = LIST, campaign: Campaign = CAMPAIGN) -> Order:
    return Order(id="c", campaign=campaign, rows=rows)


def changed(**fields: object) -> Campaign:
    return Campaign(**{**CAMPAIGN.model_dump(), **fields})


@pytest.fixture
def submit(bench: Bench, tmp_path: Path) -> Submit:
    """Submits to the bench's ledger."""
    return Submit(bench, tmp_path)


class Submit:
    """A producer, and the ledger that it fills."""

    def __init__(self, bench: Bench, directory: Path) -> None:
        self.bench = bench
        self._producer = Producer(bench.ledger, directory)

    def __call__(self, order: Order) -> Submission:
        return self._producer.submit(order)

    def chunks(self) -> dict[bytes, int]:
        """Every chunk stored, and how long it still lives (-1: for ever)."""
        names = self.bench.redis.keys(key("groups", "*", 0).replace(":0", ":*"))
        return {name: self.bench.redis.ttl(name) for name in names}


def test_submitted(submit: Submit) -> None:
    """Everything a worker and a reader need is in the ledger, and the books balance."""
    starts, expires = (datetime(2030, 1, day, tzinfo=UTC) for day in (1, 2))
    campaign = changed(
        pace=0.5, priority=-7, group_size=2, error_threshold=0.25,
        starts_at=starts, expires_at=expires,
    )  # fmt: skip
    told = submit(replace(order(campaign=campaign), stop_after=9))
    assert (told.existing, told.recipients, told.groups, told.units) == (False, 5, 2, 3)
    assert (told.rejected, told.dropped) == ({"not_a_number": 1}, {"duplicate": 1})
    row = submit.bench.row()
    assert (row.state, row.recipients, row.groups, row.units) == ("scheduled", 5, 2, 3)
    assert (row.rejected, row.dropped) == (told.rejected, told.dropped)
    assert row.sender == "+19195551212"
    assert Campaign.from_json(row.spec) == campaign
    assert row.starts_at == starts.timestamp() * 1000
    stored = submit.bench.redis.hgetall(key("campaign", "c"))
    expected = {
        b"pace": b"0.5", b"priority": b"-7", b"group_size": b"2", b"stop_after": b"9",
        b"error_threshold": b"0.25", b"expires_at": b"1893542400000",
    }  # fmt: skip
    assert stored.items() >= expected.items()
    submit.bench.loaded.append("c")
    submit.bench.check()


def test_groups_follow_the_list(submit: Submit) -> None:
    """In the list's order, over chunks, none lost, none twice."""
    submit(order(numbers(3005), changed(group_size=2)))
    row = submit.bench.row()
    groups = [group.members for group in submit.bench.ledger.groups(row)]
    assert [member for group in groups for member in group] == [
        19195561000 + number for number in range(3005)
    ]
    assert (row.groups, groups[-1]) == (1503, (19195564004,))
    assert row.units == 3005
    assert set(submit.chunks().values()) == {-1}


def test_rejections_file(submit: Submit) -> None:
    """Every row left out is in the file, in full; without one there is no file."""
    told = submit(order())
    assert told.rejections_file
    with told.rejections_file.open() as file:
        rows = list(csv.reader(file))[1:]
    assert [row[:3] for row in rows] == [
        ["3", "duplicate", "919-556-1000"],
        ["4", "not_a_number", "hello"],
    ]
    assert submit(replace(order(numbers(3)), id="d")).rejections_file is None


# -- opt-outs ------------------------------------------------------------------


def opt_out(submit: Submit, number: int, scope: str = ALL) -> None:
    submit.bench.run(suppressions.add([Entry(number, Source.STOP)], scope))


@pytest.mark.parametrize("scope", [ALL, CAMPAIGN.sender])
def test_opted_out(submit: Submit, scope: str) -> None:
    """They are dropped before groups are made, counted, and told like all others."""
    opt_out(submit, 19195561001, scope)
    told = submit(order())
    assert told.dropped == {"duplicate": 1, "opted_out": 1}
    (group,) = submit.bench.ledger.groups(submit.bench.row())
    assert group.members == (19195561000, 19195561002)
    assert told.rejections_file
    assert "2,opted_out,(919) 556-1001" in told.rejections_file.read_text()
    submit.bench.loaded.append("c")
    submit.bench.check()


def test_opted_out_of_another_sender(submit: Submit) -> None:
    """Is none of this sender's business."""
    opt_out(submit, 19195561001, "+19195550000")
    assert submit(order()).dropped == {"duplicate": 1}


def test_an_opt_out_between_two_submissions(submit: Submit) -> None:
    """The same list is the same content, whoever has opted out meanwhile."""
    submit(order())
    opt_out(submit, 19195561001)
    assert submit(order()).existing


def test_everybody_has_opted_out(submit: Submit) -> None:
    """Then there is nobody to send to, and the id stays free."""
    for number in (19195561000, 19195561001, 19195561002):
        opt_out(submit, number)
    with pytest.raises(ListRejected, match="none of 5 rows"):
        submit(order())
    assert not submit(order(numbers(5))).existing


# -- once for each id ----------------------------------------------------------


def test_the_same_again(submit: Submit) -> None:
    """Nothing changes, not a byte; the answer is the same but says so."""
    first = submit(order())
    submit.bench.claim(1)
    before = submit.bench.dump()
    again = submit(order(list(LIST)))
    assert again == replace(first, existing=True)
    assert submit.bench.dump() == before


SAME_CONTENT = {
    "pace": changed(pace=3),
    "max_units": changed(max_units=10_000),
    "priority": changed(priority=5),
    "starts_at": changed(starts_at=datetime.now(UTC) + timedelta(days=1)),
    "expires_at": changed(expires_at=datetime.now(UTC) + timedelta(days=1)),
    "max_attempts": changed(max_attempts=2),
    "error_threshold": changed(error_threshold=0.5),
}
OTHER_CONTENT = {
    "sender": changed(sender="+19195551213"),
    "text": changed(text="Doors open at 7 pm."),
    "media": changed(media=["https://example.org/poster.jpg"]),
    "tag": changed(tag="other"),
    "application_id": changed(application_id="app"),
    "group_size": changed(group_size=9),
}
OTHER_ROWS = {
    "one less": LIST[:-1],
    "one more": [*LIST, "+19195561009"],
    "another order": LIST[::-1],
    "another bad value": [*LIST[:3], "hallo", LIST[4]],
    "a duplicate more": [*LIST, LIST[0]],
}


def test_every_field_is_content_or_not() -> None:
    """A new field of a campaign must be put on one side here."""
    named = SAME_CONTENT.keys() | OTHER_CONTENT.keys() | {"quiet_hours"}
    assert set(Campaign.model_fields) == named


@pytest.mark.parametrize("field", SAME_CONTENT)
def test_same_content(submit: Submit, field: str) -> None:
    """Pace, priority and schedule are no content: the first ones stay."""
    submit(order())
    before = submit.bench.dump()
    assert submit(order(campaign=SAME_CONTENT[field])).existing
    assert submit.bench.dump() == before


@pytest.mark.parametrize("field", OTHER_CONTENT)
def test_other_content(submit: Submit, field: str) -> None:
    """The id is taken: nothing of the other campaign remains."""
    submit(order())
    before = submit.bench.dump()
    with pytest.raises(ContentConflict, match="'c' belongs to a campaign with other"):
        submit(order(campaign=OTHER_CONTENT[field]))
    assert submit.bench.dump() == before


@pytest.mark.parametrize("rows", OTHER_ROWS.values(), ids=OTHER_ROWS)
def test_other_rows(submit: Submit, rows: list[str]) -> None:
    """Every input row counts, bad ones and duplicates too."""
    submit(order())
    with pytest.raises(ContentConflict):
        submit(order(rows))


def test_grouped_by_a_column(submit: Submit, tmp_path: Path) -> None:
    """Who belongs together is content: another column, or none, is another campaign."""
    path = tmp_path / "list.csv"
    path.write_text(
        "phone,home,work\n"
        "9195561000,Oak,X\n9195561001,Elm,X\n9195561002,Oak,Y\n9195561003,,Y\n"
    )
    told = submit(order(read_recipients(path, group_by="home")))
    groups = [g.members for g in submit.bench.ledger.groups(submit.bench.row())]
    assert sorted(groups) == [
        (19195561000, 19195561002), (19195561001,), (19195561003,),
    ]  # fmt: skip
    assert (told.groups, told.units) == (3, 4)
    assert submit(order(read_recipients(path, group_by="home"))).existing
    for other in ("work", None):
        with pytest.raises(ContentConflict):
            submit(order(read_recipients(path, group_by=other)))


# -- what dies half-way --------------------------------------------------------


class Died(BaseException):
    """Whatever ends a submission from outside."""


def dying(after: int) -> Iterator[str]:
    yield from numbers(after)
    raise Died


@pytest.mark.parametrize("after", [0, 10, 9_000, 45_000])
def test_died_half_way(submit: Submit, after: int) -> None:
    """Nothing of it can be claimed, all of it expires; the next one does it all."""
    with pytest.raises(Died):
        submit(order(dying(after)))
    assert submit.bench.claimed() == []
    assert all(0 < ttl <= LOAD_TTL_S for ttl in submit.chunks().values())
    told = submit(order(numbers(50)))
    assert (told.existing, told.recipients) == (False, 50)
    assert submit.bench.claimed(1) == [("c", 0)]
    assert submit(order(numbers(50))).existing


def test_died_beside_a_committed_one(submit: Submit) -> None:
    """A second reading of a committed campaign that fails does not harm it."""
    submit(order())
    before = submit.bench.dump()
    with pytest.raises(Died):
        submit(order(dying(5)))
    assert submit.bench.dump() == before


def test_two_at_once(submit: Submit) -> None:
    """Another submission of the same id is first: both end well, one list counts."""

    def overtaken() -> Iterator[str]:
        yield from LIST[:2]
        assert not submit(order()).existing
        yield from LIST[2:]

    assert submit(order(overtaken())).existing
    assert len(submit.chunks()) == 1
    assert submit.bench.row().groups == 1


def test_two_at_once_with_other_content(submit: Submit) -> None:
    """The one that comes second is told, and leaves nothing behind."""

    def overtaken() -> Iterator[str]:
        submit(order())
        yield from numbers(7)

    with pytest.raises(ContentConflict):
        submit(order(overtaken()))
    assert len(submit.chunks()) == 1
    assert submit.bench.row().recipients == 5


def test_the_list_expired_meanwhile(submit: Submit) -> None:
    """Chunks that are gone at the commit are told; no half campaign is made."""

    def slow() -> Iterator[str]:
        yield from numbers(25_000)
        for name in submit.chunks():
            submit.bench.redis.delete(name)

    with pytest.raises(LedgerError, match="submit again"):
        submit(order(slow()))
    with pytest.raises(UnknownCampaign):
        submit.bench.row()


def test_a_long_load_is_renewed(
    submit: Submit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a list comes slowly, what was written of it stays."""
    monkeypatch.setattr(producer, "RENEW_S", 0)
    seen: list[int] = []

    def slow() -> Iterator[str]:
        for number in numbers(45_000):
            if number.endswith("5601000"):  # two pipelines later
                for name in submit.chunks():
                    submit.bench.redis.expire(name, 1000)
            yield number
        seen.extend(submit.chunks().values())

    submit(order(slow(), changed(group_size=10)))
    assert min(seen) > 1000
    assert submit.bench.row().groups == 4500


@pytest.mark.parametrize("ran", [True, False])
def test_the_commit_s_reply_is_lost(
    submit: Submit,
    monkeypatch: pytest.MonkeyPatch,
    ran: bool,  # noqa: FBT001
) -> None:
    """Committed or not, nobody knows: what was committed keeps every chunk."""
    run = submit.bench.ledger.run

    def lossy(call: Call[Any]) -> object:
        if call.script != "commit":
            return run(call)
        if ran:
            run(call)
        raise LedgerUnreachable("the reply got lost")

    monkeypatch.setattr(submit.bench.ledger, "run", lossy)
    with pytest.raises(LedgerUnreachable):
        submit(order())
    monkeypatch.setattr(submit.bench.ledger, "run", run)
    assert list(submit.chunks().values()) == ([-1] if ran else [])
    assert submit(order()).existing == ran
    submit.bench.loaded.append("c")
    submit.bench.check()
    assert submit.bench.claimed() == [("c", 0)]


def test_a_load_bears_redis_being_away(
    submit: Submit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chunks are written again until they are taken; no group is there twice."""
    put, fails = submit.bench.ledger.put_chunks, iter([True, True, False, True])

    def unsteady(load: str, first: int, chunks: Sequence[list[Members]]) -> None:
        put(load, first, chunks)
        if next(fails, False):
            raise LedgerUnreachable("the reply got lost")

    monkeypatch.setattr(submit.bench.ledger, "put_chunks", unsteady)
    assert submit(order(numbers(45_000), changed(group_size=10))).groups == 4500
    submit.bench.loaded.append("c")
    submit.bench.check()


def test_redis_is_away(tmp_path: Path, bench: Bench) -> None:
    """Nothing was submitted, and the error says what is wrong."""
    bench.ledger._redis = bench.ledger._redis.__class__(
        unix_socket_path=str(tmp_path / "nobody")
    )
    with pytest.raises(LedgerUnreachable):
        Producer(bench.ledger, tmp_path).submit(order())


# -- refusals ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "strict"), [(LIST, True), (["hello", "12"], False), ([], False)]
)
def test_nobody_to_send_to(submit: Submit, rows: list[str], strict: bool) -> None:  # noqa: FBT001
    """Strict with a row left out, or nobody left: nothing is kept, the id is free."""
    with pytest.raises(ListRejected):
        submit(replace(order(rows), strict=strict))
    assert submit.bench.redis.keys() == []
    assert not submit(order(numbers(3))).existing


def test_strict(submit: Submit) -> None:
    """It tells how many of how many rows, no number; a clean list passes."""
    with pytest.raises(ListRejected, match=r"^2 of 5 rows would be left out"):
        submit(replace(order(), strict=True))
    assert submit(replace(order(numbers(3)), strict=True)).groups == 1


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_list_that_costs_too_much(submit: Submit, dry_run: bool) -> None:  # noqa: FBT001
    """One line with both numbers; nothing is kept, and what costs just that may go."""
    dear = replace(order(numbers(21), changed(max_units=20)), dry_run=dry_run)
    with pytest.raises(UnitsExceeded, match=r"costs 21 units, more than the 20"):
        submit(dear)
    assert submit.bench.redis.keys() == []
    assert submit(order(numbers(20), changed(max_units=20))).units == 20


def test_a_cap_that_comes_late(submit: Submit) -> None:
    """What was submitted is there, whatever a repetition may cost."""
    submit(order())
    assert submit(order(campaign=changed(max_units=1))).existing


def test_dry_run(submit: Submit) -> None:
    """Counts as a real one does, and keeps nothing, not even the id."""
    told = submit(replace(order(), dry_run=True))
    assert submit.bench.redis.keys() == []
    assert replace(told, rejections_file=None) == replace(
        submit(order()), rejections_file=None
    )
    before = submit.bench.dump()
    assert submit(replace(order(numbers(4)), dry_run=True)).recipients == 4
    assert submit.bench.dump() == before  # nor does it touch one of the same id


def test_an_unreadable_list(submit: Submit, tmp_path: Path) -> None:
    """Nothing is kept of a list that cannot be read to its end."""
    path = tmp_path / "list.csv"
    path.write_text("phone\n9195561000\n")
    rows = read_recipients(path)
    path.write_bytes(b"\0\1\2")
    with pytest.raises(ListError):
        submit(order(rows))
    assert submit.bench.redis.keys() == []


@pytest.mark.parametrize("id_", ["", "a b", "ü", "a/b", "x" * 65, "a\n", "a|b", "a:b"])
def test_bad_ids(submit: Submit, id_: str) -> None:
    """An id is part of keys and file names: letters, digits and three signs."""
    with pytest.raises(InvalidInput, match="1 to 64 letters"):
        submit(replace(order(), id=id_))
    assert submit.bench.redis.keys() == []


def test_good_ids() -> None:
    """The longest, the shortest, every sign; and those we make ourselves."""
    for id_ in ("a", "x" * 64, "Open-House_2026.v1", new_id()):
        assert check_id(id_) == id_
    assert new_id() != new_id()
