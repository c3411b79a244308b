"""What a running `dispatcher up` leaves in the data directory for others to find.

A lock says that it runs, and goes with its process however that ends. A note says what
runs where. A mark says which provider the ledger's campaigns were meant for.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from dispatcher.errors import Refused
from dispatcher.settings import Settings

_FOLDER: Final = "up"


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What runs.

    Attributes:
        pid: Of `dispatcher up`.
        flower: Its address; empty if it does not run.
        simulator: Base URL of the simulated provider; empty if a real one is used.
        callbacks: Address of the callback receiver; empty if it does not run.
        account_rate: Units a second that its workers keep to.
        sender_rate: The same for each sender.
    """

    pid: int
    flower: str
    simulator: str
    callbacks: str
    account_rate: float | None
    sender_rate: float | None


@contextmanager
def only_one(settings: Settings) -> Iterator[None]:
    """Nobody else may run here while the block does.

    Raises:
        Refused: Somebody does; the line says what and where.
    """
    with (folder(settings) / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused(_taken(settings)) from None
        try:
            yield
        finally:
            _note(settings).unlink(missing_ok=True)


def _taken(settings: Settings) -> str:
    note = _stored(settings)
    if note is None:
        return f"another `dispatcher up` just starts or ends in {settings.data_path}"
    places = {
        "Flower": note.flower,
        "callbacks": note.callbacks,
        "simulated provider": note.simulator,
    }
    told = [f"{name} {place}" for name, place in places.items() if place]
    told += [f"data {settings.data_path}"]
    return f"already up (process {note.pid}): {', '.join(told)}"


def leave(settings: Settings, note: Note) -> None:
    """Leave the note; it is only valid while the lock is held."""
    _note(settings).write_text(json.dumps(asdict(note)))


def running(settings: Settings) -> Note | None:
    """The note of the `dispatcher up` that runs, if one does."""
    note = _stored(settings)
    return note if note and _held(_note(settings).with_name("lock")) else None


def _stored(settings: Settings) -> Note | None:
    try:
        return Note(**json.loads(_note(settings).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _held(path: Path) -> bool:
    try:
        with path.open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _note(settings: Settings) -> Path:
    return settings.data_path / _FOLDER / "running.json"


def folder(settings: Settings) -> Path:
    """Where all of this is; made if it is not there."""
    path = settings.data_path / _FOLDER
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path


# -- whose campaigns these are -------------------------------------------------


def belongs(settings: Settings, account: str) -> bool:
    """Whether the ledger was used with this account before; empty: simulated."""
    try:
        return _mark(settings).read_text() == _owner(settings, account)
    except OSError:
        return False


def mark(settings: Settings, account: str) -> None:
    """Note which account the ledger is used with."""
    _mark(settings).write_text(_owner(settings, account))


def _owner(settings: Settings, account: str) -> str:
    """Neither an account nor an address can be read out of it."""
    ledger = settings.ledger_url or settings.redis_url or ""
    return hashlib.sha256(os.fsencode(f"{ledger}|{account}")).hexdigest()


def _mark(settings: Settings) -> Path:
    return folder(settings) / "owner"
