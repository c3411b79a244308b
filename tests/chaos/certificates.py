"""Two certificates for `localhost`, made for one trial; a client trusts one of them."""

from __future__ import annotations

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.contract.tls import COMMAND


@dataclass(frozen=True)
class Certificate:
    """What a server shows; `path` is what a client must trust."""

    path: Path
    context: ssl.SSLContext


def pair(directory: Path) -> tuple[Certificate, Certificate]:
    """Two, each signed by itself."""
    return _make(directory, "good"), _make(directory, "bad")


def _make(directory: Path, name: str) -> Certificate:
    key, path = directory / f"{name}.key", directory / f"{name}.pem"
    command = [*COMMAND.split(), "-keyout", str(key), "-out", str(path)]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path, key)
    return Certificate(path, context)
