"""The provider's answers, word for word as it documents them.

Builds bodies; decides nothing. Texts that the provider does not document are ours
and are read by nobody but people.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from dispatcher.simulator.exchange import HTML, Reply

#: Field name and what is wrong with it.
FieldError = tuple[str, str]

ENCODER = msgspec.json.Encoder()


def instant(seconds: float) -> str:
    """Epoch seconds as the provider writes times: `2026-01-31T12:00:00.123Z`."""
    time = datetime.fromtimestamp(seconds, UTC)
    return time.isoformat(timespec="milliseconds")[:-6] + "Z"


def json_reply(status: int, content: object) -> Reply:
    """An answer with a JSON body."""
    return Reply(status=status, body=ENCODER.encode(content))


def problem(status: int, kind: str, description: str) -> Reply:
    """An error in the provider's own form."""
    return json_reply(status, {"type": kind, "description": description})


def invalid(errors: list[FieldError]) -> Reply:
    """400; without errors for a body that is not a JSON object at all."""
    body: dict[str, Any] = {
        "type": "request-validation",
        "description": "Your request could not be accepted",
    }
    if errors:
        body["fieldErrors"] = [
            {"fieldName": name, "description": text} for name, text in errors
        ]
    return json_reply(400, body)


UNAUTHORIZED = problem(401, "unauthorized", "Authentication Failed")
FORBIDDEN = problem(403, "forbidden", "Access Denied")
SERVER_ERROR = problem(500, "internal-server-error", "Internal Server Error")
EMPTY_500 = Reply(status=500)
HTML_500 = Reply(
    status=500,
    content_type=HTML,
    body=b"<html><body><h1>500 Internal Server Error</h1></body></html>",
)
BAD_GATEWAY = Reply(
    status=502,
    content_type=HTML,
    body=b"<html><body><h1>502 Bad Gateway</h1></body></html>",
)
UNAVAILABLE = Reply(
    status=503,
    content_type=HTML,
    body=b"<html><body><h1>503 Service Unavailable</h1></body></html>",
)
MALFORMED = problem(400, "bad-request", "The request is not HTTP")
TOO_LARGE = problem(413, "payload-too-large", "The request is larger than 4 MB")


def not_found(path: str, now: float) -> Reply:
    """404 of the web framework in front of the provider: another form than 4xx else."""
    body = {
        "timestamp": instant(now).replace("Z", "+0000"),
        "status": 404,
        "error": "Not Found",
        "message": "Not Found",
        "path": path,
    }
    return json_reply(404, body)


def method_not_allowed(method: str) -> Reply:
    """405."""
    text = f"Request method '{method}' not supported"
    return problem(405, "method-not-allowed", text)


def unsupported(content_type: str) -> Reply:
    """415."""
    text = f"Content type '{content_type}' not supported. Please use 'application/json'"
    return problem(415, "unsupported-content-type", text)


def queue_full(rate: float, seconds: float) -> Reply:
    """429 of the send call, for a queue drained at `rate` and `seconds` deep."""
    text = (
        "The SMS queue for your account is full and cannot accept more messages right"
        f" now. Your allowed rate is {rate * 60:g} messages per minute. The capacity of"
        f" this queue is {rate * seconds:g} messages ({seconds / 60:g} minutes). Reduce"
        " your message sending rate, or contact support to increase your allowed rate."
    )
    return problem(429, "max-message-queue-size-exceeded", text)


def searched_too_often(retry_after: int) -> Reply:
    """429 of the search call; the only one that says when to come back."""
    reply = problem(429, "rate_limit_exceeded", "Too many requests, try again later")
    return msgspec.structs.replace(reply, headers=(("Retry-After", str(retry_after)),))
