"""The campaign pages on a real ledger: what they show, to whom, and what never."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from dispatcher.campaign import Campaign
from dispatcher.doors import Pass
from dispatcher.ledger import calls
from dispatcher.ledger.graves import bury
from tests.bench import SENDER, Bench, members_of
from tests.visitor import Outline, Site, Visitor, words

TEXT = "Doors open at six, says the test."
ANN = ("ann", "her pass:word")
CREDENTIALS = {"pages_username": ANN[0], "pages_password": ANN[1]}
PROVIDER = Pass("bandwidth", SecretStr("for-callbacks"))
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def site(bench: Bench) -> Iterator[Site]:
    """Makes pages on the ledger of the bench."""
    with Site(bench.url) as made:
        yield made


@pytest.fixture
def visitor(site: Site) -> Visitor:
    """Somebody on this machine, where nobody is asked for a password."""
    return site.visitor()


def spec(**fields: object) -> str:
    return Campaign(sender=SENDER, text=TEXT, **fields).to_json()


def unclear(bench: Bench, groups: int = 3, id_: str = "c") -> None:
    """A campaign of which the first two groups are held, and the third failed."""
    bench.load(id_, groups, spec=spec(tag=HOSTILE))
    bench.claim(groups)
    for group in range(groups):
        bench.gate(group, id_=id_)
    for group in range(min(2, groups)):
        bench.settle("unknown", group, detail="timeout", id_=id_)
        bench.settle("hold", group, id_=id_)
    bench.settle("failed", 2, detail=f"400 {HOSTILE}", sentence=TEXT, id_=id_)


# -- the list ----------------------------------------------------------------------


def test_no_campaigns(visitor: Visitor) -> None:
    """Says how there would be one."""
    assert "There are no campaigns yet" in visitor.get("/")


def test_the_list(visitor: Visitor, bench: Bench) -> None:
    """Newest first, with state, progress and why one is paused."""
    bench.sent(2, id_="first")
    bench.settle("accepted", 0, detail="m1", id_="first")
    bench.clock.forward(1000)
    bench.load("second", groups=4)
    bench.control("pause", "by hand", id_="second")
    page = words(visitor.get("/"))
    assert page.index("second paused") < page.index("first running")
    assert "1 of 2 groups" in page
    assert "somebody paused it" in page
    assert 'value="50"' in visitor.get("/")


def test_the_list_has_pages(visitor: Visitor, bench: Bench) -> None:
    """Twenty campaigns each, so that looking at it stays cheap."""
    bench.checked = False
    for place in range(45):
        bench.load(f"c{place:02}", groups=1)
        bench.clock.forward(1)
    assert visitor.get("/").count("<li>") == 20
    assert "/?page=1" in visitor.get("/")
    last = visitor.get("/?page=2")
    assert last.count("<li>") == 5
    assert "c00" in last
    assert "/?page=3" not in last


@pytest.mark.parametrize("page", ["x", "-1", "1e3", "9" * 30])
def test_no_such_page_of_the_list(visitor: Visitor, page: str) -> None:
    """An address that somebody made up is none of ours."""
    assert "There is no such page" in visitor.get(f"/?page={page}", 404)


# -- one campaign ------------------------------------------------------------------


def test_a_campaign(visitor: Visitor, bench: Bench) -> None:
    """States, failures and held groups in plain words, and what may be ordered."""
    unclear(bench, groups=4)
    page = words(visitor.get("/campaigns/c"))
    assert "3 of 4 groups are settled" in page
    assert "2 held: may have been taken" in page
    assert "1 failed will not be sent" in page
    assert "the provider refused it" in page
    assert "1 sending on their way to the provider" in page
    assert "no worker runs" in page
    assert "Sender +1919***1212" in page
    assert "Pause Cancel" in page


def test_the_latest_errors(visitor: Visitor, bench: Bench) -> None:
    """Newest first: which group, what followed, and why."""
    unclear(bench)
    page = words(visitor.get("/campaigns/c"))
    errors = page[page.index("Latest errors") :]
    assert errors.index("group 2, failed") < errors.index("group 1, unknown")
    assert "no usable answer came" in errors


def test_deliveries_once_something_is_known(site: Site, bench: Bench) -> None:
    """Or once callbacks are asked for; before that nobody would ever tell."""
    bench.sent()
    bench.settle("accepted", detail="m1")
    assert "Recipients" not in site.visitor().get("/campaigns/c")
    hearing = site.visitor(ANN, PROVIDER, **CREDENTIALS)
    assert "10 awaiting nothing was heard yet" in words(hearing.get("/campaigns/c"))


def test_left_out_rows(visitor: Visitor, bench: Bench) -> None:
    """With why, and what to do."""
    bench.load(groups=1, rejected='{"too_short":3}', dropped='{"duplicate":1}')
    page = words(visitor.get("/campaigns/c"))
    assert "3 too_short Digits are missing" in page
    assert "1 duplicate The same number" in page


def test_flower_is_linked_to_where_it_is_known(site: Site) -> None:
    """And nowhere else."""
    known = site.visitor(flower_url="https://flower.example/")
    assert 'href="https://flower.example/"' in known.get("/")
    assert "Flower" not in site.visitor().get("/")


# -- every page --------------------------------------------------------------------

PATHS = [
    *("/", "/campaigns/c", "/campaigns/c/pause", "/campaigns/c/cancel"),
    *("/campaigns/c/retry-held", "/campaigns/c/held", "/campaigns/c/held/1"),
    *(
        "/campaigns/c?done=paused&left=3,4&more=7",
        "/campaigns/c/held?done=sent&groups=1",
    ),
]
FAULTS = [
    "/nothing",
    "/campaigns/none",
    f"/campaigns/{HOSTILE}",
    "/campaigns/c/held/99",
]


@pytest.mark.parametrize("path", PATHS + FAULTS)
def test_every_page_is_sound(visitor: Visitor, bench: Bench, path: str) -> None:
    """One heading, landmarks, names and labels for whoever does not see it."""
    unclear(bench, groups=4)
    page = visitor.get(path, 404 if path in FAULTS else 200)
    assert Outline(page).faults == []


def test_the_outline_sees_faults() -> None:
    """The test above can fail."""
    assert Outline("<p onclick='x'><h2>a</h2><input name=a><script>x</script>").faults


@pytest.mark.parametrize("path", PATHS + FAULTS)
def test_nothing_private_on_any_page(visitor: Visitor, bench: Bench, path: str) -> None:
    """No whole number, no word of the message, no script that came with the data."""
    unclear(bench, groups=4)
    page = visitor.get(path, 404 if path in FAULTS else 200)
    numbers = [str(m) for group in range(4) for m in members_of(group)]
    private = [*numbers, SENDER[1:], TEXT, "<script>alert"]
    assert [word for word in private if word in page] == []


def test_who_is_asked_about_is_masked(visitor: Visitor, bench: Bench) -> None:
    """Enough to find them at the provider, not more."""
    unclear(bench)
    for path in ("/campaigns/c/held", "/campaigns/c/held/0"):
        assert "+1919***0000" in visitor.get(path)


@pytest.mark.parametrize("path", [*PATHS, *FAULTS, "/static/pages.css"])
def test_headers(visitor: Visitor, bench: Bench, path: str) -> None:
    """Nothing but our own script and style runs, in no frame, and nothing is kept."""
    unclear(bench, groups=4)
    headers = visitor.ask("GET", path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    kept = "no-cache" if path.startswith("/static") else "no-store"
    assert headers["cache-control"] == kept


def test_methods_and_other_addresses(visitor: Visitor) -> None:
    """Are refused in words."""
    answer = visitor.ask("POST", "/")
    assert (answer.status_code, "Not possible here" in answer.text) == (405, True)
    answer = visitor.ask("GET", "/campaigns")
    assert (answer.status_code, answer.headers["location"]) == (308, "/")
    assert visitor.ask("GET", "/static/../pages.py").status_code == 404


# -- who may see them --------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (None, 401),
        (("ann", "wrong"), 401),
        (("bandwidth", "for-callbacks"), 401),
        (ANN, 200),
    ],
)
@pytest.mark.parametrize("path", ["/", "/campaigns/c", "/static/pages.css"])
def test_login(
    site: Site, bench: Bench, path: str, given: tuple[str, str] | None, status: int
) -> None:
    """User name and password of the pages; the provider's do not open them."""
    bench.load()
    answer = site.visitor(given, PROVIDER, **CREDENTIALS).ask("GET", path)
    assert answer.status_code == status
    assert ("www-authenticate" in answer.headers) == (status == 401)
    assert "content-security-policy" in answer.headers


