"""The message search against canned answers: what it asks, what it reads in them."""

from __future__ import annotations

import asyncio
import base64
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import httpx
import pytest

from dispatcher.settings import Settings
from tests.unit.canned import BASIC, OAUTH, given, token
from tests.unit.worker_fakes import MEMBERS, PRIVATE, SENDER, run
from workers.bandwidth import SEARCH_S, Bandwidth
from workers.connection import NotWritten
from workers.search import (
    FORBIDDEN_S,
    MAX_PAGES,
    OUTAGE_S,
    THROTTLED_S,
    Candidate,
    Found,
    Page,
    Query,
    Searched,
    Status,
    Throttled,
    Unavailable,
    read_page,
    read_pages,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from dispatcher.credentials import Credentials
    from tests.unit.canned import Reply

    Answer = Reply | Callable[[], Awaitable[httpx.Response]]

FIRST, SECOND = MEMBERS
GROUP = frozenset(MEMBERS)
QUERY = Query(SENDER, GROUP, 1_800_000_000.0, 1_800_000_025.5)
RECEIVED = "2027-01-15T08:00:03.250Z"
RECEIVED_AT = 1_800_000_003.25


class Provider(httpx.AsyncBaseTransport):
    """Gives canned answers to searches; an async function is awaited for one."""

    def __init__(self, *replies: Answer, tokens: tuple[Reply, ...] = ()) -> None:
        self.replies = list(replies)
        self.tokens = list(tokens)
        self.requests: list[httpx.Request] = []
        self.closed = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.host == "id.test":
            return given(self.tokens.pop(0))
        self.requests.append(request)
        reply = self.replies.pop(0)
        return await reply() if callable(reply) else given(reply)

    async def aclose(self) -> None:
        self.closed += 1


def client(provider: Provider, credentials: Credentials = BASIC) -> Bandwidth:
    return Bandwidth(
        base_url="https://bw.test/api/v2",
        credentials=credentials,
        transport=provider,
        deadline=15.0,
    )


def search(provider: Provider, credentials: Credentials = BASIC) -> Searched:
    """What a search comes to."""

    async def ask() -> Searched:
        return await client(provider, credentials).search(QUERY)

    return run(ask())


def page(*rows: object, after: object = None, **fields: object) -> httpx.Response:
    info = {"nextPageToken": after} if after else {}
    return httpx.Response(200, json={"messages": rows, "pageInfo": info, **fields})


def row(number: object = f"+{FIRST}", **changes: object) -> dict[str, object]:
    """A row as documented; a field that is None is left out."""
    fields = {
        "messageId": "m1",
        "sourceTn": SENDER,
        "destinationTn": number,
        "messageStatus": "RECEIVED",
        "messageDirection": "OUTBOUND",
        "receiveTime": RECEIVED,
        "recipientCount": 2,
        **changes,
    }
    return {name: value for name, value in fields.items() if value is not None}


def read(*rows: object) -> Found:
    return read_pages([Page(list(rows))], SENDER)


BOTH = [row(), row(f"+{SECOND}")]
WHOLE = Candidate(
    *("m1", GROUP, 2, RECEIVED_AT), dict.fromkeys(GROUP, Status("RECEIVED", 0))
)


# -- the request ---------------------------------------------------------------


def test_the_request() -> None:
    """The documented parameters, every plus sign quoted, credentials as for sends."""
    provider = Provider(page())
    search(provider)
    (request,) = provider.requests
    assert request.method == "GET"
    assert request.url.path == "/api/v2/users/9900123/messages"
    query = request.url.query.decode()
    assert "+" not in query
    assert query.count("%2B") == 3
    assert {name: value for name, (value,) in parse_qs(query).items()} == {
        "sourceTn": SENDER,
        "destinationTn": f"+{FIRST},+{SECOND}",
        "messageDirection": "OUTBOUND",
        "fromDateTime": "2027-01-15T08:00:00.000Z",
        "toDateTime": "2027-01-15T08:00:25.500Z",
        "limit": "100",
    }
    expected = "Basic " + base64.b64encode(b"user:pa55word").decode()
    assert request.headers["authorization"] == expected
    assert "before_write" not in request.extensions
    assert request.extensions["deadline"] == 15.0


def test_ten_numbers_at_most() -> None:
    """The provider takes no more; what is not asked for is not found."""
    many = replace(QUERY, members=frozenset(range(19195550000, 19195550012)))
    assert many.parameters()["destinationTn"].count("+") == 10


def test_searches_have_their_own_connections() -> None:
    """A slow search cannot make a send wait; both are closed with the client."""
    sends, searches = Provider(), Provider(page())

    async def ask() -> None:
        both = Bandwidth(
            base_url="https://bw.test/api/v2",
            credentials=BASIC,
            transport=sends,
            search_transport=searches,
            deadline=15.0,
        )
        await both.search(QUERY)
        await both.aclose()

    run(ask())
    assert (len(sends.requests), len(searches.requests)) == (0, 1)
    assert (sends.closed, searches.closed) == (1, 1)


def test_from_settings() -> None:
    """The real client searches over a transport that no send uses."""
    account = {"account_id": "1", "username": "u", "password": "p"}
    made = Bandwidth.from_settings(Settings.load(**account))
    assert made._search_transport is not made._transport


# -- tokens --------------------------------------------------------------------


def test_a_token_that_has_run_out_is_replaced_once() -> None:
    """One that worked is followed by a new one, within the same search."""
    provider = Provider(
        page(), httpx.Response(401), page(*BOTH),
        tokens=(token(), token("t0ken-2")),
    )  # fmt: skip

    async def two() -> list[Searched]:
        both = client(provider, OAUTH)
        return [await both.search(QUERY) for _ in range(2)]

    assert run(two()) == [Found(), Found((WHOLE,))]
    sent = [request.headers["authorization"] for request in provider.requests]
    assert sent == ["Bearer t0ken-1", "Bearer t0ken-1", "Bearer t0ken-2"]


def test_credentials_that_never_worked() -> None:
    """They are not tried a second time in one search."""
    provider = Provider(httpx.Response(401), tokens=(token(),))
    assert search(provider, OAUTH) == Unavailable("401", FORBIDDEN_S)
    assert search(Provider(tokens=(httpx.Response(401),)), OAUTH) == Unavailable(
        "token: 401", FORBIDDEN_S
    )


# -- when there is no search ---------------------------------------------------

HTML = "<html><body>No search today</body></html>"


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (httpx.Response(429, headers={"Retry-After": "300"}), Throttled(300.0)),
        (httpx.Response(429, headers={"Retry-After": "0"}), Throttled(1.0)),
        (httpx.Response(429), Throttled(THROTTLED_S)),
        (httpx.Response(429, headers={"Retry-After": "soon"}), Throttled(THROTTLED_S)),
        (
            httpx.Response(400, json={"type": "request-validation"}),
            Unavailable("400 request-validation", 0.0),
        ),
        (httpx.Response(401), Unavailable("401", FORBIDDEN_S)),
        (
            httpx.Response(403, json={"type": "forbidden", "description": "no"}),
            Unavailable("403 forbidden", FORBIDDEN_S),
        ),
        (httpx.Response(404, json={"path": "/x"}), Unavailable("404", FORBIDDEN_S)),
        (httpx.Response(500), Unavailable("500", OUTAGE_S)),
        (httpx.Response(502, text=HTML), Unavailable("502", OUTAGE_S)),
        (httpx.Response(302), Unavailable("302", OUTAGE_S)),
        (httpx.Response(202, json={"id": "m1"}), Unavailable("202", OUTAGE_S)),
        (httpx.Response(204), Unavailable("204", OUTAGE_S)),
        (httpx.Response(200), Unavailable("200 bad-answer", OUTAGE_S)),
        (httpx.Response(200, text=HTML), Unavailable("200 bad-answer", OUTAGE_S)),
        (httpx.ConnectError("x"), Unavailable("connect-failed", OUTAGE_S)),
        (httpx.PoolTimeout("x"), Unavailable("no-free-connection", OUTAGE_S)),
        (httpx.ReadTimeout("x"), Unavailable("timeout", OUTAGE_S)),
        (httpx.ReadError("x"), Unavailable("connection-lost", OUTAGE_S)),
        (httpx.RemoteProtocolError("x"), Unavailable("bad-answer", OUTAGE_S)),
        (NotWritten("x"), Unavailable("not-written", OUTAGE_S)),
        (RuntimeError("x"), Unavailable("internal-error", OUTAGE_S)),
    ],
)
def test_no_search(reply: Reply, expected: Searched) -> None:
    """Each answer or failure is one of the closed set, after one request."""
    provider = Provider(reply)
    assert search(provider) == expected
    assert len(provider.requests) == 1


