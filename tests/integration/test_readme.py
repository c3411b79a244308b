"""Every fenced block of the README works, one after the other, as a reader goes along.

A `python` block is run as a program. A `console` block is run line by line: a line that
begins with `$` is a command, what follows it is output and not compared. `Reader` says
which commands there are and the few that cannot be run inside a test. Whatever it does
not know fails the test: then teach it here, or write the README otherwise.

The reader's folder holds `families.csv` and the examples. Settings that the README
exports must exist; where they say which account, server or rate it is, the values of
the system under test are used instead.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import IO, Self

import pytest

from dispatcher import Settings
from tests.stack import Stack, numbers

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
#: Seconds that one command or program of the README gets.
PATIENCE = 150
SETTINGS = {field.alias for field in Settings.model_fields.values()}

_FENCE = re.compile(r" {0,3}(?P<fence>```+|~~~+)(?P<language>.*)")
_TARGET = re.compile(r"^([a-z-]+):", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block and the line that it begins on."""

    line: int
    language: str
    text: str


def blocks(document: str) -> Iterator[Block]:
    """Every fenced block; one that does not end fails."""
    lines = iter(enumerate(document.splitlines(), 1))
    for line, text in lines:
        if not (opening := _FENCE.fullmatch(text)):
            continue
        body: list[str] = []
        for _, inner in lines:
            if inner.strip() == opening["fence"]:
                break
            body.append(inner)
        else:
            pytest.fail(f"the block in line {line} does not end")
        yield Block(line, opening["language"].strip(), "\n".join(body))


class NotUnderstood(AssertionError):
    """The README shows something that nobody has tested yet."""


