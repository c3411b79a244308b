"""Flower on a running system: what it shows, what it refuses, what it never shows.

Redis asks for a password here, so that there is one more thing to keep secret.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from dispatcher.embedded import EmbeddedServer
from dispatcher.ledger.connection import ledger_url
from tests.stack import PASSWORD, SENDER, TEXT, Stack, eventually, numbers

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

GROUPS = 30
REDIS_PASSWORD = "redis-password-to-keep"
VIEWER = ("viewer", "let,me:in")
CREDENTIALS = {
    "DISPATCHER_FLOWER_USERNAME": VIEWER[0],
    "DISPATCHER_FLOWER_PASSWORD": VIEWER[1],
}

#: Two ways to start it that must not differ.
DISPATCHER = ("-m", "dispatcher", "flower")
CELERY = ("-m", "celery", "-q", "-A", "workers", "flower")

ACTIONS = [
    "worker/shutdown/{worker}",
    "worker/pool/restart/{worker}",
    "worker/pool/grow/{worker}",
    "worker/pool/shrink/{worker}",
    "worker/pool/autoscale/{worker}?min=1&max=9",
    "worker/queue/add-consumer/{worker}?queue=x",
    "worker/queue/cancel-consumer/{worker}?queue=dispatcher",
    "task/apply/workers.send_groups",
    "task/async-apply/workers.send_groups",
    "task/send-task/workers.send_groups",
    "task/abort/{task}",
    "task/revoke/{task}?terminate=true",
    "task/timeout/workers.send_groups?workername={worker}&hard=1",
    "task/rate-limit/workers.send_groups?workername={worker}&ratelimit=1",
]


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@contextmanager
def flower(
    env: Mapping[str, str], folder: Path, command: tuple[str, ...] = DISPATCHER
) -> Iterator[httpx.Client]:
    """Flower in a process of its own, and a client of it."""
    port = _free_port()
    with (folder / f"flower-{port}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, *command, f"--port={port}"],
            env={**os.environ, **env},
            cwd=folder,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
            eventually(lambda: _answers(client), 30, "Flower answers")
            yield client
    finally:
        process.terminate()
        process.wait(20)


def _answers(client: httpx.Client) -> bool:
    with suppress(httpx.TransportError):
        return client.get("/healthcheck").is_success
    return False


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A system whose Redis asks for a password; no worker yet."""
    folder = tmp_path_factory.mktemp("flower")
    with EmbeddedServer(folder / "redis") as server:
        with redis.Redis.from_url(ledger_url(server.url)) as client:
            client.config_set("requirepass", REDIS_PASSWORD)
        url = server.url.replace("unix://", f"unix://:{REDIS_PASSWORD}@")
        with Stack(folder, redis_url=url) as stack:
            yield stack


@pytest.fixture(scope="module")
def watched(stack: Stack) -> Iterator[httpx.Client]:
    """Flower, which saw a campaign being sent from its first wake-up on."""
    with flower(stack.env, stack.directory) as client:
        run = stack.submit(GROUPS * 10)
        eventually(lambda: _queued(client) == 1, 20, "the wake-up is in the queue")
        stack.worker()
        run.wait(timeout=60)
        eventually(lambda: _accepted(client) == GROUPS, 20, "Flower saw all groups")
        eventually(lambda: _online(client) != [], 20, "Flower saw the worker")
        # A look that began before there was a worker may still be under way.
        eventually(lambda: _inspected(client), 20, "the worker told about itself")
        yield client


def _queued(client: httpx.Client) -> int:
    queues = client.get("/api/queues/length").json()["active_queues"]
    return sum(queue["messages"] for queue in queues if queue["name"] == "dispatcher")


def _tasks(client: httpx.Client) -> dict[str, Any]:
    tasks: dict[str, Any] = client.get("/api/tasks").json()
    return tasks


def _accepted(client: httpx.Client) -> int:
    """Groups of the campaign that Flower's task results say are accepted."""
    results = [task["result"] or "" for task in _tasks(client).values()]
    counts = [re.search(r"'test': {.*'accepted': (\d+)", text) for text in results]
    return sum(int(found[1]) for found in counts if found)


def _inspected(client: httpx.Client) -> bool:
    workers = client.get("/api/workers?refresh=1").json()
    return any({"stats", "active_queues", "conf"} <= set(w) for w in workers.values())


def _online(client: httpx.Client) -> list[str]:
    workers = client.get("/api/workers?status=1").json()
    return [name for name, online in workers.items() if online]


def test_results_count_the_groups_of_each_campaign(watched: httpx.Client) -> None:
    """Shifts are shown as succeeded, with counts, and without any argument."""
    tasks = _tasks(watched).values()
    ended = [task for task in tasks if task["result"]]
    assert {task["name"] for task in tasks} == {"workers.send_groups"}
    assert {task["state"] for task in ended} == {"SUCCESS"}
    assert {(task["args"], task["kwargs"]) for task in tasks} == {("", "")}


