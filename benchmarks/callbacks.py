"""How fast are callbacks taken, beside an application that does nothing?

    python -m benchmarks.callbacks [--quick] [--write]

One process of ours and one that only answers 204, on the same server, the same core
and in turns; a real Redis that has every body on its disk before the answer, on
another core with the load (`wrk`, from the package of that name). The processor's time
for a request says what a core could do if nothing else were in the way, on a machine
that is busy otherwise too. At the end Redis is killed and started again: what was
answered is counted there.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import psutil
import redis
from starlette.types import ASGIApp, Receive, Scope, Send

from benchmarks.harness import command
from benchmarks.harness.command import Missing, Size
from benchmarks.harness.figures import ratio, spread, table
from benchmarks.harness.report import Section
from dispatcher.doors import wanted
from dispatcher.embedded import EmbeddedServer
from dispatcher.ledger.connection import ledger_url
from dispatcher.ledger.inbox import Inbox
from dispatcher.ledger.keys import key
from dispatcher.settings import Settings
from dispatcher.web.app import make_site
from dispatcher.web.server import listen, serve

CONNECTIONS: Final = 128
_CREDENTIALS: Final = ("bandwidth", "a-pass-word")
#: One recipient of a group of ten.
_NUMBERS: Final = [f"+1919555{line:04d}" for line in range(100, 110)]
_BODY: Final = [
    {
        "type": "message-delivered",
        "time": "2026-09-14T18:20:16.979Z",
        "description": "ok",
        "to": _NUMBERS[3],
        "message": {
            "id": "1589228074636lm4k2je7j7jklbn2",
            "owner": "+19195551212",
            "applicationId": "93de2206-9669-4e07-948d-329f4b722ee2",
            "time": "2026-09-14T18:20:16Z",
            "segmentCount": 1,
            "direction": "out",
            "to": _NUMBERS,
            "from": "+19195551212",
            "text": "",
            "tag": "0f1e2d3c4b5a6978.1234.56789.open-house",
            "media": ["https://example.org/poster.jpg"],
            "priority": "default",
        },
    }
]
_SCRIPT: Final = """
wrk.method = "POST"
wrk.body = {body}
wrk.headers["Content-Type"] = "application/json; charset=utf-8"
wrk.headers["Authorization"] = "Basic {token}"
wrk.headers["User-Agent"] = "BandwidthAPI/v2"
function done(summary, latency, requests)
  local failed = summary.errors.connect + summary.errors.read
    + summary.errors.timeout + summary.errors.status
  io.write(string.format("RESULT %d %d %d %d\\n",
    summary.requests, failed, summary.duration, latency:percentile(99)))
end
"""


class Round(NamedTuple):
    """What one round of load came to; `cpu` is the server's time, seconds."""

    answered: int
    failed: int
    seconds: float
    p99_ms: float
    cpu: float

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.answered / self.seconds

    @property
    def cost(self) -> float:
        """Microseconds of the processor for an answer."""
        return self.cpu / self.answered * 1e6


class Target(NamedTuple):
    """A server under load."""

    url: str
    process: psutil.Process

    def cpu(self) -> float:
        """Seconds of the processor that it took so far."""
        times = self.process.cpu_times()
        return float(times.user + times.system)


