"""Orders from a page: confirmed, only from our own forms, told, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dispatcher import run
from tests.bench import Bench
from tests.visitor import ADDRESS, OURS, Outline, Site, Visitor, words

ORDERS = ["pause", "cancel"]


@pytest.fixture
def site(bench: Bench) -> Iterator[Site]:
    """Makes pages on the ledger of the bench; no group is waited for long."""
    with Site(bench.url) as made:
        yield made


@pytest.fixture
def visitor(site: Site, bench: Bench) -> Visitor:
    """Somebody on this machine, and a campaign that runs."""
    bench.load(groups=3)
    return site.visitor(http_deadline=0.01)


def held(bench: Bench, *groups: int) -> None:
    """Groups of which nobody knows whether they were taken."""
    bench.claim()
    for group in groups:
        bench.gate(group)
        bench.settle("unknown", group, detail="timeout")
        bench.settle("hold", group)


def state(bench: Bench) -> str:
    return bench.row().state.value


# -- pause, resume, cancel ---------------------------------------------------------


@pytest.mark.parametrize(
    ("order", "after"), [("pause", "paused"), ("cancel", "cancelled")]
)
def test_an_order(visitor: Visitor, bench: Bench, order: str, after: str) -> None:
    """To look at the form changes nothing; to send it does, and says so once."""
    page = words(visitor.get(f"/campaigns/c/{order}"))
    assert "Leave it as it is" in page
    assert state(bench) == "running"
    answer = visitor.order(f"/campaigns/c/{order}")
    assert answer.status_code == 303
    assert state(bench) == after
    assert f"It is {after}" in words(visitor.get(answer.headers["location"]))


def test_resume(visitor: Visitor, bench: Bench) -> None:
    """Says first why it is paused; then it goes on."""
    bench.control("pause", "error threshold")
    page = words(visitor.get("/campaigns/c/resume"))
    assert "too large a share of the groups failed" in page
    assert "find out why" in page
    answer = visitor.order("/campaigns/c/resume")
    assert state(bench) == "running"
    assert "It goes on." in words(visitor.get(answer.headers["location"]))


def test_a_pause_tells_what_is_on_its_way(
    visitor: Visitor, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What has no answer when the time to wait is over can still arrive."""
    monkeypatch.setattr(run, "_SETTLE_S", 0.0)
    bench.claim()
    bench.gate(0)
    bench.gate(2)
    answer = visitor.order("/campaigns/c/pause")
    told = words(visitor.get(answer.headers["location"]))
    assert "Still without an answer, and may arrive: groups 0, 2." in told


def test_what_the_ledger_refuses(visitor: Visitor, bench: Bench) -> None:
    """One clear line, and nothing is changed."""
    fields = visitor.fields("/campaigns/c/pause")
    bench.control("cancel", "by hand")
    answer = visitor.send("/campaigns/c/pause", fields)
    assert answer.status_code == 409
    assert Outline(answer.text).faults == []
    assert "campaign 'c' is cancelled: it cannot pause" in words(
        answer.text.replace("&#39;", "'")
    )


@pytest.mark.parametrize(
    ("order", "says"),
    [
        ("resume", "campaign 'c' is running: it cannot resume"),
        ("retry-held", "no group of campaign 'c' is held"),
    ],
)
def test_what_makes_no_sense_is_not_asked(
    visitor: Visitor, order: str, says: str
) -> None:
    """The form itself says why not."""
    assert says in visitor.get(f"/campaigns/c/{order}", 409).replace("&#39;", "'")


def test_a_ledger_that_was_set_back(visitor: Visitor, bench: Bench) -> None:
    """Is not resumed before it was verified, from a page neither."""
    bench.control("pause", "ledger")
    answer = visitor.order("/campaigns/c/resume")
    assert (answer.status_code, state(bench)) == (409, "paused")
    assert "run dispatcher verify c, then resume" in answer.text


