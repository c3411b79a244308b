"""Media from a file to the message that refers to it, against the simulator."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from dispatcher import (
    Campaign,
    ContentConflict,
    Dispatcher,
    InvalidInput,
    MediaError,
    MediaExpire,
    Settings,
)
from dispatcher.cli.entry import run
from dispatcher.simulator import Simulator, SimulatorConfig
from tests.bench import Bench

SENDER = "+19195551212"
LIST = ["+19195561000", "+19195561001"]


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """One provider for all tests of the module."""
    config = SimulatorConfig(username="user", password="secret", callback_delay_ms=0)
    with Simulator(config) as running:
        yield running


@pytest.fixture
def settings(
    bench: Bench,
    server_url: str,
    simulator: Simulator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Settings:
    """Of the environment, too: commands read them there."""
    assert not bench.loaded  # what it is asked for is an empty ledger
    given = {
        "DISPATCHER_REDIS_URL": server_url,
        "DISPATCHER_DATA_DIR": str(tmp_path / "data"),
        "DISPATCHER_ACCOUNT_RATE": "1",
        "BW_BASE_URL": simulator.base_url,
        "BW_ACCOUNT_ID": tmp_path.name,
        "BW_USERNAME": "user",
        "BW_PASSWORD": "secret",
        "BW_NUMBER": SENDER,
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    return Settings.load()


@pytest.fixture
def poster(tmp_path: Path) -> Path:
    """A file."""
    path = tmp_path / "poster.png"
    path.write_bytes(b"\x89PNG")
    return path


def names(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What the provider has."""
    capsys.readouterr()
    assert run(["media", "list", "--json"]) == 0
    return [json.loads(line)["name"] for line in capsys.readouterr().out.splitlines()]


def message(*media: Path | str, text: str = "Doors open at 6 pm.") -> Campaign:
    """A campaign with these attachments."""
    return Campaign(sender=SENDER, text=text, media=list(media))


def test_a_local_file_is_uploaded_and_the_stored_campaign_has_its_url(
    settings: Settings, bench: Bench, poster: Path
) -> None:
    """A phone could fetch it; other media stay as they are."""
    elsewhere = "https://example.org/map.png"
    with Dispatcher(settings) as dispatcher:
        dispatcher.submit(message(poster, elsewhere), LIST, id="c")
    stored = Campaign.from_json(bench.row("c").spec)
    assert stored.media[1] == elsewhere
    url = str(stored.media[0])
    assert url.startswith(f"{settings.base_url}/users/{settings.account_id}/media/")
    fetched = httpx.get(url, auth=("user", "secret"), trust_env=False)
    assert fetched.content == b"\x89PNG"
    assert fetched.headers["Content-Type"] == "image/png"


def test_the_same_content_is_the_same_campaign(
    settings: Settings, poster: Path, tmp_path: Path
) -> None:
    """Wherever the file lies, whatever it is called; another content is another."""
    (tmp_path / "folder").mkdir()
    copy = tmp_path / "folder" / "copy of poster.PNG"
    copy.write_bytes(poster.read_bytes())
    with Dispatcher(settings) as dispatcher:
        first = dispatcher.submit(message(poster), LIST, id="c")
        again = dispatcher.submit(message(str(copy)), LIST, id="c")
        copy.write_bytes(b"another picture")
        with pytest.raises(ContentConflict):
            dispatcher.submit(message(copy.as_uri()), LIST, id="c")
    assert first.submission is not None
    assert again.submission is not None
    assert (first.submission.existing, again.submission.existing) == (False, True)


