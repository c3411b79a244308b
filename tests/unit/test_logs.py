"""Logs: one form for all libraries, and nothing private in any of them."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any, Literal

import pytest
import structlog
from structlog.contextvars import bound_contextvars

from dispatcher import logs
from dispatcher.logs import scrub, scrub_text
from dispatcher.order import new_id

NUMBER = "+19195551212"
#: One number, as people and programs write it.
WRITTEN = [
    NUMBER,
    "19195551212",
    "9195551212",
    "5551212",
    "+1 919 555 1212",
    "+1 (919) 555-1212",
    "+1-919-555-1212",
    "+1.919.555.1212",
    "+1\N{NO-BREAK SPACE}919\N{NO-BREAK SPACE}5551212",
    "(919) 555-1212",
    "919-555-1212",
    "919.555.1212",
    "919 555 1212",
    "919-5551212",
    "1-919-555-1212",
    "1919-555-1212",
    "%2B19195551212",
    "+441632960961",
    "+44 1632 960961",
    "0044 1632 960961",
    "00441632960961",
]
#: Places a number may stand in.
AROUND = [
    "{}",
    "sent to {}",
    "to {}.",
    "({})",
    "['{}', '{}']",
    '{{"to":["{}"],"text":"Hi"}}',
    "to={}&x=1",
    "tel:{}",
    "<{}>",
    "first line\n{}\nlast line",
    r"b'first\n{}\n'",
    "/lists/{}.csv",
]
KEPT = [
    "20261123-101500-ab12cd",
    "20261123-101500-123456",
    "'20261123-101500-ab12cd': {'accepted': 500000}",
    "spring-2026",
    "spring-20261123-b",
    "2026-11-23",
    "2026-11-23 10:15:00.123456",
    "2026-11-23T10:15:00.123456Z",
    "132bdc5b-263e-4d47-8a48-0123456789ab",
    "Task workers.send_groups[12345678-1234-1234-1234-123456789012] received",
    "1661365814859loktf5v5tx6gazn5",
    "14762070468292kw2fuqty55yp2b2",
    "succeeded in 0.28431271299996297s",
    "1764000000.123456",
    "512000 of 999999 groups, 99.95 %",
    "192.168.100.200:6379",
    "Process 'ForkPoolWorker-1' pid:4194303 exited with 'signal 9 (SIGKILL)'",
    "nonce.12345678.1",
    "v5.7.0",
    "+5 -3 1+1",
    "line 12, 345, 6789",
]


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where the lines go; the logging of the test run is put back afterwards."""
    root = logging.getLogger()
    before, level = root.handlers, root.level
    quiet = {name: logging.getLogger(name).level for name in logs._QUIET}
    yield io.StringIO()
    root.handlers = before
    root.setLevel(level)
    for name, was in quiet.items():
        logging.getLogger(name).setLevel(was)
    structlog.reset_defaults()


def configured(
    stream: io.StringIO,
    format_: Literal["console", "json", "auto"] = "json",
    level: str = "info",
) -> Any:  # noqa: ANN401 - structlog's loggers have no one type
    logs.configure(format_, level, stream)
    return structlog.get_logger("ours")


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def fail(private: str) -> None:
    raise LookupError(f"{len(private)} letters")


def fail_twice(secret: str) -> None:
    raise LookupError(secret) from ValueError(f"bad number {NUMBER}")


# -- the form --------------------------------------------------------------------


def test_json_lines(stream: io.StringIO) -> None:
    """One object a line: event, level, logger, time in UTC, and the values."""
    configured(stream).info("send.ended", serial=3, share=0.5, code=None)
    (line,) = lines(stream)
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "send.ended", "level": "info", "logger": "ours",
                    "serial": 3, "share": 0.5, "code": None}  # fmt: skip


def test_console(stream: io.StringIO) -> None:
    """For people: event and values on one line, no colours in a pipe."""
    configured(stream, "console").warning("claims.lapsed", returned=3)
    (line,) = stream.getvalue().splitlines()
    assert "claims.lapsed" in line
    assert "returned=3" in line
    assert "\x1b" not in line


def test_auto_is_json_in_a_pipe(stream: io.StringIO) -> None:
    """Console only for a terminal."""
    configured(stream, "auto").info("x.y")
    assert lines(stream)[0]["event"] == "x.y"

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    configured(terminal, "auto").info("x.y")
    assert not terminal.getvalue().startswith("{")


def test_bound_ids_appear(stream: io.StringIO) -> None:
    """Ids bound once are in every line, also in those of libraries."""
    log = configured(stream)
    with bound_contextvars(campaign="20261123", group=7):
        log.info("one")
        logging.getLogger("celery.app").info("two")
    log.info("three")
    one, two, three = lines(stream)
    assert (one["campaign"], one["group"]) == ("20261123", 7)
    assert (two["campaign"], two["group"]) == ("20261123", 7)
    assert "campaign" not in three


