"""A certificate for `localhost`, signed by itself, and both sides' use of it."""

from __future__ import annotations

import functools
import os
import shutil
import ssl
import subprocess
import tempfile
from pathlib import Path

import pytest

COMMAND = (
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    " -subj /CN=localhost -addext subjectAltName=DNS:localhost"
)

_trusted: list[str] = []


@functools.cache
def server_side() -> ssl.SSLContext:
    """A server that would rather speak HTTP/2."""
    if not shutil.which("openssl") and not os.environ.get("CI"):
        pytest.skip("needs the openssl command")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with tempfile.TemporaryDirectory() as folder:
        key, certificate = Path(folder, "key"), Path(folder, "certificate")
        command = [*COMMAND.split(), "-keyout", str(key), "-out", str(certificate)]
        subprocess.run(command, check=True, capture_output=True)
        context.load_cert_chain(certificate, key)
        _trusted.append(certificate.read_text())
    return context


@functools.cache
def client_side() -> ssl.SSLContext:
    """Python's default, and trust in that certificate."""
    context = ssl.create_default_context()
    server_side()
    context.load_verify_locations(cadata=_trusted[0])
    return context
