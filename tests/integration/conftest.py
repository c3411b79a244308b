"""Fixtures of the integration tests: a running system, and the command line on it.

Whoever wants a system of another kind makes a `Stack` of their own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.integration.program import Program
from tests.stack import Stack


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Server, simulator and one worker, which holds unknown groups after a second.

    It is shared by the tests of a module: each takes an id and numbers of its own.
    """
    grace = {"DISPATCHER_UNKNOWN_GRACE": "1"}
    with Stack(tmp_path_factory.mktemp("stack"), settings=grace) as stack:
        stack.worker()
        yield stack


@pytest.fixture(scope="module")
def program(stack: Stack) -> Program:
    """The command line on that system."""
    return Program({**os.environ, **stack.env, "BW_NUMBER": "+19195550100"})
