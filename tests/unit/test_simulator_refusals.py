"""What the simulated send call refuses, and the documented words it has for it."""

from __future__ import annotations

from typing import Any

import pytest

from dispatcher.simulator import SimulatorConfig
from tests.unit.test_simulator_send import (
    GROUP,
    PATH,
    SENDER,
    Bench,
    complaints,
    content,
    encoded,
)


def not_e164(number: object) -> str:
    return f"'{number}' must be replaced with a valid E164 formatted telephone number"


REFUSED: list[tuple[dict[str, Any], list[tuple[str, str]]]] = [
    ({"applicationId": None}, [("applicationId", "'applicationId' is required")]),
    ({"applicationId": 7}, [("applicationId", "'applicationId' is required")]),
    (
        {"sender": None},
        [("from", "'from' must contain exactly one telephone number")],
    ),
    (
        {"sender": [SENDER]},
        [("from", "'from' must contain exactly one telephone number")],
    ),
    ({"sender": "+invalid"}, [("from", not_e164("+invalid"))]),
    ({"to": None}, [("to", "'to' must contain at least one telephone number")]),
    ({"to": []}, [("to", "'to' must contain at least one telephone number")]),
    ({"to": {"a": 1}}, [("to", "'to' must contain at least one telephone number")]),
    (
        {"to": [*GROUP, "+19195559999"]},
        [("to", "'to' must contain at most 10 telephone numbers")],
    ),
    (
        {"to": [GROUP[0], GROUP[1], GROUP[0]]},
        [("to", "'to' must not contain a telephone number twice")],
    ),
    (
        {"to": ["9195551234", GROUP[0], 5, "+1 919 555 1234"]},
        [
            ("to", not_e164("9195551234")),
            ("to", not_e164(5)),
            ("to", not_e164("+1 919 555 1234")),
        ],
    ),
    ({"text": None}, [("text", "'text' is required unless media is included")]),
    ({"text": ""}, [("text", "'text' is required unless media is included")]),
    (
        {"text": "x" * 2049},
        [("text", "'text' must be a string of at most 2048 characters")],
    ),
    (
        {"text": 5},
        [("text", "'text' must be a string of at most 2048 characters")],
    ),
    (
        {"media": ["https://example.org/a.jpg"] * 11},
        [("media", "'media' must contain at most 10 URLs")],
    ),
    (
        {"media": ["https://example.org/" + "a" * 4077]},
        [("media", "'media' must be a list of URLs of at most 4096 characters")],
    ),
    (
        {"media": "not a list"},
        [("media", "'media' must be a list of URLs of at most 4096 characters")],
    ),
    (
        {"media": ["ftp://example.org/a.jpg"]},
        [("media", "'media' must be a list of URLs of at most 4096 characters")],
    ),
    (
        {"tag": "x" * 1025},
        [("tag", "'tag' must be a string of at most 1024 characters")],
    ),
    ({"priority": "low"}, [("priority", "'priority' must be 'default' or 'high'")]),
    ({"priority": []}, [("priority", "'priority' must be 'default' or 'high'")]),
    (
        {"expiration": "soon"},
        [("expiration", "'expiration' must be an RFC 3339 time")],
    ),
    ({"expiration": 5}, [("expiration", "'expiration' must be an RFC 3339 time")]),
    (
        {"expiration": "2027-01-15T08:00:01"},
        [("expiration", "'expiration' must have a UTC offset")],
    ),
    (
        {"expiration": "2027-01-15T08:00:00Z"},
        [("expiration", "'expiration' must be in the future")],
    ),
    (
        {"sender": None, "text": None},
        [
            ("from", "'from' must contain exactly one telephone number"),
            ("text", "'text' is required unless media is included"),
        ],
    ),
]