def test_it_ends_in_time() -> None:
    """However slow its pages come, one search has one deadline."""
    ended = []

    async def slow() -> httpx.Response:
        await asyncio.sleep(SEARCH_S * 0.4)
        ended.append(asyncio.get_running_loop().time())
        return page(row(), after=f"t{len(ended)}")

    assert search(Provider(*[slow] * MAX_PAGES)) == Unavailable("timeout")
    assert len(ended) == 2


# -- pages ---------------------------------------------------------------------


def test_pages_are_put_together() -> None:
    """A message whose rows stand on two pages is one message."""
    provider = Provider(page(row(), after="t1"), page(row(f"+{SECOND}")))
    assert search(provider) == Found((WHOLE,), pages=2)
    first, second = (parse_qs(r.url.query.decode()) for r in provider.requests)
    assert second == first | {"pageToken": ["t1"]}


def test_pages_are_bounded() -> None:
    """What is left out is told."""
    provider = Provider(*(page(row(), after=f"t{n}") for n in range(MAX_PAGES + 1)))
    found = search(provider)
    assert isinstance(found, Found)
    assert (found.complete, found.pages) == (False, MAX_PAGES)


def test_a_page_that_leads_to_itself() -> None:
    """It is not followed for ever."""
    provider = Provider(page(row(), after="t"), page(row(), after="t"), page())
    found = search(provider)
    assert isinstance(found, Found)
    assert (found.complete, len(provider.requests)) == (False, 2)


