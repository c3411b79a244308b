"""What answers mean, as tables; and that no answer whatever raises."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from workers.judgement import from_answer
from workers.outcomes import Kind, Outcome

OWN = {"type": "server-error", "description": "Try later"}
SPRING = {"timestamp": 1, "status": 404, "error": "Not Found", "path": "/v2"}
FAULTS = {
    "type": "request-validation",
    "description": "Your request could not be accepted",
    "fieldErrors": [
        {"fieldName": "to", "description": "'+1919' must be a valid number"},
        {"fieldName": "from", "description": "must be yours"},
        "not an object",
    ],
}
FULL = {"type": "max-message-queue-size-exceeded", "description": "Full"}


def judged(status: int, body: object = None, **headers: str) -> Outcome:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = [
        (name.replace("_", "-").encode(), value.encode("latin-1"))
        for name, value in headers.items()
    ]
    return from_answer(status, httpx.Headers(named), content)


@pytest.mark.parametrize(
    ("status", "body", "kind", "code"),
    [
        (202, {"id": "m1"}, Kind.ACCEPTED, "202"),
        (202, b"", Kind.ACCEPTED, "202"),
        (202, b"<html>", Kind.ACCEPTED, "202"),
        (202, {"id": 7}, Kind.ACCEPTED, "202"),
        (202, OWN, Kind.ACCEPTED, "202"),
        (200, {"id": "m1"}, Kind.ACCEPTED, "200"),
        (201, {"id": ""}, Kind.UNKNOWN, "201"),
        (200, b"<html>", Kind.UNKNOWN, "200"),
        (204, b"", Kind.UNKNOWN, "204"),
        (101, b"", Kind.UNKNOWN, "101"),
        (301, b"", Kind.UNKNOWN, "301"),
        (307, OWN, Kind.UNKNOWN, "307 server-error"),
        (400, FAULTS, Kind.REFUSED, "400 request-validation"),
        (400, b"", Kind.REFUSED, "400"),
        (400, [FAULTS], Kind.REFUSED, "400"),
        (413, b"<html>", Kind.REFUSED, "413"),
        (422, {"type": "+19195551212"}, Kind.REFUSED, "422"),
        (401, {"type": "unauthorized"}, Kind.STOPPED, "401 unauthorized"),
        (402, b"", Kind.STOPPED, "402"),
        (403, b"", Kind.STOPPED, "403"),
        (404, SPRING, Kind.STOPPED, "404"),
        (405, b"", Kind.STOPPED, "405"),
        (406, b"", Kind.STOPPED, "406"),
        (407, b"", Kind.STOPPED, "407"),
        (415, b"", Kind.STOPPED, "415"),
        (408, b"", Kind.UNKNOWN, "408"),
        (408, b"<html>", Kind.UNKNOWN, "408"),
        (408, OWN, Kind.SERVER_ERROR, "408 server-error"),
        (429, FULL, Kind.THROTTLED, "429 max-message-queue-size-exceeded"),
        (429, b"", Kind.THROTTLED, "429"),
        (500, OWN, Kind.SERVER_ERROR, "500 server-error"),
        (503, OWN, Kind.SERVER_ERROR, "503 server-error"),
        (500, b"", Kind.UNKNOWN, "500"),
        (500, {"type": "x"}, Kind.UNKNOWN, "500 x"),
        (500, {"type": "x", "description": None}, Kind.UNKNOWN, "500 x"),
        (500, [OWN], Kind.UNKNOWN, "500"),
        (502, b"<html>Bad Gateway</html>", Kind.UNKNOWN, "502"),
        (504, {"message": "Endpoint request timed out"}, Kind.UNKNOWN, "504"),
        (600, OWN, Kind.UNKNOWN, "600 server-error"),
        (999, b"", Kind.UNKNOWN, "999"),
    ],
)
def test_answers(status: int, body: object, kind: Kind, code: str) -> None:
    """Each status, with the provider's own body and without, has its kind."""
    outcome = judged(status, body)
    assert (outcome.kind, outcome.code) == (kind, code)