class Reader:
    """Follows the README in a folder of its own; a context manager.

    Args:
        folder: Where the reader is.
        env: The settings of the system under test.
    """

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self._folder = folder
        self._fixed = env
        programs = str(Path(sys.executable).parent)
        path = f"{programs}{os.pathsep}{os.environ['PATH']}"
        self.env = {**os.environ, **env, "PATH": path}
        self._left_running: list[subprocess.Popen[bytes]] = []
        self._log: IO[bytes] = (folder / "background.log").open("wb")
        #: What the first words of a command mean. The last ones are only checked.
        self._commands: dict[str, Callable[[list[str]], None]] = {
            "dispatcher": self._run,
            "python": self._run,
            "export": self._export,
            "make": self._make,
            "git clone": self._nothing,
            "cd group-dispatcher": self._nothing,
            "pip install": self._install,
            "docker compose": self._compose,
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        codes = [_end(process) for process in self._left_running]
        self._log.close()
        # It may have been told to end before it had begun to listen.
        well = {0, -signal.SIGTERM}
        assert well.issuperset(codes), (self._folder / "background.log").read_text()

    def follow(self, block: Block) -> None:
        """Do what a block says.

        Raises:
            NotUnderstood: There is no telling how.
            AssertionError: It does not work.
        """
        if block.language == "python":
            self._end_well([sys.executable, "-c", block.text])
        elif block.language == "console":
            for command in _typed(block.text):
                self.type(command)
        else:
            raise NotUnderstood(f"a block of the language {block.language!r}")

    def type(self, line: str) -> None:
        """One line after the prompt: commands joined by `&&`, or one before `&`."""
        # Outside quotes, # begins a comment.
        words = shlex.split(line, comments=True)
        if words and words[-1] == "&":
            self._leave_running(words[:-1])
            return
        for joined, part in groupby(words, "&&".__eq__):
            if not joined:
                self._command(list(part))

    def _command(self, words: list[str]) -> None:
        for known in (" ".join(words[:2]), words[0]):
            if command := self._commands.get(known):
                command(words)
                return
        raise NotUnderstood(f"the command {shlex.join(words)}")

    # -- what is run ----------------------------------------------------------------

    def _run(self, words: list[str]) -> None:
        if set(words) & {"|", ">", ">>", "<", ";", "||"}:
            raise NotUnderstood(f"a shell's doing in {shlex.join(words)}")
        self._end_well(words)

    def _end_well(self, words: list[str]) -> None:
        done = subprocess.run(
            words,
            cwd=self._folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, f"{shlex.join(words)}\n{done.stdout}{done.stderr}"

    def _leave_running(self, words: list[str]) -> None:
        match words[:2]:
            case ["dispatcher", "worker"]:
                pass
            case ["dispatcher", "serve"]:
                # The last one counts, and somebody else may have the one that is told.
                words = [*words, "--port", "0"]
            case _:
                raise NotUnderstood(f"in the background, {shlex.join(words)}")
        process = subprocess.Popen(
            words,
            cwd=self._folder,
            env=self.env,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )
        self._left_running.append(process)

    def _export(self, words: list[str]) -> None:
        for assignment in words[1:]:
            name, _, value = assignment.partition("=")
            assert name in SETTINGS, f"there is no setting {name}"
            self.env[name] = self._fixed.get(name, value)

    # -- what is only checked -------------------------------------------------------

    def _make(self, words: list[str]) -> None:
        """It would make another environment, and run these tests inside themselves."""
        targets = _TARGET.findall((ROOT / "Makefile").read_text())
        assert set(words[1:]) <= set(targets), f"there is no {shlex.join(words)}"

    def _install(self, words: list[str]) -> None:
        """Installed it is, or this would not run."""
        if words[2:] not in (["."], [".[dev]"]):
            raise NotUnderstood(shlex.join(words))

    def _compose(self, _: list[str]) -> None:
        """It needs a container engine."""
        assert (ROOT / "compose.yaml").is_file()

    def _nothing(self, _: list[str]) -> None:
        """The reader is where the examples are already."""


def _end(process: subprocess.Popen[bytes]) -> int:
    """End what was left running as an orchestrator would; how it ended."""
    process.terminate()
    try:
        return process.wait(PATIENCE)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _typed(text: str) -> Iterator[str]:
    """The commands of a console block, long ones in one line."""
    lines = text.replace("\\\n", " ").splitlines()
    if not lines or not lines[0].startswith("$ "):
        raise NotUnderstood("a console block begins with `$ ` and a command")
    for line in lines:
        if line.startswith("$ "):
            yield line.removeprefix("$ ")


@pytest.fixture
def reader(stack: Stack, tmp_path: Path) -> Iterator[Reader]:
    """One who has a list of families, and a system that works."""
    rows = [f"{number},{place // 3}" for place, number in enumerate(numbers(25))]
    (tmp_path / "families.csv").write_text("\n".join(["phone,household", *rows]))
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    with Reader(tmp_path, stack.env) as reader:
        yield reader


def test_the_readme_works_from_top_to_bottom(reader: Reader, stack: Stack) -> None:
    """Each block, and at the end the books of every campaign that came of it."""
    followed = 0
    for block in blocks(README.read_text()):
        try:
            reader.follow(block)
        except (AssertionError, subprocess.TimeoutExpired) as error:
            pytest.fail(f"README.md, the block in line {block.line}: {error}")
        followed += 1
    assert followed
    runs = stack.dispatcher.campaigns()
    assert runs
    assert [run.id for run in runs if not run.verify().balanced] == []


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("", "$ dispatcher status"),
        ("ruby", "puts 1"),
        ("console", "dispatcher status"),
        ("console", "$ rm -rf everything"),
        ("console", "$ dispatcher status | grep done"),
        ("console", "$ dispatcher flower &"),
        ("console", "$ pip install something-else"),
    ],
)
def test_what_is_not_understood_fails(reader: Reader, language: str, text: str) -> None:
    """A new kind of block or command cannot slip in untested."""
    with pytest.raises(NotUnderstood):
        reader.follow(Block(1, language, text))


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("python", "import dispatcher\ndispatcher.no_such_name"),
        ("console", "$ dispatcher no-such-command"),
        ("console", "$ dispatcher status \\\n  no-such-campaign"),
        ("console", "$ export DISPATCHER_NO_SUCH_SETTING=1"),
        ("console", "$ make no-such-target"),
    ],
)
def test_what_does_not_work_fails(reader: Reader, language: str, text: str) -> None:
    """A block that went stale is found."""
    with pytest.raises(AssertionError) as caught:
        reader.follow(Block(1, language, text))
    assert caught.type is AssertionError


def test_blocks_are_found_wherever_they_stand() -> None:
    """Any fence, any language, with the line of each."""
    text = "a\n```python\nx\n```\n~~~ console\n$ y\n```\n~~~\n````\n````\n"
    found = [
        Block(2, "python", "x"),
        Block(5, "console", "$ y\n```"),
        Block(9, "", ""),
    ]
    assert list(blocks(text)) == found