def test_a_later_page_that_fails() -> None:
    """Half an answer is none."""
    provider = Provider(page(row(), after="t"), httpx.Response(500))
    assert search(provider) == Unavailable("500")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"messages": []}, Page([])),
        ({"messages": [], "totalCount": 0, "pageInfo": None}, Page([])),
        ({"messages": [], "pageInfo": {"nextPageToken": ""}}, Page([])),
        ({"messages": [], "pageInfo": {"nextPageToken": 7}}, Page([])),
        ({"messages": [], "pageInfo": "x", "totalCount": "many"}, Page([])),
        ({"messages": [], "pageInfo": {"nextPageToken": "t"}}, Page([], "t")),
        ({"messages": [], "totalCount": 3}, Page([], silent=True)),
        ({"messages": [None, 1]}, Page([None, 1])),
        ({"messages": {"m1": {}}}, None),
        ({"messages": None, "totalCount": 0}, None),
        ({}, None),
        ([], None),
        ([{"messageId": "m1"}], None),
        ("messages", None),
        (None, None),
    ],
)
def test_page(content: object, expected: Page | None) -> None:
    """Only a list of messages is a page; an empty one that counts some says so."""
    assert read_page(json.dumps(content).encode()) == expected


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"<html>"])
def test_no_page(content: bytes) -> None:
    """What is no JSON is no page."""
    assert read_page(content) is None


def test_a_silent_page_is_not_an_empty_answer() -> None:
    """Messages are counted and not shown: that proves nothing."""
    found = search(Provider(page(totalCount=2)))
    assert found == Found(complete=False)


# -- rows ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "rows",
    [
        BOTH,
        [row([f"+{FIRST}", f"+{SECOND}"])],
        [row(f"+{FIRST},+{SECOND}")],
        [row(f"+{FIRST}, +{SECOND}")],
        [row(None, to=[f"+{FIRST}", f"+{SECOND}"])],
        [row(None, to=f"+{FIRST}"), row(None, to=f"+{SECOND}")],
        [row(FIRST), row(str(SECOND))],
        [row([FIRST, SECOND], sourceTn=SENDER[1:])],
        [row(recipientCount="2"), row(f"+{SECOND}", recipientCount=None)],
        [row(receiveTime="2027-01-15T08:00:03.25"), row(f"+{SECOND}")],
        [row(receiveTime="2027-01-15T09:00:03.250+01:00"), row(f"+{SECOND}")],
        [*BOTH, *BOTH],
        [row(sourceTn=None, messageDirection=None), row(f"+{SECOND}", sourceTn=7)],
    ],
)
def test_layouts(rows: list[object]) -> None:
    """However its rows look, it is one and the same message."""
    assert read(*rows) == Found((WHOLE,))


