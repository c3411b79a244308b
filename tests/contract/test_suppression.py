"""Opted-out people, kept from Python and from the command line, on a real ledger."""

from __future__ import annotations

import gzip
import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dispatcher.cli.entry import run
from dispatcher.errors import InvalidInput, ListError
from dispatcher.ledger import suppressions
from dispatcher.ledger.suppressions import ALL, BATCH, Entry, Source
from dispatcher.numbers import Reason
from dispatcher.optoutlist import OptOutList
from dispatcher.suppression import Suppression, Suppressor
from tests.bench import DAWN_US, SENDER, Bench

ANN, BOB, CAT = "+19195550101", "+19195550102", "+447700900123"
NOW = datetime.fromtimestamp(DAWN_US / 1e6, UTC)


@pytest.fixture
def keeper(bench: Bench) -> Suppressor:
    """That part of a dispatcher, on the bench's ledger."""
    made = Suppressor()
    made.ledger = bench.ledger
    return made


def listed(keeper: Suppressor, sender: str | None = None) -> dict[str, str]:
    return {one.number: one.source for one in keeper.suppressed(sender)}


# -- Python ----------------------------------------------------------------------


def test_suppressing(keeper: Suppressor) -> None:
    """In any spelling, once; who, for whom, why and since when comes back."""
    assert keeper.suppress([ANN, "(919) 555-0101", CAT]) == 2
    assert keeper.suppress(["07700 900123"], region="gb") == 0
    (ann,) = [one for one in keeper.suppressed() if one.number == ANN]
    assert ann == Suppression(ANN, ALL, "hand", NOW)


def test_for_one_sender(keeper: Suppressor) -> None:
    """Its own list and that of all bind it; everything comes when nobody is named."""
    keeper.suppress([ANN])
    keeper.suppress([BOB], SENDER)
    keeper.suppress([CAT], "+19195550000")
    assert listed(keeper).keys() == {ANN, BOB, CAT}
    assert listed(keeper, SENDER).keys() == {ANN, BOB}
    assert (keeper.suppressed_count(), keeper.suppressed_count(SENDER)) == (3, 2)


def test_unsuppressing(keeper: Suppressor) -> None:
    """From the list that is named, and no other."""
    keeper.suppress([ANN, BOB])
    assert keeper.unsuppress([ANN, CAT]) == 1
    assert keeper.unsuppress([BOB], SENDER) == 0
    assert listed(keeper).keys() == {BOB}


def test_a_bad_number_changes_nothing(keeper: Suppressor) -> None:
    """It is named by its place, never shown."""
    for call in (keeper.suppress, keeper.unsuppress):
        with pytest.raises(InvalidInput, match="number 2: ") as caught:
            call([ANN, "919-555-01"])
        assert "555" not in str(caught.value)
    assert listed(keeper) == {}


@pytest.mark.parametrize("sender", ["", "all", "9195551212", "+1 919 555 1212"])
def test_a_bad_sender(keeper: Suppressor, sender: str) -> None:
    """A list of a sender that cannot be one would bind nobody."""
    with pytest.raises(InvalidInput, match="sender"):
        keeper.suppress([ANN], sender)
    with pytest.raises(InvalidInput, match="sender"):
        keeper.suppressed(sender)


def test_one_string_is_no_list(keeper: Suppressor) -> None:
    """Each character would be a number."""
    with pytest.raises(InvalidInput, match="list of strings"):
        keeper.suppress(ANN)


def test_many(keeper: Suppressor) -> None:
    """More than one call takes."""
    numbers = [f"+1919{5_560_000 + place}" for place in range(2 * BATCH + 1)]
    assert keeper.suppress(numbers) == len(numbers)
    assert keeper.unsuppress(numbers) == len(numbers)
    assert listed(keeper) == {}


# -- files -----------------------------------------------------------------------


def optouts(text: str, **options: str) -> OptOutList:
    return OptOutList(io.BytesIO(text.encode()), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        f"{ANN}\n{BOB}\n",
        f"name,phone\nAnn,{ANN}\nBob,(919) 555-0102\n",
        f"phone\tname\n{ANN}\tAnn\n{BOB}\tBob\n",
        f'{{"to": "{ANN}"}}\n{{"to": "{BOB}"}}\n',
    ],
    ids=["plain", "csv", "tsv", "json lines"],
)
def test_every_way_to_write_a_list(keeper: Suppressor, text: str) -> None:
    """Those that `submit` reads."""
    assert keeper.store_suppressions(optouts(text)) == 2
    assert listed(keeper) == {ANN: "import", BOB: "import"}


def test_packed_and_of_a_named_column(keeper: Suppressor, tmp_path: Path) -> None:
    """As with `submit`."""
    path = tmp_path / "gone.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n1,07700 900123\n"))
    read = OptOutList(path, column="b", region="GB", sender=SENDER)
    assert keeper.store_suppressions(read) == 1
    assert [one.scope for one in keeper.suppressed()] == [SENDER]


def test_bad_rows_are_told(keeper: Suppressor) -> None:
    """And counted, by reason; the rest goes on."""
    told: list[tuple[int, Reason, str]] = []
    read = OptOutList(
        io.BytesIO(f"phone\n{ANN}\nhello\n{ANN}\n{BOB}\n".encode()),
        reject=lambda *row: told.append(row),
    )
    assert keeper.store_suppressions(read) == 2
    assert (read.rows, read.accepted) == (4, 2)
    assert (read.rejected, read.dropped) == (
        {Reason.NOT_A_NUMBER: 1},
        {Reason.DUPLICATE: 1},
    )
    assert told == [
        (3, Reason.NOT_A_NUMBER, "hello"),
        (4, Reason.DUPLICATE, ANN),
    ]