@pytest.mark.parametrize("path", ["/", "/campaigns/c", "/campaigns/c/pause"])
def test_closed_where_others_come(site: Site, bench: Bench, path: str) -> None:
    """Callbacks ask for a password, so others come; without one the pages stay shut."""
    bench.load()
    assert not site.pages(PROVIDER).is_open
    answer = site.visitor(None, PROVIDER).ask("GET", path)
    assert answer.status_code == 403
    assert "set DISPATCHER_PAGES_USERNAME" in answer.text


@pytest.mark.parametrize(
    ("host", "status"),
    [
        *[(host, 200) for host in ("localhost:8085", "127.0.0.1", "[::1]:8085")],
        *[(host, 403) for host in ("evil.example", "localhost.evil.example:80", "")],
    ],
)
def test_unasked_only_under_this_machine_s_name(
    visitor: Visitor, host: str, status: int
) -> None:
    """A foreign page could have its own name lead here."""
    answer = visitor.ask("GET", "/", headers={"host": host})
    assert answer.status_code == status


# -- when something is away --------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/campaigns/c", "/events", "/campaigns/c/pause"])
def test_redis_is_away(site: Site, path: str) -> None:
    """503, in words, and when to come again."""
    visitor = site.visitor(redis_url="redis://127.0.0.1:1/0")
    answer = visitor.ask("GET", path)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "Redis does not answer" in answer.text
    assert Outline(answer.text).faults == []


