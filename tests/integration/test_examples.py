"""The examples, run as a reader would run them, on a real system."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from io import BytesIO
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any, TypeVar

import httpx
import pytest
from django.test import Client

from examples.django_view import app as django_app
from examples.fastapi_app import LONGEST
from examples.fastapi_app import app as fastapi_app
from tests.stack import SENDER, TEXT, Stack, eventually, numbers

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

T = TypeVar("T")

EXAMPLES = Path(__file__).parents[2] / "examples"
#: Seconds until a test gives up.
PATIENCE = 60


@pytest.fixture
def settings(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """The examples take their settings from the environment, as is usual."""
    for name, value in stack.env.items():
        monkeypatch.setenv(name, value)


# -- the script --------------------------------------------------------------------


def _report(stack: Stack, path: Path) -> CompletedProcess[str]:
    script = EXAMPLES / "submit_and_report.py"
    return subprocess.run(
        [sys.executable, str(script), str(path), SENDER, TEXT, "--timeout", "60"],
        env={**os.environ, **stack.env},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_the_script_sends_and_reports(stack: Stack, tmp_path: Path) -> None:
    """A good list; a second run reports the same and sends nothing."""
    path = tmp_path / "families.csv"
    path.write_text("\n".join(["phone", *numbers(25)]))
    first = _report(stack, path)
    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout.endswith(": done, 3 of 3 groups sent\n")
    sent = len(stack.simulator.record())
    assert _report(stack, path).stdout == first.stdout
    assert len(stack.simulator.record()) == sent


def test_the_script_tells_who_got_nothing(stack: Stack, tmp_path: Path) -> None:
    """A row that is no number, a number that the provider refuses."""
    path = tmp_path / "bad.csv"
    path.write_text("phone\ncall me\n+49 30 12\n")
    told = _report(stack, path)
    assert told.returncode == 1
    assert "1 rows left out: not_a_number" in told.stdout
    assert "group 0 (1 people): failed, 400" in told.stdout
    assert "493012" not in told.stdout


def test_the_script_tells_errors_in_one_line(stack: Stack, tmp_path: Path) -> None:
    """A list that is not there."""
    told = _report(stack, tmp_path / "none.csv")
    assert (told.returncode, told.stdout) == (1, "")
    assert "none.csv" in told.stderr
    assert len(told.stderr.splitlines()) == 1


# -- Django ------------------------------------------------------------------------


@pytest.fixture
def browser(settings: None) -> Iterator[Client]:  # noqa: ARG001 - in the environment
    """One that must show the form's token, as a real one must."""
    yield Client(enforce_csrf_checks=True, headers={"host": "localhost"})
    django_app.dispatcher().close()
    django_app.dispatcher.cache_clear()


def _form(browser: Client) -> dict[str, str]:
    """The hidden fields of a form just opened."""
    page = browser.get("/").content.decode()
    hidden = r'type="hidden" name="(\w+)" value="([^"]+)"'
    return dict(re.findall(hidden, page))


def _send(browser: Client, fields: dict[str, Any], rows: bytes) -> tuple[int, Any]:
    answer = browser.post(
        "/campaigns",
        {"sender": SENDER, "text": TEXT, "list": BytesIO(rows), **fields},
    )
    return answer.status_code, answer.json()


def _list(first: int, count: int) -> bytes:
    rows = list(numbers(first + count))[first:]
    return "\n".join(["phone", *rows]).encode()


def test_django_takes_an_upload_and_shows_its_progress(browser: Client) -> None:
    """The id comes back at once; its page tells when it is done."""
    fields = _form(browser)
    status, sent = _send(browser, fields, _list(1_000, 25))
    assert (status, sent["id"], sent["groups"]) == (202, fields["id"], 3)
    page = f"/campaigns/{sent['id']}"
    eventually(lambda: browser.get(page).json()["state"] == "done", PATIENCE, page)
    assert browser.get(page).json()["accepted"] == 3


def test_django_sends_a_doubled_request_once(browser: Client, stack: Stack) -> None:
    """The same form twice is one campaign; another form is another."""
    fields = _form(browser)
    first = _send(browser, fields, _list(2_000, 25))
    second = _send(browser, fields, _list(2_000, 25))
    assert (first[0], first[1]["id"]) == (second[0], second[1]["id"])
    run = stack.dispatcher.campaign(fields["id"])
    run.wait(timeout=PATIENCE)
    assert stack.witness(run).doubled == 0
    assert _form(browser)["id"] != fields["id"]


def test_django_tells_what_is_wrong(browser: Client) -> None:
    """Each kind of error by its status, with a sentence."""
    fields = _form(browser)
    assert _send(browser, fields, _list(3_000, 5))[0] == 202
    assert _send(browser, fields, _list(3_000, 6))[0] == 409
    assert _send(browser, {**fields, "sender": "me"}, _list(3_000, 5))[0] == 422
    assert _send(browser, {**fields, "id": ""}, _list(3_000, 5))[0] == 422
    assert browser.post("/campaigns", fields).json() == {"error": "choose a list"}
    assert browser.get("/campaigns/nobody").status_code == 404


