"""The provider of all benchmarks: nginx, which takes every message at once.

A process of its own and the same for everybody. It answers each send call with the
202 of the provider, an id of its own in it, keeps connections open, and counts. It
stands on a free port of the loopback and writes nothing but its error log.
"""

from __future__ import annotations

import http.client
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self

from benchmarks.harness import job
from benchmarks.harness.command import Missing
from benchmarks.harness.process import Process

#: Seconds it gets to start.
_START_S: Final = 10.0

# The id is 29 characters, as the provider's: milliseconds and 16 more.
_CONFIG: Final = """\
daemon off;
worker_processes {workers};
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 600s;
  default_type application/json;
  client_body_buffer_size 64k;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  map $msec $ms {{ "~^(?<s>[0-9]+)[.](?<m>[0-9]+)$" $s$m; }}
  map $request_id $short {{ "~^(?<r>.{{16}})" $r; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location /status {{ stub_status; }}
    location / {{ return 202 '{answer}'; }}
  }}
}}
"""
_ANSWER: Final = (
    '{{"id":"$ms$short","owner":"{sender}","applicationId":"{application}",'
    '"time":"$time_iso8601","segmentCount":1,"direction":"out","to":[{to}],'
    '"from":"{sender}","text":"{text}","tag":"0f1e2d3c4b.123456.1.{tag}"}}'
)


class Provider(Protocol):
    """Whoever takes messages.

    Attributes:
        url: What a client's base URL is.
    """

    url: str

    def taken(self) -> int:
        """Messages taken so far."""


class Answerer:
    """Takes messages while it is entered.

    Args:
        workers: Its processes; one answers some 50,000 calls a second.
    """

    def __init__(self, workers: int = 1) -> None:
        self._workers = workers
        self._asked = 0

    def __enter__(self) -> Self:
        program = find()
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            port = _free_port()
            config = folder / "nginx.conf"
            config.write_text(_config(folder, port, self._workers))
            command = [program, "-c", str(config), "-p", str(folder)]
            log = folder / "nginx.log"
            self._process = stack.enter_context(Process(command, {}, log))
            self._status = http.client.HTTPConnection("127.0.0.1", port)
            stack.callback(self._status.close)
            self._wait()
            self.url = f"http://127.0.0.1:{port}/api/v2"
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    @property
    def pid(self) -> int:
        """Its process; the working ones are its children."""
        return self._process.pid

    def taken(self) -> int:
        """Messages taken so far."""
        self._asked += 1
        self._status.request("GET", "/status")
        text = self._status.getresponse().read().decode()
        # "server accepts handled requests", and below it three numbers.
        return int(text.splitlines()[2].split()[2]) - self._asked

    def _wait(self) -> None:
        end = time.monotonic() + _START_S
        while True:
            try:
                self._status.connect()
            except OSError:
                self._process.check()
                if time.monotonic() > end:
                    raise
                time.sleep(0.02)
            else:
                return


def find() -> str:
    """Where nginx is.

    Raises:
        Missing: Nowhere; says what to install.
    """
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if not program:
        raise Missing(
            "it sends to nginx, which is not installed: "
            "apt-get install nginx-light (it need not run)"
        )
    return program


def version() -> str:
    """Such as "nginx/1.22.1"."""
    said = subprocess.run(  # noqa: S603 - no input
        [find(), "-v"], capture_output=True, text=True, check=True
    )
    return said.stderr.strip().removeprefix("nginx version: ")


def _config(folder: Path, port: int, workers: int) -> str:
    answer = _ANSWER.format(
        sender=job.SENDER,
        application=job.APPLICATION,
        to=",".join(f'"{number}"' for number in job.numbers(job.SIZE)),
        text=job.TEXT,
        tag=job.TAG,
    )
    return _CONFIG.format(folder=folder, port=port, workers=workers, answer=answer)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