def test_the_worker_is_online_with_its_children(watched: httpx.Client) -> None:
    """Flower knows the worker, its two processes and its queue."""
    (name,) = _online(watched)
    workers = watched.get("/api/workers").json()
    assert len(workers[name]["stats"]["pool"]["processes"]) == 2
    assert [queue["name"] for queue in workers[name]["active_queues"]] == ["dispatcher"]


@pytest.mark.parametrize("action", ACTIONS)
def test_no_action_is_possible(watched: httpx.Client, action: str) -> None:
    """Each action of the API is refused, and nothing happens to the worker."""
    (worker,) = _online(watched)
    task = next(iter(_tasks(watched)))
    answer = watched.post("/api/" + action.format(worker=worker, task=task))
    assert (answer.status_code, answer.text) == (403, "Read only mode is enabled")
    assert _online(watched) == [worker]


def test_no_button_is_shown(watched: httpx.Client) -> None:
    """The pages of a worker and a task have nothing to press."""
    (worker,) = _online(watched)
    pages = watched.get(f"/worker/{worker}").text
    pages += watched.get(f"/task/{next(iter(_tasks(watched)))}").text
    for button in ("worker-shutdown", "worker-pool-", "task-revoke", "task-terminate"):
        assert f'id="{button}' not in pages


def test_nothing_private_is_shown(watched: httpx.Client, stack: Stack) -> None:
    """No number, text or credential on any page, in the API or in the metrics."""
    (worker,) = _online(watched)
    tasks = list(_tasks(watched))
    paths = [
        *("/", "/workers", "/workers?json=1", "/tasks", "/broker", "/metrics"),
        *("/api/tasks", "/api/workers", "/api/task/types", "/api/queues/length"),
        *(f"/worker/{worker}", f"/api/workers?workername={worker}"),
        *(f"/task/{task}" for task in tasks),
        *(f"/api/task/info/{task}" for task in tasks),
    ]
    shown = {path: watched.get(path) for path in paths}
    secrets = [TEXT, PASSWORD, REDIS_PASSWORD, SENDER[1:]]
    secrets += [number[1:] for number in numbers(GROUPS * 10)]
    logs = "".join(log.read_text() for log in stack.directory.glob("flower-*.log"))
    haystack = logs + "".join(answer.text for answer in shown.values())
    assert {
        path: answer.status_code for path, answer in shown.items()
    } == dict.fromkeys(paths, 200)
    assert [secret for secret in secrets if secret in haystack] == []


def test_other_sites_cannot_read_it(watched: httpx.Client) -> None:
    """No invitation to foreign scripts, and no answer under a foreign name."""
    answer = watched.get("/api/tasks", headers={"Origin": "http://elsewhere.example"})
    assert [name for name in answer.headers if name.startswith("access-control")] == []
    foreign = watched.get("/api/tasks", headers={"Host": "elsewhere.example"})
    assert foreign.status_code == 403
    assert "workers.send_groups" not in foreign.text


@pytest.mark.parametrize("command", [DISPATCHER, CELERY])
def test_a_password_closes_pages_and_api(
    stack: Stack, tmp_path: Path, command: tuple[str, ...]
) -> None:
    """Both ways to start it ask for the password, and stay read-only with it."""
    anywhere = (*command, "--address=0.0.0.0")
    with flower({**stack.env, **CREDENTIALS}, tmp_path, anywhere) as client:
        for path in ("/", "/tasks", "/broker", "/api/tasks", "/api/workers"):
            assert client.get(path).status_code == 401
            assert client.get(path, auth=("viewer", "wrong")).status_code == 401
            assert client.get(path, auth=VIEWER).status_code == 200
        answer = client.post("/api/task/apply/workers.send_groups", auth=VIEWER)
        assert answer.status_code == 403


def test_celerys_own_command_is_as_safe(stack: Stack, tmp_path: Path) -> None:
    """`celery -A workers flower`: readable here, and no action."""
    with flower(stack.env, tmp_path, CELERY) as client:
        assert client.get("/api/tasks").status_code == 200
        answer = client.post("/api/task/send-task/workers.send_groups")
        assert answer.status_code == 403


@pytest.mark.parametrize("command", [DISPATCHER, CELERY])
@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ({}, "needs a password"),
        ({"DISPATCHER_FLOWER_USERNAME": "viewer"}, "set both"),
        ({**CREDENTIALS, "DISPATCHER_FLOWER_USERNAME": "a:b"}, "cannot hold a colon"),
    ],
)
def test_it_is_not_opened_to_everybody(
    stack: Stack, extra: dict[str, str], words: str, command: tuple[str, ...]
) -> None:
    """Another address without a whole password: one line, exit code 2."""
    ended = subprocess.run(
        [sys.executable, *command, "--address=0.0.0.0", f"--port={_free_port()}"],
        env={**os.environ, **stack.env, **extra},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 2
    assert words in ended.stderr
    assert ended.stderr.count("\n") == 1
