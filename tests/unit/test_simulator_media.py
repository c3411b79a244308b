"""The simulated store of media, and messages that refer to it."""

from __future__ import annotations

import msgspec
import pytest

from dispatcher.simulator import Fate, SimulatorConfig
from dispatcher.simulator.exchange import Reply
from dispatcher.simulator.media import LIFE, MAX_FILE, PAGE
from tests.unit.test_simulator_send import GROUP, Bench, content

STORE = "/api/v2/users/5500001/media"
POSTER = f"{STORE}/poster.png"
URL = "https://messaging.bandwidth.com"


def put(bench: Bench, path: str = POSTER, body: bytes = b"png") -> Reply:
    """Upload a picture."""
    return bench.ask("PUT", path, body, content_type=b"image/png")


def names(reply: Reply) -> list[str]:
    """What a list holds."""
    assert reply.status == 200
    return [row["mediaName"] for row in msgspec.json.decode(reply.body)]


def ends(bench: Bench, **fields: object) -> set[Fate]:
    """How a message with these fields ends, for all of its recipients."""
    id_ = content(bench.send(**fields))["id"]
    return {told.fate for told in bench.provider.truth() if told.id == id_}


def test_what_was_put_can_be_got_until_it_is_deleted() -> None:
    """Bytes, content type and cache control, under names with slashes too."""
    bench = Bench()
    path = f"{STORE}/14762-b2/0/bw%20logo.png"
    stored = bench.ask(
        "PUT", path, b"\x89PNG", content_type=b"image/png", cache_control=b"no-cache"
    )
    assert (stored.status, stored.body) == (204, b"")
    got = bench.ask("GET", path)
    assert (got.status, got.body, got.content_type) == (200, b"\x89PNG", "image/png")
    assert got.headers == (("Cache-Control", "no-cache"),)
    assert names(bench.ask("GET", STORE)) == ["14762-b2/0/bw logo.png"]
    assert bench.ask("DELETE", path).status == 204
    assert bench.ask("DELETE", path).status == 404
    assert content(bench.ask("GET", path))["type"] == "media-not-found"


def test_a_row_is_the_documented_one() -> None:
    """Where it is, how long it is, and its name."""
    bench = Bench()
    put(bench)
    reply = bench.ask("GET", STORE, host=b"localhost:8080")
    assert msgspec.json.decode(reply.body) == [
        {
            "content": f"http://localhost:8080{POSTER}",
            "contentLength": 3,
            "mediaName": "poster.png",
        }
    ]


def test_a_name_is_overwritten() -> None:
    """As documented; its life begins anew."""
    bench = Bench()
    put(bench, body=b"old")
    bench.now += LIFE - 1
    put(bench, body=b"new")
    bench.now += LIFE - 1
    assert bench.ask("GET", POSTER).body == b"new"


def test_uploads_are_gone_after_two_days() -> None:
    """To the second, from the list too; or after as long as configured."""
    for bench, life in (
        (Bench(), 48 * 3600),
        (Bench(SimulatorConfig(media_seconds=60)), 60),
    ):
        put(bench)
        bench.now += life - 0.1
        assert names(bench.ask("GET", STORE)) == ["poster.png"]
        bench.now += 0.1
        assert names(bench.ask("GET", STORE)) == []
        assert bench.ask("GET", POSTER).status == 404


def test_a_long_list_comes_in_pages() -> None:
    """The token of an answer goes into the next request."""
    bench = Bench()
    for n in range(2 * PAGE + 1):
        put(bench, f"{STORE}/{n:05d} ä", b"")
    found: list[str] = []
    token = b""
    pages = 0
    while token or not pages:
        reply = bench.ask("GET", STORE, continuation_token=token)
        found += names(reply)
        token = dict(reply.headers).get("Continuation-Token", "").encode()
        pages += 1
    assert pages == 3
    assert found == [f"{n:05d} ä" for n in range(2 * PAGE + 1)]


def test_accounts_do_not_see_one_another() -> None:
    """Not even by a name they know."""
    bench = Bench()
    put(bench)
    other = STORE.replace("5500001", "5500002")
    assert bench.ask("GET", f"{other}/poster.png").status == 404
    assert names(bench.ask("GET", other)) == []


def test_a_file_too_large_is_refused() -> None:
    """The last byte that fits is taken."""
    bench = Bench()
    assert put(bench, body=bytes(MAX_FILE)).status == 204
    assert put(bench, body=bytes(MAX_FILE + 1)).status == 400


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("POST", POSTER, 405), ("PUT", STORE, 405), ("DELETE", STORE, 405)],
)
def test_there_are_no_other_calls(method: str, path: str, status: int) -> None:
    """Neither on files nor on the list."""
    assert Bench().ask(method, path, b"").status == status


@pytest.mark.parametrize("method", ["PUT", "GET", "DELETE"])
def test_nobody_comes_in_without_credentials(method: str) -> None:
    """And nothing is changed."""
    bench = Bench()
    put(bench)
    assert bench.ask(method, POSTER, b"x", authorization=b"").status == 401
    assert bench.ask("GET", POSTER).body == b"png"


def test_a_message_fails_whose_media_are_not_there() -> None:
    """4410 for everybody; before the upload, and when it has expired."""
    bench = Bench()
    media = ["https://example.org/poster.png", URL + POSTER]
    assert ends(bench, media=media) == {Fate("failed", 4410)}
    put(bench)
    assert ends(bench, media=media) == {Fate("delivered")}
    bench.now += LIFE
    assert ends(bench, media=media, to=GROUP[:1]) == {Fate("failed", 4410)}


def test_media_elsewhere_are_taken_to_be_there() -> None:
    """The simulator fetches nothing."""
    assert ends(Bench(), media=["https://example.org/users/x/poster.png"]) == {
        Fate("delivered")
    }