def test_an_empty_file(keeper: Suppressor) -> None:
    """Is no list."""
    for text in ("", "\n\n", "number,scope,source,since\n"):
        with pytest.raises(ListError, match="no row"):
            keeper.store_suppressions(optouts(text))


EXPORT = "number,scope,source,since\n"


@pytest.mark.parametrize(
    "row",
    [
        f"{ANN},everybody,stop,2026-01-01T00:00:00+00:00",
        f"{ANN},all,whim,2026-01-01T00:00:00+00:00",
        f"{ANN},all,stop,yesterday",
        ANN,
    ],
)
def test_a_damaged_export(keeper: Suppressor, row: str) -> None:
    """The line is named; nothing is guessed, and nobody shown."""
    with pytest.raises(ListError, match="line 2 of the list is damaged") as caught:
        keeper.store_suppressions(optouts(f"{EXPORT}{row}\n"))
    assert "555" not in str(caught.value)


def test_a_bad_number_in_an_export(keeper: Suppressor) -> None:
    """Is a row like any other bad one."""
    good = f"{ANN},all,stop,2026-01-01T00:00:00+00:00"
    read = optouts(f"{EXPORT}hello,all,stop,2026-01-01T00:00:00+00:00\n{good}\n")
    assert keeper.store_suppressions(read) == 1
    assert (read.rows, read.accepted, read.rejected.total()) == (2, 1, 1)


# -- the command line ------------------------------------------------------------


@pytest.fixture
def program(
    bench: Bench,
    server_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Program:
    """The command line on the bench's ledger."""
    monkeypatch.setenv("DISPATCHER_REDIS_URL", server_url)
    bench.clock.forward(0)
    return Program(capsys)


class Program:
    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *words: str, code: int = 0) -> str:
        assert run(["suppress", *words]) == code
        told = self._capsys.readouterr()
        return told.err if code else told.out


def test_add_list_remove(program: Program, keeper: Suppressor) -> None:
    """Numbers are masked on the list, in JSON as well."""
    assert program("add", ANN, "(919) 555-0102") == "2 numbers added\n"
    assert json.loads(program("add", ANN, "--json")) == {"added": 0}
    program("add", CAT, "--sender", SENDER)
    shown = program("list")
    assert "+1919***0101" in shown
    assert "entered by hand" in shown
    assert "all senders" in shown
    told = json.loads(program("list", "--json", "--limit", "1"))
    assert (told["total"], len(told["entries"])) == (3, 1)
    for text in (shown, json.dumps(told)):
        assert "5550101" not in text
    assert program("remove", ANN, BOB) == "2 numbers removed\n"
    assert listed(keeper) == {CAT: "hand"}
    assert "and 1 more" in program("list", "--limit", "0")
    program("remove", CAT, "--sender", SENDER)
    assert program("list") == "nobody is on the list\n"


def test_wrong_calls(program: Program) -> None:
    """One clear line, exit 2; and no number in it that was not typed."""
    assert "number 1: " in program("add", "919-555-01", code=2)
    assert "sender" in program("add", ANN, "--sender", "me", code=2)
    assert "column" in program("import", "-", "--column", code=2)


def test_import(program: Program, keeper: Suppressor, tmp_path: Path) -> None:
    """What was read, added, known and left out, and why."""
    path = tmp_path / "gone.csv"
    path.write_text(f"phone\n{ANN}\nhello\n{ANN}\n{BOB}\n")
    keeper.suppress([BOB])
    shown = program("import", str(path))
    assert "4 rows read, 1 number added, 1 known already\n" in shown
    assert "not_a_number" in shown
    assert "duplicate" in shown
    assert "5550101" not in shown
    told = json.loads(program("import", str(path), "--json"))
    assert told == {
        "rows": 4,
        "added": 0,
        "rejected": {"not_a_number": 1},
        "dropped": {"duplicate": 1},
    }


def test_import_of_nothing(program: Program, tmp_path: Path) -> None:
    """A list that is wholly bad is a failed job, as with `submit`."""
    path = tmp_path / "gone.csv"
    path.write_text("phone\nhello\n")
    assert "none of 1 row" in program("import", str(path), code=1)
    assert "no file" in program("import", str(tmp_path / "other.csv"), code=1)


def test_export_and_back(
    program: Program, keeper: Suppressor, bench: Bench, tmp_path: Path
) -> None:
    """Number, scope, source and time of every entry survive."""
    keeper.suppress([ANN])
    keeper.suppress([ANN], SENDER)
    stop = Entry(int(BOB[1:]), Source.STOP, 1_700_000_000_123)
    bench.run(suppressions.add([stop]))
    before = set(keeper.suppressed())
    path = tmp_path / "gone.csv"
    assert program("export", "--output", str(path)) == f"3 numbers written to {path}\n"
    assert path.stat().st_mode & 0o077 == 0
    assert program("export") == path.read_text()
    bench.redis.flushall()
    program("import", str(path))
    assert set(keeper.suppressed()) == before
    bench.redis.flushall()
    program("import", str(path), "--sender", SENDER)
    assert {one.scope for one in keeper.suppressed()} == {SENDER}
