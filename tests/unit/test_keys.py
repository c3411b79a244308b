"""The keys: one spelling each, all under the prefix, all documented."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

import pytest

import dispatcher
import workers
from dispatcher.ledger import keys
from dispatcher.ledger.keys import CELERY_PREFIX, PATTERNS, PREFIX, key

LUA = sorted(Path(str(resources.files("dispatcher.ledger") / "lua")).rglob("*.lua"))
PYTHON = [
    path
    for package in (dispatcher, workers)
    for path in Path(str(package.__path__[0])).rglob("*.py")
    if path.name != "keys.py"
]


@pytest.mark.parametrize(
    ("name", "parts", "expected"),
    [
        ("campaigns", (), "dispatcher:campaigns"),
        ("campaign", ("spring-2026",), "dispatcher:campaign:spring-2026"),
        ("groups", ("a1b2", 7812), "dispatcher:a1b2:groups:7812"),
        ("records", ("a1b2", 0), "dispatcher:a1b2:records:0"),
        ("claim", ("cafe",), "dispatcher:claim:cafe"),
    ],
)
def test_key(name: str, parts: tuple[str | int, ...], expected: str) -> None:
    """The variable parts go where the pattern has them."""
    assert key(name, *parts) == expected


def test_every_key_is_ours_and_no_other_s() -> None:
    """Every key begins with the prefix, none is Celery's, no two are the same."""
    assert all(pattern.startswith(PREFIX) for pattern in PATTERNS.values())
    assert not any(pattern.startswith(CELERY_PREFIX) for pattern in PATTERNS.values())
    assert len(set(PATTERNS.values())) == len(PATTERNS)


def test_every_key_is_documented() -> None:
    """The table at the top of the module has one line for each pattern, no more."""
    table = (keys.__doc__ or "").partition("pattern  ")[2]
    shown = re.findall(r"^    (\S+) ", table, re.MULTILINE)
    spelt = {re.sub(r"\{\w+\}", "%", name) for name in shown} - {"celery:*"}
    patterns = {re.sub("%[sd]", "%", p) for p in PATTERNS.values()}
    assert {PREFIX + name for name in spelt} == patterns


@pytest.mark.parametrize("path", LUA, ids=lambda path: path.name)
def test_no_script_spells_a_key(path: Path) -> None:
    """A script uses the generated table, and only names that are in it."""
    text = path.read_text("utf-8")
    assert PREFIX not in text
    named = set(re.findall(r"KEY\.(\w+)", text)) | set(
        re.findall(r"key\('(\w+)'", text)
    )
    assert named <= set(PATTERNS)


def test_no_other_module_spells_a_key() -> None:
    """Nobody formats a key elsewhere."""
    literal = re.compile(rf"""["']{PREFIX}[\w{{]""")
    spelt = [path.name for path in PYTHON if literal.search(path.read_text("utf-8"))]
    assert spelt == []


def test_every_key_is_used() -> None:
    """A pattern that nobody asks for is dead."""
    texts = [path.read_text("utf-8") for path in (*LUA, *PYTHON)]
    asked = re.compile(r"""KEY\.(\w+)|key\(['"](\w+)['"]""")
    used = {a or b for text in texts for a, b in asked.findall(text)}
    assert used == set(PATTERNS)