def test_statuses_are_the_recipients_own() -> None:
    """A failure is only told of whom it is known to be."""
    first, second = row(messageStatus="FAILED", errorCode=4720), row(f"+{SECOND}")
    (found,) = read(first, second).candidates
    assert found.statuses == {FIRST: ("FAILED", 4720), SECOND: ("RECEIVED", 0)}
    both = row([f"+{FIRST}", f"+{SECOND}"], messageStatus="FAILED", errorCode="4720")
    (found,) = read(both).candidates
    assert found.statuses == {}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"messageStatus": None}, replace(WHOLE, statuses={})),
        ({"messageStatus": 7}, replace(WHOLE, statuses={})),
        ({"recipientCount": None}, replace(WHOLE, recipients=None)),
        ({"recipientCount": "two"}, replace(WHOLE, recipients=None)),
        ({"recipientCount": 2.0}, replace(WHOLE, recipients=None)),
        ({"recipientCount": True}, replace(WHOLE, recipients=None)),
        ({"recipientCount": 11}, replace(WHOLE, recipients=11)),
        ({"receiveTime": None}, replace(WHOLE, received_at=None)),
        ({"receiveTime": "yesterday"}, replace(WHOLE, received_at=None)),
        ({"receiveTime": 1_800_000_003}, replace(WHOLE, received_at=None)),
    ],
)
def test_odd_fields(changes: dict[str, Any], expected: Candidate) -> None:
    """A field that cannot be read is taken as missing, and the rest counts."""
    both = row([f"+{FIRST}", f"+{SECOND}"], **changes)
    assert read(both) == Found((expected,))


@pytest.mark.parametrize(
    "number",
    [None, "", "anonymous", [], [f"+{FIRST}", None], {}, 1.5, True, "+0123456"],
)
def test_unreadable_destinations(number: object) -> None:
    """It is known that the message has recipients which are not known."""
    (candidate,) = read(row(number)).candidates
    assert not candidate.readable
    assert candidate.members <= GROUP


def test_rows_that_count_themselves() -> None:
    """One row for each recipient that counts one says nothing of the whole group."""
    rows = [row(recipientCount=1), row(f"+{SECOND}", recipientCount=1)]
    assert read(*rows) == Found((replace(WHOLE, recipients=None),))
    for alone in (rows[:1], [row([f"+{FIRST}", f"+{SECOND}"], recipientCount=1)]):
        (candidate,) = read(*alone).candidates
        assert candidate.recipients == 1


def test_rows_that_disagree() -> None:
    """Two counts for one message: neither is believed."""
    (candidate,) = read(row(), row(f"+{SECOND}", recipientCount=3)).candidates
    assert (candidate.recipients, candidate.readable) == (None, False)


@pytest.mark.parametrize(
    "odd",
    [
        None, 7, "m1", [], {}, row(messageId=None), row(messageId=7),
        row(messageId=""), row(messageId="m" * 257), row(messageId="m\n1"),
    ],
)  # fmt: skip
def test_rows_of_no_message(odd: object) -> None:
    """They are counted: something is there, and nobody can tell what."""
    assert read(*BOTH, odd) == Found((WHOLE,), unreadable=1)


def test_rows_of_others() -> None:
    """Inbound messages and those of another sender were not asked for."""
    inbound = row(messageDirection="INBOUND", messageId="m2")
    other = row(sourceTn="+19195550000", messageId="m3")
    assert read(inbound, other) == Found()


def test_nothing_private_is_shown(caplog: pytest.LogCaptureFixture) -> None:
    """No repr holds a number, a body or a secret."""
    caplog.set_level("DEBUG")
    echo = httpx.Response(400, json={"type": f"+{FIRST}", "description": f"+{FIRST}"})
    shown = [QUERY, Page(BOTH), read(*BOTH), search(Provider(page(*BOTH)))]
    shown += [search(Provider(echo)), search(Provider(httpx.ReadError(f"+{FIRST}")))]
    text = repr(shown) + caplog.text
    assert not [secret for secret in (*PRIVATE, "pa55word") if secret in text]
