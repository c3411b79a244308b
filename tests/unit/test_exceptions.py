"""What foreign exceptions mean: each is mapped by name, and few prove anything."""

from __future__ import annotations

import ssl

import httpx
import pytest

from workers.connection import NotWritten
from workers.judgement import ERRORS, from_error
from workers.outcomes import Kind


def family(root: type[Exception]) -> set[type[Exception]]:
    return {root}.union(*(family(child) for child in root.__subclasses__()))


def test_every_httpx_error_is_mapped() -> None:
    """Each of them by name, so that a new one of theirs is a decision of ours."""
    assert family(httpx.TransportError) <= set(ERRORS)
    assert family(httpx.HTTPError) <= set(ERRORS)


#: What the transport raises before the write, and nothing else.
BEFORE = {
    NotWritten,
    httpx.PoolTimeout,
    httpx.ConnectError,
    httpx.ConnectTimeout,
}


def test_only_errors_before_the_write_prove_anything() -> None:
    """Whatever else is raised, nobody can tell."""
    not_sent = {error for error, meaning in ERRORS.items() if meaning.kind.sent == "no"}
    assert not_sent == BEFORE


@pytest.mark.parametrize("error", sorted(BEFORE, key=str))
def test_after_the_permit_only_not_written_proves_anything(
    error: type[Exception],
) -> None:
    """A transport that reports a drop after the write as a connect error is caught."""
    assert from_error(error("x"), permitted=False).kind.sent == "no"
    later = from_error(error("x"), permitted=True).kind.sent
    assert later == ("no" if error is NotWritten else "maybe")


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (NotWritten("x"), Kind.NOT_WRITTEN, "not-written"),
        (httpx.PoolTimeout("x"), Kind.NOT_WRITTEN, "no-free-connection"),
        (httpx.ConnectError("x"), Kind.UNREACHABLE, "connect-failed"),
        (httpx.ConnectTimeout("x"), Kind.UNREACHABLE, "connect-timeout"),
        (httpx.ReadTimeout("x"), Kind.UNKNOWN, "timeout"),
        (httpx.ReadError("x"), Kind.UNKNOWN, "connection-lost"),
        (httpx.RemoteProtocolError("x"), Kind.UNKNOWN, "bad-answer"),
        (ssl.SSLError("x"), Kind.UNKNOWN, "connection-lost"),
        (ConnectionResetError("x"), Kind.UNKNOWN, "connection-lost"),
        (TimeoutError("x"), Kind.UNKNOWN, "timeout"),
        (RuntimeError("x"), Kind.UNKNOWN, "internal-error"),
    ],
)
def test_exceptions(error: Exception, kind: Kind, code: str) -> None:
    """Each exception has its kind and its word."""
    outcome = from_error(error, permitted=False)
    assert (outcome.kind, outcome.code) == (kind, code)


def test_a_connect_error_names_its_cause() -> None:
    """By class only: refused, no such name and a bad certificate differ."""
    error = httpx.ConnectError("x")
    error.__cause__ = ssl.SSLCertVerificationError("secret")
    outcome = from_error(error, permitted=False)
    assert outcome.code == "connect-failed: SSLCertVerificationError"