def test_a_file_that_cannot_be_sent_stops_all(
    settings: Settings, poster: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is uploaded, nothing is submitted."""
    with Dispatcher(settings) as dispatcher:
        with pytest.raises(InvalidInput, match="No such file"):
            dispatcher.submit(message(poster, "/nowhere.png"), LIST, id="c")
        assert dispatcher.campaigns() == []
    assert names(capsys) == []


@pytest.mark.usefixtures("settings")
def test_a_provider_that_refuses_stops_all(poster: Path) -> None:
    """With what to do about it."""
    wrong = Settings.load(password="wrong")
    with Dispatcher(wrong) as dispatcher:
        with pytest.raises(MediaError, match="credentials"):
            dispatcher.submit(message(poster), LIST, id="c")
        assert dispatcher.campaigns() == []


@pytest.mark.parametrize(
    ("hours", "people", "said"), [(49, 2, "begins later"), (47, 7200, "takes 2 hours")]
)
def test_media_that_would_not_last_are_told(
    settings: Settings, poster: Path, hours: int, people: int, said: str
) -> None:
    """One unit a second: 7,200 people take two hours. Nothing is submitted."""
    starts_at = datetime.now(UTC) + timedelta(hours=hours)
    people_ = [f"+1919{5_560_000 + n}" for n in range(people)]
    local = message(poster)
    there = message("https://example.org/poster.png")
    with Dispatcher(settings) as dispatcher:
        campaign = local.model_copy(update={"starts_at": starts_at})
        with pytest.raises(MediaExpire, match=said):
            dispatcher.submit(campaign, people_, id="c")
        order = dispatcher.order(campaign, people_, "c", dry_run=True)
        with pytest.raises(MediaExpire, match="server of your own"):
            dispatcher.place(order)
        assert dispatcher.campaigns() == []
        campaign = there.model_copy(update={"starts_at": starts_at})
        dispatcher.submit(campaign, people_, id="c")


def test_a_repeated_call_never_fails_for_its_media(
    settings: Settings, poster: Path
) -> None:
    """What was submitted is submitted; only new campaigns are weighed."""
    with Dispatcher(settings) as dispatcher:
        order = dispatcher.order(message(poster), LIST, "c")
        dispatcher.place(order)
        late = replace(order, media_until=datetime.now(UTC) - timedelta(hours=1))
        run_ = dispatcher.place(late)
        assert run_.submission is not None
        assert run_.submission.existing
        with pytest.raises(MediaExpire):
            dispatcher.place(replace(late, id="d"))


def test_a_rehearsal_uploads_nothing(
    settings: Settings, poster: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """But it looks at the file."""
    with Dispatcher(settings) as dispatcher:
        dispatcher.place(dispatcher.order(message(poster), LIST, "c", dry_run=True))
        poster.write_bytes(b"")
        with pytest.raises(InvalidInput, match="empty"):
            dispatcher.place(dispatcher.order(message(poster), LIST, dry_run=True))
    assert names(capsys) == []


def test_by_hand(
    settings: Settings, poster: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Put, listed, deleted; a second time it is not there."""
    clip = poster.with_name("clip.mp4")
    clip.write_bytes(b"film")
    assert run(["media", "put", str(poster), str(clip)]) == 0
    out, err = capsys.readouterr()
    picture, film = out.splitlines()
    assert picture.startswith(settings.base_url)
    assert err == (
        "note: clip.mp4: not every phone shows video/mp4; JPEG, PNG and GIF are safe\n"
    )
    found = names(capsys)
    assert sorted(found) == sorted(
        urlsplit(url).path.rpartition("/")[2] for url in (picture, film)
    )
    assert run(["media", "delete", *found]) == 0
    assert names(capsys) == []
    assert run(["media", "delete", found[0]]) == 1
    assert capsys.readouterr().err == (
        f"dispatcher: {found[0]}: there is no such file at the provider\n"
    )


@pytest.mark.usefixtures("settings")
def test_a_wrong_call_uploads_nothing(
    poster: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All files are looked at first."""
    assert run(["media", "put", str(poster), "/nowhere.png"]) == 2
    assert "/nowhere.png: No such file" in capsys.readouterr().err
    assert names(capsys) == []


def test_submitted_from_the_command_line(
    settings: Settings, bench: Bench, poster: Path, tmp_path: Path
) -> None:
    """`--media` takes a path."""
    people = tmp_path / "list.txt"
    people.write_text("\n".join(LIST))
    call = ["submit", str(people), "--media", str(poster), "--id", "c", "--json"]
    assert run(call) == 0
    (url,) = Campaign.from_json(bench.row("c").spec).media
    assert str(url).endswith(".png")
    assert str(url).startswith(settings.base_url)