def test_to_ask_for_the_head_of_a_form_orders_nothing(
    visitor: Visitor, bench: Bench
) -> None:
    """HEAD is GET without the page."""
    assert visitor.ask("HEAD", "/campaigns/c/pause").status_code == 200
    assert state(bench) == "running"


# -- only from our own forms -------------------------------------------------------

FOREIGN: dict[str, dict[str, str]] = {
    "another site": {"sec-fetch-site": "cross-site", "origin": "https://evil.example"},
    "a site beside it": {"sec-fetch-site": "same-site"},
    "typed in": {"sec-fetch-site": "none"},
    "an old browser": {"origin": "https://evil.example"},
    "a page without origin": {"origin": "null"},
}


@pytest.mark.parametrize("headers", FOREIGN.values(), ids=FOREIGN)
@pytest.mark.parametrize("order", [*ORDERS, "retry-held", "held/0"])
def test_from_another_site(
    visitor: Visitor, bench: Bench, order: str, headers: dict[str, str]
) -> None:
    """Refused, though the token is right."""
    held(bench, 0)
    fields = visitor.fields(f"/campaigns/c/{order}") | {"found": "unsent"}
    before = bench.dump()
    answer = visitor.send(f"/campaigns/c/{order}", fields, headers)
    assert answer.status_code == 403
    assert bench.dump() == before


def test_behind_a_proxy(visitor: Visitor) -> None:
    """An old browser's origin has another scheme than we see, and the same host."""
    headers = {"origin": ADDRESS.replace("http:", "https:")}
    fields = visitor.fields("/campaigns/c/pause")
    assert visitor.send("/campaigns/c/pause", fields, headers).status_code == 303


FORGED: dict[str, Callable[[Visitor], dict[str, str]]] = {
    "none": lambda _: {},
    "empty": lambda _: {"token": ""},
    "made up": lambda _: {"token": "0" * 64},
    "strange": lambda _: {"token": "\u00e9\udcff".encode("utf-8", "replace").decode()},
    "another form's": lambda v: v.fields("/campaigns/c/cancel"),
    "another campaign's": lambda v: v.fields("/campaigns/d/pause"),
}


@pytest.mark.parametrize("made", FORGED.values(), ids=FORGED)
def test_a_wrong_token(
    visitor: Visitor, bench: Bench, made: Callable[[Visitor], dict[str, str]]
) -> None:
    """Nothing is ordered, though the browser says that it is our page."""
    bench.load("d", groups=1)
    answer = visitor.send("/campaigns/c/pause", made(visitor))
    assert (answer.status_code, state(bench)) == (403, "running")
    assert "load the page again" in answer.text


def test_tokens_of_all_processes(site: Site, bench: Bench) -> None:
    """Several may serve side by side; who knows no password knows no token."""
    bench.load()
    ann = ("ann", "one")
    known: dict[str, Any] = {"pages_username": "ann", "pages_password": "one"}
    other = known | {"pages_password": "two"}
    form = site.visitor(ann, **known).fields("/campaigns/c/pause")
    strange = site.visitor(("ann", "two"), **other)
    assert strange.send("/campaigns/c/pause", form).status_code == 403
    assert site.visitor().send("/campaigns/c/pause", form).status_code == 403
    beside = site.visitor(ann, **known)
    assert beside.send("/campaigns/c/pause", form).status_code == 303


@pytest.mark.parametrize(
    ("body", "status"),
    [
        *((b"token=" + b"x" * 5000, 413), (b"a=1&" * 50, 400), (b"\xff=\xfe", 400)),
        (b"", 403),
    ],
)
def test_no_form_of_ours(visitor: Visitor, body: bytes, status: int) -> None:
    """Bounded before it is looked at."""
    answer = visitor.ask("POST", "/campaigns/c/pause", content=body, headers=OURS)
    assert answer.status_code == status