async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer 204 to everything."""
    if scope["type"] == "lifespan":
        for event in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{event}.complete"})
        return
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@contextmanager
def running(core: int, redis_url: str = "") -> Iterator[Target]:
    """A server in a process of its own; the receiver, if there is a Redis for it."""
    listener = listen("127.0.0.1", 0)
    child = os.fork()
    if not child:
        os.sched_setaffinity(0, {core})
        app: ASGIApp = nothing
        if redis_url:
            asked = dict(zip(_FIELDS, _CREDENTIALS, strict=True))
            door = wanted(Settings.load(**asked), "callback")
            app = make_site(Inbox(redis_url), door)
        serve(app, listener, lambda: None)
        os._exit(0)
    port = listener.getsockname()[1]
    listener.close()
    try:
        yield Target(f"http://127.0.0.1:{port}/callbacks", psutil.Process(child))
    finally:
        os.kill(child, 15)
        os.waitpid(child, 0)


_FIELDS: Final = ("callback_username", "callback_password")


def load(target: Target, script: Path, seconds: float) -> Round:
    """Ask for so long over many connections."""
    before = target.cpu()
    done = subprocess.run(  # noqa: S603 - our own arguments
        [
            *(str(shutil.which("wrk")), "-t1", f"-c{CONNECTIONS}"),
            *(f"-d{seconds}s", "-s", str(script), target.url),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    (line,) = [x for x in done.stdout.splitlines() if x.startswith("RESULT ")]
    requests, failed, micros, p99 = map(int, line.split()[1:])
    spent = target.cpu() - before
    return Round(requests - failed, failed, micros / 1e6, p99 / 1000, spent)


def write_script(folder: Path) -> Path:
    """What `wrk` is to send."""
    token = base64.b64encode(":".join(_CREDENTIALS).encode()).decode()
    body = json.dumps(json.dumps(_BODY, separators=(",", ":")))
    path = folder / "post.lua"
    path.write_text(_SCRIPT.format(body=body, token=token))
    return path


def stored(url: str) -> int:
    """Bodies in the inbox."""
    with redis.Redis.from_url(ledger_url(url)) as client:
        return int(client.llen(key("inbox")))


_TEXT: Final = """\
One process that takes callbacks beside one that only answers 204: same server, same
core, {connections} connections, in turns; a real Redis has every body on its disk
before the answer. "us" are of the processor for an answer; p99 is how long all but the
slowest hundredth waited at most.

{table}
Answered {answered:,}, failed {failed:,}. Then Redis was killed and started again:
{found:,} in the inbox, {lost:,} lost."""


def measure(size: Size) -> Section:
    """Both in turns; then what is on the disk.

    Raises:
        Missing: There is no `wrk`.
        RuntimeError: Something that was answered is not on the disk.
    """
    if not shutil.which("wrk"):
        raise Missing("it needs wrk: apt-get install wrk")
    here, *others = sorted(os.sched_getaffinity(0))
    # Redis and the load share what the receiver does not use.
    os.sched_setaffinity(0, others or {here})
    try:
        return _measured(here, size.pick(1, 5), size.pick(2, 4))
    finally:
        os.sched_setaffinity(0, {here, *others})


def _measured(core: int, rounds: int, seconds: int) -> Section:
    bare, ours = [], []
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        script = write_script(folder)
        with EmbeddedServer(folder / "redis") as server:
            with running(core) as idle, running(core, server.url) as receiver:
                for _ in range(rounds):
                    bare.append(load(idle, script, seconds))
                    ours.append(load(receiver, script, seconds))
            server._server.terminate()  # noqa: SLF001 - SIGKILL, as a crash
            server.start()
            found = stored(server.url)
    answered = sum(one.answered for one in ours)
    # More may be there: what the end of a round cut off, and what came again.
    lost = max(answered - found, 0)
    if lost:
        raise RuntimeError(f"{lost} callbacks that were answered are not on the disk")
    text = _TEXT.format(
        connections=CONNECTIONS,
        table=_table(bare, ours),
        answered=answered,
        failed=sum(one.failed for one in ours),
        found=found,
        lost=lost,
    )
    return Section("callbacks", "Taking callbacks", text)


def _table(bare: list[Round], ours: list[Round]) -> str:
    heads = ["", "answers/s", "us", "p99, ms"]
    rates = ratio([o.rate for o in ours], [b.rate for b in bare])
    costs = ratio([b.cost for b in bare], [o.cost for o in ours])
    return table(
        heads,
        [
            _row("204 and nothing else", bare),
            _row("callbacks, on disk", ours),
            ["ratio", rates.tell(".2f"), costs.tell(".2f"), ""],
        ],
    )


def _row(name: str, rounds: list[Round]) -> list[str]:
    return [
        name,
        spread([one.rate for one in rounds]).tell(),
        spread([one.cost for one in rounds]).tell(),
        spread([one.p99_ms for one in rounds]).tell(".1f"),
    ]


if __name__ == "__main__":
    command.run(measure)