@pytest.mark.parametrize("format_", ["json", "console"])
def test_exceptions_are_told_once_and_without_a_fuss(
    stream: io.StringIO, format_: Literal["json", "console"]
) -> None:
    """The traceback is there, with no variables; the renderer warns of nothing."""
    log = configured(stream, format_)
    try:
        fail("open" + " doors")
    except LookupError:
        log.exception("x.crashed")
        logging.getLogger("celery.app").exception("Task failed")
    text = stream.getvalue()
    assert text.count("LookupError: 10 letters") == 2
    assert "open doors" not in text


def test_levels(stream: io.StringIO) -> None:
    """What is below the level is dropped, whoever says it."""
    log = configured(stream, level="warning")
    log.info("ours.low")
    log.warning("ours.high")
    logging.getLogger("celery.app").info("low")
    logging.getLogger("celery.app").warning("high")
    assert [line["event"] for line in lines(stream)] == ["ours.high", "high"]


def test_a_line_below_the_level_costs_nothing(stream: io.StringIO) -> None:
    """Its values are not even looked at: one a send is told for debugging only."""

    class Dear:
        def __repr__(self) -> str:
            raise AssertionError("looked at")

    configured(stream).debug("send.ended", value=Dear())
    assert stream.getvalue() == ""


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
@pytest.mark.parametrize("name", ["httpx", "httpcore.connection", "kombu.pidbox"])
def test_chatty_libraries_are_quiet(stream: io.StringIO, name: str, level: str) -> None:
    """Whole URLs, and lines of no use, come through at no level; warnings do."""
    configured(stream, level=level)
    chatty = logging.getLogger(name)
    chatty.debug("connect_tcp.started host='x'")
    chatty.info("HTTP Request: POST https://x.test/users/1/messages")
    assert stream.getvalue() == ""
    chatty.warning("odd")
    assert bool(stream.getvalue()) == (level != "error")


# -- privacy ---------------------------------------------------------------------


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("number", WRITTEN)
def test_numbers_are_masked(number: str, around: str) -> None:
    """However written and wherever they stand; what is around them stays."""
    assert scrub_text(around.format(number, number)) == around.format("***", "***")


@pytest.mark.parametrize("text", KEPT)
def test_what_is_no_number_stays(text: str) -> None:
    """Ids, dates, counts, times and addresses stay readable."""
    assert scrub_text(text) == text


def test_ids_of_ours_stay() -> None:
    """The default campaign id is never taken for a number."""
    assert all(scrub_text(id_) == id_ for id_ in (new_id() for _ in range(200)))


@pytest.mark.parametrize(
    ("text", "scrubbed"),
    [
        ("redis://user:pass@host:6379/0", "redis://***@host:6379/0"),
        ("rediss://:p@ss/w:rd@host", "rediss://***@host"),
        ("'redis://u:p@h' refused", "'redis://***@h' refused"),
        ("https://x.test/a?b=c", "https://x.test/a?b=c"),
        ("to someone@example.org", "to someone@example.org"),
    ],
)
def test_credentials_in_addresses_are_masked(text: str, scrubbed: str) -> None:
    """Whatever a password holds; an address without one stays."""
    assert scrub_text(text) == scrubbed


def test_every_value_is_scrubbed() -> None:
    """Nested, in keys, as whole numbers, in objects; ids and counts stay."""

    class Thing:
        def __repr__(self) -> str:
            return f"<Thing {NUMBER}>"

    event = scrub(None, "info", {
        "event": f"x {NUMBER}",
        "to": [NUMBER, (19195551212, {NUMBER: 1})],
        "number": 19195551212,
        "raw": NUMBER.encode(),
        "thing": Thing(),
        "error": LookupError(NUMBER),
        "campaign": "20261123",
        "message_id": "1476207046829",
        "count": 5_000_000,
        "share": 0.123456789,
        "yes": True,
        "none": None,
    })  # fmt: skip
    assert event == {
        "event": "x ***",
        "to": ["***", ["***", {"***": 1}]],
        "number": "***",
        "raw": "b'***'",
        "thing": "<Thing ***>",
        "error": "LookupError('***')",
        "campaign": "20261123",
        "message_id": "1476207046829",
        "count": 5_000_000,
        "share": 0.123456789,
        "yes": True,
        "none": None,
    }


@pytest.mark.parametrize("format_", ["json", "console"])
@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
def test_no_line_holds_a_number(
    stream: io.StringIO, level: str, format_: Literal["json", "console"]
) -> None:
    """Messages, positional arguments, exceptions and tracebacks, ours and foreign."""
    log = configured(stream, format_, "debug")
    foreign = logging.getLogger("somebody.else")
    secret = f"redis://u:hunter{2}@h/0"
    getattr(log, level)("sent to %s", NUMBER, url=secret, to=[NUMBER])
    getattr(foreign, level)("sent to %s by %s", NUMBER, secret)
    getattr(foreign, level)({"to": NUMBER})
    try:
        fail_twice(secret)
    except LookupError as error:
        error.add_note(f"while sending to {NUMBER}")
        getattr(log, level)("x.failed", exc_info=True, stack_info=True)
        getattr(foreign, level)("failed", exc_info=True, stack_info=True)
        getattr(log, level)("x.failed", error=error, cause=error.__cause__)
    text = stream.getvalue()
    assert text.count("bad number ***") == 3
    assert "hunter2" not in text
    assert "9195551212" not in text