@pytest.mark.parametrize("order", [*ORDERS, "resume", "retry-held", "held"])
def test_of_no_campaign(visitor: Visitor, order: str) -> None:
    """404, in words."""
    assert "no such campaign" in visitor.get(f"/campaigns/none/{order}", 404)


# -- held groups -------------------------------------------------------------------


def test_held_groups_again(visitor: Visitor, bench: Bench) -> None:
    """Whoever agrees was told how many may have been taken."""
    held(bench, 0, 2)
    page = words(visitor.get("/campaigns/c/retry-held"))
    assert "2 held groups may have been taken" in page
    answer = visitor.order("/campaigns/c/retry-held")
    assert "2 groups will be sent again" in visitor.get(answer.headers["location"])
    assert bench.counts() == {"claimed": 1, "retry": 2}


def test_more_are_held_meanwhile(visitor: Visitor, bench: Bench) -> None:
    """Then that was agreed to is another thing: it is asked again."""
    held(bench, 0)
    fields = visitor.fields("/campaigns/c/retry-held")
    held(bench, 1)
    answer = visitor.send("/campaigns/c/retry-held", fields)
    assert (answer.status_code, bench.counts()["held"]) == (409, 2)
    assert "2 held groups may have been taken" in answer.text


def test_a_group_that_was_sent(visitor: Visitor, bench: Bench) -> None:
    """Is accepted under the id that a person found."""
    held(bench, 1)
    found = {"found": "sent", "message_id": " m-17 "}
    answer = visitor.order("/campaigns/c/held/1", **found)
    assert "Group 1 is recorded as sent" in visitor.get(answer.headers["location"])
    assert (bench.state(1), bench.record(1).tail) == ("accepted", "m-17")


def test_a_group_that_was_not_sent(visitor: Visitor, bench: Bench) -> None:
    """Is sent again."""
    held(bench, 1)
    answer = visitor.order("/campaigns/c/held/1", found="unsent")
    assert "Group 1 will be sent again" in visitor.get(answer.headers["location"])
    assert bench.state(1) == "retry"


@pytest.mark.parametrize(
    ("found", "says"),
    [
        ({}, "say whether it was sent"),
        ({"found": "perhaps"}, "say whether it was sent"),
        ({"found": "sent"}, "write the provider&#39;s message id"),
        ({"found": "sent", "message_id": "x" * 257}, "at most 256 characters"),
    ],
)
def test_nothing_was_found(
    visitor: Visitor, bench: Bench, found: dict[str, str], says: str
) -> None:
    """The form comes back with what is missing."""
    held(bench, 1)
    answer = visitor.order("/campaigns/c/held/1", **found)
    assert (answer.status_code, bench.state(1)) == (400, "held")
    assert says in answer.text
    assert Outline(answer.text).faults == []


def test_a_group_that_is_settled(visitor: Visitor, bench: Bench) -> None:
    """Is not decided about a second time."""
    held(bench, 1)
    fields = visitor.fields("/campaigns/c/held/1") | {"found": "unsent"}
    visitor.send("/campaigns/c/held/1", fields)
    answer = visitor.send("/campaigns/c/held/1", fields)
    assert (answer.status_code, "group 1 is retry" in answer.text) == (409, True)
    assert "nothing to decide" in visitor.get("/campaigns/c/held/1")
    assert "nothing to decide" in visitor.get("/campaigns/c/held/0")


def test_held_groups_have_pages(site: Site, bench: Bench) -> None:
    """Twenty each, over chunks, and none is left out."""
    bench.checked = False
    bench.sent(300)
    for group in range(0, 300, 10):
        bench.settle("unknown", group, detail="timeout")
        bench.settle("hold", group)
    visitor = site.visitor()
    first = visitor.get("/campaigns/c/held")
    assert first.count("<li>") == 20
    assert "/campaigns/c/held?first=200" in first
    second = visitor.get("/campaigns/c/held?first=200")
    assert second.count("<li>") == 10
    assert "Group 290" in second
    assert "No group is held" in visitor.get("/campaigns/c/held?first=295")
