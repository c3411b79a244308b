"""Logging sparingly: the first at once, the rest counted."""

from __future__ import annotations

import logging

from dispatcher.web.sparing import EVERY_S, Sparing, SparingFilter


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_first_is_told_at_once_and_the_rest_with_the_next() -> None:
    """Nothing is lost but the moment it happened."""
    clock = Clock()
    times = Sparing(clock)
    assert [times("a") for _ in range(5)] == [1, 0, 0, 0, 0]
    clock.now += EVERY_S - 0.1
    assert times("a") == 0
    clock.now += 0.1
    assert [times("a"), times("a")] == [6, 0]


def test_things_are_told_apart() -> None:
    """One that comes often does not hide another."""
    times = Sparing(Clock())
    assert [times("a"), times("a"), times("b")] == [1, 0, 1]


def test_a_librarys_lines_without_values_are_told_sparingly() -> None:
    """A line with a value or a traceback is always written."""

    def passes(message: str, *args: object, error: bool = False) -> bool:
        info = (ValueError, ValueError(), None) if error else None
        record = logging.LogRecord("x", 30, "f", 1, message, args, info)
        return bool(sparing.filter(record))

    sparing = SparingFilter()
    assert [passes("bad request"), passes("bad request")] == [True, False]
    assert [passes("n %d", 1), passes("n %d", 1)] == [True, True]
    assert [passes("died", error=True), passes("died", error=True)] == [True, True]
