"""Flower as it should run here: read-only, bounded, closed to strangers.

`dispatcher flower` and `celery -A workers flower` both get these options. What a person
sets (FLOWER_... variables, flowerconfig.py, the command line) wins, but for one thing:
without a password Flower listens on this machine only. To import this module is to
import Flower, which takes a fifth of a second.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Final, NoReturn

from flower.options import options  # type: ignore[import-untyped]
from flower.urls import settings as application  # type: ignore[import-untyped]
from tornado.httputil import HTTPHeaders, HTTPServerRequest
from tornado.web import OutputTransform

from dispatcher.doors import check_address, is_plain, wanted
from dispatcher.errors import ConfigError
from dispatcher.settings import Settings

DEFAULTS: Final[dict[str, object]] = {
    "address": "127.0.0.1",
    # Flower's buttons stop workers and run tasks; campaigns are steered elsewhere.
    "read_only": True,
    # About 4 KB each: 40 MB.
    "max_tasks": 10_000,
    "max_workers": 1_000,
    # Every start of a worker is a new name; one gone for an hour is forgotten.
    "purge_offline_workers": 3600,
    "persistent": False,
    # A result tells what became of the groups of each campaign; there are no
    # arguments to show.
    "tasks_columns": "name,state,result,received,runtime,worker",
}

#: Opens Flower's API where no password is asked for.
_OPEN_API: Final = "FLOWER_UNAUTHENTICATED_API"
#: user:password@ in a socket's address, the only one that Celery does not mask.
_USERINFO: Final = re.compile(rb"(?<=socket://)[^/@\s\"]+@")
_WRONG_CALL: Final = 2
_FORBIDDEN: Final = 403


def set_defaults() -> None:
    """Prepare Flower, before it reads its options. A second time changes nothing."""
    if "transforms" in application:
        return
    application["transforms"] = [Private]
    for name, value in DEFAULTS.items():
        setattr(options, name, value)
    options.add_parse_callback(_Settle())


class _Settle:
    """Decides what depends on several options, once Flower has read them all.

    Flower reads the command line, then its file, then the command line again.
    """

    def __init__(self) -> None:
        self._file_is_next = True

    def __call__(self) -> None:
        file_is_next, self._file_is_next = self._file_is_next, False
        if file_is_next and Path(options.conf).exists():
            return
        try:
            _settle(Settings.load())
        except ConfigError as error:
            _refuse(str(error))


def _settle(settings: Settings) -> None:
    """Ask for the password, if there is one; else see that nobody else gets in.

    Raises:
        ConfigError: The password is missing or half there.
    """
    if not options.basic_auth and (asked := wanted(settings, "flower")):
        options.basic_auth = [f"{asked.username}:{asked.password.get_secret_value()}"]
    if _asks_who():
        return
    check_address(options.address, "flower", None, "Flower")
    if options.read_only:
        os.environ.setdefault(_OPEN_API, "true")


def _refuse(line: str) -> NoReturn:
    # Celery's command line would show any other exception with a traceback.
    sys.stderr.write(f"dispatcher: {line}\n")
    raise SystemExit(_WRONG_CALL)


def _asks_who() -> bool:
    return bool(options.basic_auth or options.auth)


class Private(OutputTransform):
    """Goes over every answer before it leaves.

    Without a password none may be read by another site's script: a page that somebody
    visits may ask this machine, and may have its own host's name lead here. Flower's
    open API would invite the first and not notice the second.

    With or without one: a worker reports a socket's whole address, password and all.
    """

    def __init__(self, request: HTTPServerRequest) -> None:
        super().__init__(request)
        self._refused = not _asks_who() and not is_plain(request.host_name)

    def transform_first_chunk(
        self,
        status_code: int,
        headers: HTTPHeaders,
        chunk: bytes,
        finishing: bool,  # noqa: FBT001, ARG002 - as tornado calls it
    ) -> tuple[int, HTTPHeaders, bytes]:
        """Take out what must not leave."""
        if self._refused:
            text = b"without a password Flower answers to localhost only\n"
            length = str(len(text))
            plain = {"Content-Type": "text/plain", "Content-Length": length}
            return _FORBIDDEN, HTTPHeaders(plain), text
        for name in [n for n in headers if n.startswith("Access-Control-")]:
            del headers[name]
        masked = _USERINFO.sub(b"***@", chunk)
        if masked != chunk:
            headers["Content-Length"] = str(len(masked))
        return status_code, headers, masked

    def transform_chunk(
        self,
        chunk: bytes,
        finishing: bool,  # noqa: FBT001, ARG002 - as tornado calls it
    ) -> bytes:
        """Nothing follows a refusal."""
        return b"" if self._refused else chunk