@pytest.mark.parametrize(("changes", "expected"), REFUSED)
def test_what_breaks_a_limit_is_refused(
    changes: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    """Every fault of a body is named by field, and nothing is taken."""
    bench = Bench()
    assert complaints(bench.send(**changes)) == expected
    assert not bench.record.entries[0].taken


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b"\xff\xfe",
        b'{"to":"\xff"}',
        b"[" * 100_000,
        b'{"text":"\\ud800"}',
        b"NaN",
    ],
)
def test_a_body_that_is_no_json_object_is_refused(body: bytes) -> None:
    """Without field errors, as the provider's schema allows."""
    reply = Bench().ask("POST", PATH, body)
    assert reply.status == 400
    assert content(reply) == {
        "type": "request-validation",
        "description": "Your request could not be accepted",
    }


def test_an_empty_object_names_every_field_it_lacks() -> None:
    """It is an object, so it is checked as one."""
    reply = Bench().ask("POST", PATH, b"{}")
    names = [name for name, _ in complaints(reply)]
    assert names == ["applicationId", "from", "to", "text"]


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (b"application/json", 202),
        (b"application/json; charset=utf-8", 202),
        (b"Application/JSON;charset=utf-8", 202),
        (b"text/plain;charset=UTF-8", 415),
        (b"", 415),
        (b"application/jsonp", 415),
    ],
)
def test_only_json_is_read(given: bytes, status: int) -> None:
    """The content type decides before the body does."""
    reply = Bench().ask("POST", PATH, encoded(), content_type=given)
    assert reply.status == status


def test_the_415_is_the_documented_one() -> None:
    """It names what was sent."""
    sent = b"text/plain;charset=UTF-8"
    reply = Bench().ask("POST", PATH, encoded(), content_type=sent)
    assert content(reply) == {
        "type": "unsupported-content-type",
        "description": "Content type 'text/plain;charset=UTF-8' not supported. "
        "Please use 'application/json'",
    }


@pytest.mark.parametrize(
    "path",
    ["/", "/api/v2", PATH + "/happy", "/users/messages", "/api/users//messages"],
)
def test_a_bad_path_gets_the_frameworks_404(path: str) -> None:
    """The one error that has another form than `type` and `description`."""
    reply = Bench().ask("POST", path, encoded())
    assert reply.status == 404
    assert content(reply) == {
        "timestamp": "2027-01-15T08:00:00.000+0000",
        "status": 404,
        "error": "Not Found",
        "message": "Not Found",
        "path": path,
    }


@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD", "PATCH", "OPTIONS"])
def test_other_methods_are_refused(method: str) -> None:
    """Only POST and GET mean something."""
    reply = Bench().ask(method, PATH, encoded())
    assert (reply.status, content(reply)["type"]) == (405, "method-not-allowed")


def test_the_full_queue_says_so_in_the_documented_words() -> None:
    """At the default of a new account: 1 a second, 15 minutes deep."""
    bench = Bench(SimulatorConfig(rate=1))
    statuses = [bench.send().status for _ in range(90)]
    assert statuses == [202] * 90
    reply = bench.send()
    assert reply.status == 429
    assert content(reply) == {
        "type": "max-message-queue-size-exceeded",
        "description": "The SMS queue for your account is full and cannot accept more"
        " messages right now. Your allowed rate is 60 messages per minute. The"
        " capacity of this queue is 900 messages (15 minutes). Reduce your message"
        " sending rate, or contact support to increase your allowed rate.",
    }
    assert reply.headers == ()


def test_the_queue_drains_with_time() -> None:
    """A group of ten needs ten seconds at one a second."""
    bench = Bench(SimulatorConfig(rate=1, queue_seconds=20))
    assert [bench.send().status for _ in range(3)] == [202, 202, 429]
    bench.now += 9.9
    assert bench.send().status == 429
    bench.now += 0.1
    assert bench.send().status == 202


def test_each_account_has_its_own_queue() -> None:
    """A full one is no hindrance to another."""
    bench = Bench(SimulatorConfig(rate=1, queue_seconds=10))
    assert bench.send().status == 202
    assert bench.send().status == 429
    assert bench.ask("POST", "/v2/users/other/messages", encoded()).status == 202
