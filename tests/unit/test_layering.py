"""Who may know whom, read from the source of every module."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import dispatcher
import workers

LIBRARY = Path(dispatcher.__file__).parent
WORKERS = Path(workers.__file__).parent
ROOT = LIBRARY.parent


def modules(*folders: Path) -> list[Path]:
    return sorted(path for folder in folders for path in folder.rglob("*.py"))


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def imported(tree: ast.AST) -> Iterator[tuple[str, ast.stmt]]:
    """Every module imported, wherever the import stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module, node


def is_in(package: str, module: str) -> bool:
    return module == package or module.startswith(package + ".")


@pytest.mark.parametrize("path", modules(LIBRARY), ids=name)
def test_the_library_never_imports_the_workers(path: Path) -> None:
    """But for the commands that run them, and those only once they are called."""
    tree = parsed(path)
    found = [
        (module, stmt) for module, stmt in imported(tree) if is_in("workers", module)
    ]
    if LIBRARY / "cli" not in path.parents:
        assert found == []
    assert not [module for module, stmt in found if stmt in tree.body]


@pytest.mark.parametrize("path", modules(LIBRARY, WORKERS), ids=name)
def test_nobody_imports_the_tests(path: Path) -> None:
    """What is installed stands on its own."""
    assert not [m for m, _ in imported(parsed(path)) if is_in("tests", m)]


@pytest.mark.parametrize("path", modules(WORKERS), ids=name)
def test_the_workers_know_neither_simulator_nor_command_line(path: Path) -> None:
    """What runs in production does not know how it is tried out."""
    banned = ("dispatcher.simulator", "dispatcher.cli", "typer", "rich")
    assert not [
        module
        for module, _ in imported(parsed(path))
        if any(is_in(package, module) for package in banned)
    ]


@pytest.mark.parametrize("path", modules(LIBRARY / "ledger"), ids=name)
def test_the_ledger_knows_no_celery(path: Path) -> None:
    """The truth does not depend on what delivers the wake-ups."""
    assert not [m for m, _ in imported(parsed(path)) if is_in("celery", m)]


def reads(tree: ast.AST) -> Iterator[int]:
    """Lines that look a variable of the environment up."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name("os"), attr="getenv" | "environb"):
                yield node.lineno
            case ast.Subscript(value=value, ctx=ast.Load()) if is_environ(value):
                yield node.lineno
            case ast.Attribute(value=value, attr="get" | "pop") if is_environ(value):
                yield node.lineno
            case ast.Compare(comparators=compared) if any(map(is_environ, compared)):
                yield node.lineno


def is_environ(node: ast.AST) -> bool:
    match node:
        case ast.Attribute(value=ast.Name("os"), attr="environ"):
            return True
    return False


@pytest.mark.parametrize("path", modules(LIBRARY, WORKERS), ids=name)
def test_only_the_settings_read_the_environment(path: Path) -> None:
    """One place knows the variables; to hand all of them to a child is not to read."""
    tree = parsed(path)
    assert not [m for m, _ in imported(tree) if m == "os.environ"]
    names = [
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "os"
        for alias in node.names
    ]
    assert not {"environ", "getenv", "environb"} & set(names)
    if name(path) != "dispatcher/settings.py":
        assert list(reads(tree)) == []


def test_the_reader_of_reads_reads() -> None:
    """The test above sees every way to look a variable up."""
    lines = [
        "os.getenv('X')",
        "os.environ['X']",
        "os.environ.get('X')",
        "os.environ.pop('X')",
        "'X' in os.environ",
        "os.environ['X'] = 'y'",
        "{**os.environ, 'X': 'y'}",
        "dict(os.environ)",
    ]
    assert sorted(reads(ast.parse("\n".join(lines)))) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("path", modules(LIBRARY, WORKERS), ids=name)
def test_every_module_says_what_it_is(path: Path) -> None:
    """A docstring on every module."""
    assert ast.get_docstring(parsed(path))