@pytest.mark.parametrize(
    ("body", "message_id"),
    [
        ({"id": "1589228074636lm4k2je7j7jklbn2"}, "1589228074636lm4k2je7j7jklbn2"),
        ({"id": "m1", "time": 7, "to": {}}, "m1"),
        ({"id": ["m1"]}, None),
        ({"id": "x" * 257}, None),
        ({"id": "a\nb"}, None),
        (b'{"id":"\\ud800"}', None),
        (b'{"id":"m1"', None),
        (b"\xff\xfe", None),
    ],
)
def test_the_message_id_is_read_if_it_can_be(body: object, message_id: str) -> None:
    """An odd neighbour does not hide it, and an odd id is none."""
    outcome = judged(202, body)
    assert (outcome.kind, outcome.message_id) == (Kind.ACCEPTED, message_id)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:01:00Z", 60.0),
        ("1970-01-01T00:01:00.979Z", 60.979),
        ("1970-01-01T00:01:00.979456Z", 60.979456),
        ("1970-01-01T01:01:00+01:00", 60.0),
        ("1970-01-01T00:01:00", 60.0),
        ("soon", None),
        (60, None),
    ],
)
def test_the_time_of_acceptance(text: object, seconds: float | None) -> None:
    """All spellings seen are read; others are no time, and harm nothing."""
    assert judged(202, {"id": "m1", "time": text}).time == seconds


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        (" 300 ", 300.0),
        ("999999999", 3600.0),
        ("-1", None),
        ("nan", None),
        ("Fri, 31 Dec 1999 23:59:59 GMT", None),
        ("9" * 5000, None),
    ],
)
def test_retry_after(header: str, seconds: float | None) -> None:
    """Whole seconds, an hour at most; anything else is as if it were not there."""
    assert judged(429, FULL, retry_after=header).retry_after == seconds
    assert judged(400, FAULTS, retry_after=header).retry_after is None


def test_description_names_the_faulty_fields() -> None:
    """Description and field errors become one sentence for the ledger."""
    assert judged(400, FAULTS).description == (
        "Your request could not be accepted; "
        "'to' '+1919' must be a valid number; 'from' must be yours"
    )


def test_description_is_short_and_printable() -> None:
    """Neither length nor control characters of the provider's text get through."""
    description = judged(400, {"description": "a\x1b[31m" + "x" * 999}).description
    assert description is not None
    assert description.startswith("a [31mx")
    assert len(description) == 300


def test_repr_hides_the_description() -> None:
    """A description may quote a number; a log line of the outcome must not."""
    outcome = judged(400, FAULTS)
    assert "+1919" in (outcome.description or "")
    assert "+1919" not in f"{outcome!r} {outcome}"


#: Headers that mean something, with whatever in them.
HEADERS = st.dictionaries(
    st.sampled_from(["retry_after", "content_type", "content_length", "date"]),
    st.text(st.characters(codec="latin-1")),
)


@given(status=st.integers(100, 999), content=st.binary(), headers=HEADERS)
@example(status=429, content=b"", headers={"retry_after": "9" * 400})
@example(status=202, content=b"[" * 100_000, headers={})
@example(status=500, content=b'{"type":' * 100_000, headers={})
@example(status=400, content=b'{"fieldErrors":[{"fieldName":[]},null,1]}', headers={})
@example(
    status=202, content=b'{"id":1e999,"time":"9999-12-31T23:59:59-23:59"}', headers={}
)
def test_any_answer_is_judged(
    status: int, content: bytes, headers: dict[str, str]
) -> None:
    """No answer raises; only a 2xx is taken, and unsent needs the provider's word."""
    outcome = judged(status, content, **headers)
    assert outcome.kind is not Kind.ACCEPTED or 200 <= status < 300
    if outcome.kind.sent == "no":
        assert 400 <= status < 600
        assert status not in (408, *range(500, 600)) or b"description" in content
    assert 0 <= (outcome.retry_after or 0) <= 3600
    assert len(outcome.description or "") <= 300


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
FIELDS = st.sampled_from(["id", "time", "type", "description", "fieldErrors"])


@given(status=st.integers(100, 999), body=st.dictionaries(FIELDS, JSON))
def test_any_fields_are_judged(status: int, body: dict[str, Any]) -> None:
    """Nor do the known fields with values of any type; a 5xx needs both words."""
    outcome = judged(status, body)
    if outcome.kind is Kind.SERVER_ERROR:
        assert isinstance(body["type"], str)
        assert isinstance(body["description"], str)


def test_kinds_say_what_they_are() -> None:
    """Only a server error costs an attempt; taken or refused is the end of it."""
    assert [kind for kind in Kind if kind.counts_as_attempt] == [Kind.SERVER_ERROR]
    assert [kind for kind in Kind if kind.final] == [Kind.ACCEPTED, Kind.REFUSED]
    assert [kind for kind in Kind if kind.sent == "yes"] == [Kind.ACCEPTED]
    assert [kind for kind in Kind if kind.sent == "maybe"] == [Kind.UNKNOWN]
    assert all(kind.advice.endswith(".") for kind in Kind)
    assert len(Kind) == 9