def test_a_fault_of_ours(
    visitor: Visitor, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tells nothing of what it is about."""
    bench.load()
    monkeypatch.setattr("dispatcher.web.desk.look", lambda *_, **__: 1 / 0)
    answer = visitor.ask("GET", "/campaigns/c")
    assert (answer.status_code, "This page has a fault" in answer.text) == (500, True)
    assert "zero" not in answer.text
    assert "content-security-policy" in answer.headers


# -- archived campaigns ------------------------------------------------------------


@pytest.mark.parametrize("path", ["", "/held", "/held/0", "/pause", "/events"])
def test_an_archived_campaign(visitor: Visitor, bench: Bench, path: str) -> None:
    """It is gone from the list; who comes back to its page is told when it went."""
    bench.sent(1)
    bench.settle("accepted", detail="m1")
    assert "c done" in words(visitor.get("/"))
    bench.loaded.clear()
    assert bench.ledger.run(bury(bench.row(), "/srv/archive")) == "buried"
    assert "There are no campaigns yet" in visitor.get("/")
    page = words(visitor.get(f"/campaigns/c{path}", 410))
    assert "This campaign is archived" in page
    assert "was archived on 2027-01-15 08:00 UTC" in page


def test_a_campaign_that_is_being_loaded(visitor: Visitor, bench: Bench) -> None:
    """Is in the list, and its page says that there is nothing to see yet."""
    bench.ledger.run(calls.begin("soon", 3600))
    assert "soon loading" in words(visitor.get("/"))
    page = visitor.get("/campaigns/soon")
    assert "its list is being read" in page
    assert "<table>" not in page
    assert Outline(page).faults == []
