"""One connection to a receiver, without a network: answers, deadlines, nonsense."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from dispatcher.simulator.line import TIMEOUT, Line
from dispatcher.simulator.outbox import Answer, Errand
from tests.unit.test_simulator_outbox import callback

ERRAND = Errand(callback(), 0.0)


class Wire:
    """A transport that keeps what is written, and whether it was ended."""

    def __init__(self) -> None:
        self.written = b""
        self.ended = ""

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        self.ended = "closed"

    def abort(self) -> None:
        self.ended = "aborted"


class Timer:
    """A call that will be made, unless it is cancelled."""

    def __init__(self, seconds: float, call: Callable[[], None]) -> None:
        self.seconds = seconds
        self.call = call
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Desk:
    """The office a line reports to, and the loop that keeps its time."""

    def __init__(self) -> None:
        self.loop = cast("asyncio.AbstractEventLoop", self)
        self.heard: list[Any] = []
        self.timers: list[Timer] = []
        self.wire = Wire()
        self.line = Line(self)
        self.line.connection_made(cast("asyncio.BaseTransport", self.wire))

    def call_later(self, seconds: float, call: Callable[[], None]) -> Timer:
        self.timers.append(Timer(seconds, call))
        return self.timers[-1]

    def opened(self, _: Line) -> None:
        self.heard.append("opened")

    def answered(self, _: Line, errand: Errand, answer: Answer) -> None:
        assert errand is ERRAND
        self.heard.append(answer)

    def ended(self, _: Line, errand: Errand | None) -> None:
        self.heard.append(("ended", errand))


@pytest.mark.parametrize(
    ("pieces", "answer", "usable"),
    [
        ([b"HTTP/1.1 204 No Content\r\n\r\n"], Answer(204), True),
        (
            [b"HTTP/1.1 200 OK\r\nContent-", b"Length: 2\r\n\r\n{", b"}"],
            Answer(200),
            True,
        ),
        (
            [b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"],
            Answer(200),
            False,
        ),
        (
            [
                b'HTTP/1.1 401 X\r\nWWW-Authenticate: Basic realm="x"\r\n',
                b"Content-Length: 0\r\n\r\n",
            ],
            Answer(401, challenge=True),
            True,
        ),
        (
            [
                b"HTTP/1.1 401 X\r\nwww-authenticate: Bearer\r\n",
                b"Content-Length: 0\r\n\r\n",
            ],
            Answer(401),
            True,
        ),
    ],
)
def test_an_answer_is_reported_once_it_is_complete(
    pieces: list[bytes], answer: Answer, *, usable: bool
) -> None:
    """And the line serves on unless it was to be closed."""
    desk = Desk()
    desk.line.carry(ERRAND, b"request")
    for piece in pieces:
        assert desk.heard == ["opened"]
        desk.line.data_received(piece)
    assert desk.heard == ["opened", answer]
    assert desk.line.usable == usable
    assert desk.wire.written == b"request"
    assert desk.timers[0].cancelled


def test_one_challenge_does_not_mark_the_next_answer() -> None:
    """Each answer has headers of its own."""
    desk = Desk()
    for head in (b"WWW-Authenticate: Basic realm=x\r\n", b""):
        desk.line.carry(ERRAND, b"request")
        desk.line.data_received(
            b"HTTP/1.1 401 X\r\n" + head + b"Content-Length: 0\r\n\r\n"
        )
    assert desk.heard[1:] == [Answer(401, challenge=True), Answer(401)]


def test_no_answer_within_ten_seconds_is_none() -> None:
    """The connection is ended and the errand comes back."""
    desk = Desk()
    desk.line.carry(ERRAND, b"request")
    (timer,) = desk.timers
    assert timer.seconds == TIMEOUT == 10
    timer.call()
    assert desk.wire.ended == "aborted"
    desk.line.connection_lost(None)
    assert desk.heard == ["opened", ("ended", ERRAND)]


@pytest.mark.parametrize("nonsense", [b"nonsense\r\n\r\n", b"\x00" * 20])
def test_nonsense_is_no_answer(nonsense: bytes) -> None:
    """The connection is ended."""
    desk = Desk()
    desk.line.carry(ERRAND, b"request")
    desk.line.data_received(nonsense)
    assert desk.wire.ended == "aborted"
    assert not desk.line.usable


def test_an_answer_that_nobody_asked_for_ends_the_line() -> None:
    """It could be taken for the answer to the next request."""
    desk = Desk()
    desk.line.data_received(b"HTTP/1.1 204 No Content\r\n\r\n")
    assert desk.wire.ended == "aborted"
    assert desk.heard == ["opened"]
