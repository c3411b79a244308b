"""Help and completion: what the command line says about itself."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.models import CommandInfo

from dispatcher.cli.entry import app, run
from dispatcher.cli.examples import EXAMPLES


def name_of(command: CommandInfo) -> str:
    return str(command.name or getattr(command.callback, "__name__", ""))


NAMES = [name_of(command) for command in app.registered_commands]
FAMILIES = [
    f"{family.name} {name_of(command)}"
    for family in app.registered_groups
    if family.typer_instance
    for command in family.typer_instance.registered_commands
]


@pytest.mark.parametrize("name", [*NAMES, *FAMILIES])
def test_every_command_shows_an_example(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """As it is typed, on a line of its own, within 80 columns."""
    assert run([*name.split(), "--help"]) == 0
    out = capsys.readouterr().out
    for example in EXAMPLES[name]:
        assert f"\n    {example}\n" in out
    assert max(map(len, out.splitlines())) <= 80


def test_no_example_is_of_a_command_that_is_not_there() -> None:
    """Who renames a command renames its example."""
    assert set(EXAMPLES) == {*NAMES, *FAMILIES}


def test_the_readme_s_table_has_all_commands() -> None:
    """By the word that is typed, those of a family together."""
    readme = Path(__file__).parents[2].joinpath("README.md").read_text("utf-8")
    table = readme.partition("\n## Commands\n")[2].partition("\n## ")[0]
    first = "".join(line.split(" | ")[0] for line in table.splitlines())
    named = set(re.findall(r"[a-z]+", first))
    assert {word for name in [*NAMES, *FAMILIES] for word in name.split()} <= named


@pytest.mark.parametrize("name", NAMES)
def test_the_overview_cuts_no_sentence(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first sentence of every command fits its line."""
    assert run(["--help"]) == 0
    (line,) = [
        line
        for line in capsys.readouterr().out.splitlines()
        if line.startswith(f"  {name} ")
    ]
    assert line.endswith(".")
    assert not line.endswith("...")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("dispatcher wat", "watch"),
        ("dispatcher submit --group-s", "--group-size"),
        ("dispatcher results x --by re", "recipient"),
    ],
)
def test_a_shell_can_complete(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: str,
    expected: str,
) -> None:
    """As the script that --install-completion writes asks for it."""
    monkeypatch.setenv("_DISPATCHER_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))
    with pytest.raises(SystemExit):
        run([])
    assert capsys.readouterr().out.split() == [expected]