def test_django_refuses_a_form_that_is_not_its_own(browser: Client) -> None:
    """Another site cannot make a visitor's browser send messages."""
    assert browser.post("/campaigns", {"sender": SENDER}).status_code == 403


def test_the_django_project_runs_by_itself() -> None:
    """As the first lines of the file say."""
    script = EXAMPLES / "django_view" / "app.py"
    subprocess.run([sys.executable, script, "check"], check=True, timeout=PATIENCE)


# -- FastAPI -----------------------------------------------------------------------


def with_fastapi(work: Callable[[httpx.AsyncClient], Awaitable[T]]) -> T:
    """Run with the application started, and a client of it."""

    async def go() -> T:
        transport = httpx.ASGITransport(fastapi_app)
        async with (
            asyncio.timeout(PATIENCE),
            fastapi_app.router.lifespan_context(fastapi_app),
            httpx.AsyncClient(transport=transport, base_url="http://test") as client,
        ):
            return await work(client)

    return asyncio.run(go())


def _path(id_: str, message: str = "open-house") -> str:
    return f"/campaigns/{id_}?message={message}"


@pytest.mark.usefixtures("settings")
def test_fastapi_streams_a_list_in_and_results_out(stack: Stack) -> None:
    """A list in small pieces; every group comes back as a line of JSON."""
    rows = list(numbers(5_025))[4_000:]

    async def pieces() -> Any:  # noqa: ANN401 - an async generator of bytes
        whole = "\r\n".join(rows).encode()
        for start in range(0, len(whole), 100):
            yield whole[start : start + 100]

    async def work(client: httpx.AsyncClient) -> list[dict[str, Any]]:
        sent = await client.put(_path("fast"), content=pieces())
        assert (sent.status_code, sent.json()["groups"]) == (202, 103)
        await asyncio.to_thread(stack.dispatcher.campaign("fast").wait, PATIENCE)
        assert (await client.get("/campaigns/fast")).json()["state"] == "done"
        results = await client.get("/campaigns/fast/results?state=accepted")
        return [json.loads(line) for line in results.text.splitlines()]

    results = with_fastapi(work)
    assert [number for group in results for number in group["to"]] == rows


@pytest.mark.usefixtures("settings")
def test_fastapi_sends_a_repeated_request_once() -> None:
    """The second answer says that it was there; other content is refused."""
    rows, other = _plain(6_000), _plain(6_100)

    async def work(client: httpx.AsyncClient) -> list[Any]:
        puts = [await client.put(_path("again"), content=body) for body in (rows, rows)]
        conflict = await client.put(_path("again"), content=other)
        return [*(put.json()["existing"] for put in puts), conflict.status_code]

    assert with_fastapi(work) == [False, True, 409]


def _plain(first: int) -> bytes:
    return "\n".join(list(numbers(first + 20))[first:]).encode()


@pytest.mark.usefixtures("settings")
def test_fastapi_takes_back_what_breaks_off() -> None:
    """An upload that goes wrong half-way leaves no campaign."""

    async def work(client: httpx.AsyncClient) -> list[int]:
        body = _plain(7_000) + b"\n" + b"9" * (LONGEST + 1)
        broken = await client.put(_path("broken"), content=body)
        after = await client.get("/campaigns/broken")
        return [broken.status_code, after.status_code]

    assert with_fastapi(work) == [413, 404]


@pytest.mark.usefixtures("settings")
def test_fastapi_takes_back_what_its_client_left() -> None:
    """A client that goes away half-way leaves no campaign, and no error."""
    scope = {
        "type": "http",
        "method": "PUT",
        "path": "/campaigns/left",
        "query_string": b"message=open-house",
        "headers": [],
    }
    received: Iterator[dict[str, Any]] = iter(
        [
            {"type": "http.request", "body": _plain(9_000), "more_body": True},
            {"type": "http.disconnect"},
        ]
    )

    async def receive() -> dict[str, Any]:
        return next(received)

    async def send(_: object) -> None:
        pass

    async def work(client: httpx.AsyncClient) -> int:
        await fastapi_app(scope, receive, send)
        return (await client.get("/campaigns/left")).status_code

    assert with_fastapi(work) == 404
    assert not list(received)


@pytest.mark.usefixtures("settings")
def test_fastapi_tells_what_is_wrong() -> None:
    """Each kind of error by its status, before any line of results."""

    async def work(client: httpx.AsyncClient) -> list[int]:
        answers = [
            await client.put(_path("wrong", "unheard-of"), content=b"+19195550100"),
            await client.put(_path("no id"), content=b"+19195550100"),
            await client.put(_path("empty"), content=b""),
            await client.get("/campaigns/nobody"),
            await client.get("/campaigns/nobody/results"),
            await client.put(_path("right"), content=_plain(8_000)),
            await client.get("/campaigns/right/results?state=lost"),
        ]
        return [answer.status_code for answer in answers]

    assert with_fastapi(work) == [404, 422, 409, 404, 404, 202, 422]
