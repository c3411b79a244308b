"""Who may call the simulated provider."""

from __future__ import annotations

import base64

import pytest

from dispatcher.simulator import SimulatorConfig
from tests.unit.test_simulator_send import PATH, Bench, basic, content, encoded

TOKEN_PATH = "/api/v1/oauth2/token"
FIXED = SimulatorConfig(username="user", password="secret", account="5500001")
GRANT = b"grant_type=client_credentials"


def token_of(bench: Bench, username: str = "user", password: str = "secret") -> bytes:
    """An `Authorization` value made from a fresh token."""
    given = basic(username, password)
    reply = bench.ask("POST", TOKEN_PATH, GRANT, authorization=given)
    return b"Bearer " + str(content(reply)["access_token"]).encode()


@pytest.mark.parametrize(
    ("authorization", "any_status", "fixed_status"),
    [
        (basic("user", "secret"), 202, 202),
        (basic("user", "secret").replace(b"Basic", b"basic"), 202, 202),
        (basic("user", "other"), 202, 401),
        (basic("other", "secret"), 202, 401),
        (basic("user", "secret:"), 202, 401),
        (basic("", "secret"), 401, 401),
        (basic("user", ""), 401, 401),
        (basic("ünï", "cödé"), 202, 401),
        (b"Basic " + base64.b64encode(b"\xff:\xff"), 401, 401),
        (b"Basic not base64", 401, 401),
        (b"Basic", 401, 401),
        (b"Bearer unknown", 401, 401),
        (b"Bearer ", 401, 401),
        (b"Digest x", 401, 401),
        (b"", 401, 401),
        (b"\xff\xfe", 401, 401),
    ],
)
def test_credentials(authorization: bytes, any_status: int, fixed_status: int) -> None:
    """Any non-empty pair by default, one pair if configured."""
    for config, status in ((None, any_status), (FIXED, fixed_status)):
        reply = Bench(config).ask("POST", PATH, encoded(), authorization=authorization)
        assert reply.status == status


def test_the_401_is_the_documented_one() -> None:
    """And it comes before anything else is looked at."""
    bench = Bench()
    reply = bench.ask("POST", PATH, b"{", authorization=b"", content_type=b"")
    assert content(reply) == {
        "type": "unauthorized",
        "description": "Authentication Failed",
    }
    assert not bench.record.entries[0].taken


def test_another_account_is_as_bad_as_a_wrong_password() -> None:
    """The provider answers 401 for both; a search is refused likewise."""
    bench = Bench(FIXED)
    good = basic("user", "secret")
    path = "/api/v2/users/5500002/messages"
    for method, target in (("POST", path), ("GET", path + "?limit=1")):
        reply = bench.ask(method, target, encoded(), authorization=good)
        assert reply.status == 401


def test_a_token_serves_until_it_expires() -> None:
    """To the second, and the answer says how long."""
    bench = Bench(SimulatorConfig(username="user", password="secret", token_seconds=60))
    given = token_of(bench)
    bench.now += 59.9
    assert bench.ask("POST", PATH, encoded(), authorization=given).status == 202
    bench.now += 0.1
    assert bench.ask("POST", PATH, encoded(), authorization=given).status == 401


def test_the_token_answer_has_the_standard_form() -> None:
    """RFC 6749, section 5.1."""
    bench = Bench()
    reply = bench.ask("POST", TOKEN_PATH, GRANT)
    body = content(reply)
    assert reply.status == 200
    assert len(body.pop("access_token")) == 64
    assert body == {"token_type": "Bearer", "expires_in": 3600}


@pytest.mark.parametrize(
    ("method", "body", "authorization", "status"),
    [
        ("POST", b"", basic("user", "secret"), 400),
        ("POST", b"grant_type=password", basic("user", "secret"), 400),
        ("POST", b"\xff", basic("user", "secret"), 400),
        ("POST", GRANT, basic("user", "wrong"), 401),
        ("POST", GRANT, b"", 401),
        ("POST", GRANT, b"Bearer x", 401),
        ("GET", b"", basic("user", "secret"), 405),
    ],
)
def test_no_token_for_a_bad_request(
    method: str, body: bytes, authorization: bytes, status: int
) -> None:
    """The client's credentials are asked for as Basic, the grant in the form."""
    reply = Bench(FIXED).ask(method, TOKEN_PATH, body, authorization=authorization)
    assert reply.status == status


def test_revoked_tokens_serve_no_more() -> None:
    """Others can be had at once."""
    bench = Bench(FIXED)
    given = token_of(bench)
    bench.provider.gatekeeper.revoke_tokens()
    assert bench.ask("POST", PATH, encoded(), authorization=given).status == 401
    fresh = token_of(bench)
    assert bench.ask("POST", PATH, encoded(), authorization=fresh).status == 202


def test_credentials_can_change() -> None:
    """The old ones are refused from then on; tokens live on."""
    bench = Bench(FIXED)
    token, old = token_of(bench), basic("user", "secret")
    bench.provider.gatekeeper.change("user", "newer")
    assert bench.ask("POST", PATH, encoded(), authorization=old).status == 401
    new = basic("user", "newer")
    assert bench.ask("POST", PATH, encoded(), authorization=new).status == 202
    assert bench.ask("POST", PATH, encoded(), authorization=token).status == 202
