"""The names that `dispatcher` exports: complete, sorted, explained, typed."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, get_type_hints

import pytest

import dispatcher


def _public() -> set[str]:
    """What a reader of the package sees, but for its modules."""
    return {
        name
        for name, value in vars(dispatcher).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }


def _functions(name: str) -> Iterator[tuple[str, Callable[..., Any]]]:
    """A public function, or the public methods and properties of a class."""
    value = getattr(dispatcher, name)
    if inspect.isfunction(value):
        yield name, value
        return
    members = [each for base in value.__mro__ for each in vars(base).items()]
    for member, raw in members:
        function = raw.fget if isinstance(raw, property) else raw
        function = getattr(function, "__func__", function)
        if not inspect.isfunction(function) or member.startswith("_"):
            continue
        if function.__module__.startswith("dispatcher."):
            yield f"{name}.{member}", function


FUNCTIONS = dict(pair for name in dispatcher.__all__ for pair in _functions(name))


def test_all_names_every_public_name_in_order() -> None:
    """What is imported is exported, and nothing else."""
    assert dispatcher.__all__ == sorted(_public())


@pytest.mark.parametrize("name", dispatcher.__all__)
def test_every_public_name_has_a_docstring_of_its_own(name: str) -> None:
    """One that Python did not make up, nor inherit."""
    text = (
        vars(getattr(dispatcher, name)).get("__doc__")
        or getattr(dispatcher, name).__doc__
    )
    assert text
    assert not text.startswith(f"{name}(")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_public_function_has_a_docstring(name: str) -> None:
    """Methods and properties, too."""
    assert inspect.getdoc(FUNCTIONS[name])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_public_function_is_typed(name: str) -> None:
    """Each argument and what comes back; the hints can be read at run time."""
    function = FUNCTIONS[name]
    taken = set(inspect.signature(function).parameters) - {"self", "cls"}
    assert get_type_hints(function).keys() == taken | {"return"}
