"""Rows of the fault matrix: a provider that loses answers, refuses or is away."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Final

from tests.chaos import certificates
from tests.chaos.trial import PATIENCE, Row, Scene, all_sent, doubles_told
from tests.door import Door
from tests.stack import PASSWORD, eventually

#: Seconds.
STORM: Final = 5.0
OUTAGE: Final = 60.0
RESETTING: Final = 3.0
AWAY: Final = 10.0


def throttle(scene: Scene) -> None:
    """Every send is answered 429 for a while."""
    scene.under_way()
    scene.provider(**{"429": 1.0})
    time.sleep(STORM)
    scene.provider()
    scene.ended()
    _expect_no_attempt_burnt(scene)


def outage(scene: Scene) -> None:
    """Connections refused for a minute, and those there were are gone."""

    def away(door: Door) -> None:
        door.shut()
        time.sleep(OUTAGE)
        door.open()

    _behind_a_door(scene, away)
    scene.expect("the breaker opened", so=bool(scene.logged("provider.unreachable")))
    eventually(
        lambda: bool(scene.logged("provider.reachable")), PATIENCE, "it closes again"
    )
    _expect_no_attempt_burnt(scene)


def resets(scene: Scene) -> None:
    """Connections are accepted and reset, before or after the request is written."""

    def reset(door: Door) -> None:
        door.reset()
        time.sleep(RESETTING)
        door.open()

    _behind_a_door(scene, reset)
    _expect_no_attempt_burnt(scene)


def _behind_a_door(scene: Scene, fault: Callable[[Door], None]) -> None:
    """Workers that reach the provider through a door; what happens at the door."""
    door = scene.hold(Door(scene.stack.simulator.base_url))
    for _ in range(2):
        scene.worker(BW_BASE_URL=door.url)
    scene.under_way()
    fault(door)
    scene.ended()


def _expect_no_attempt_burnt(scene: Scene) -> None:
    """Whatever was tried in vain is not held against a group."""
    scene.run.wait(timeout=PATIENCE)
    most = max(result.attempts for result in scene.run.results())
    scene.expect(f"no attempt is burnt, but {most} were", so=most <= 1)


def lonely(scene: Scene) -> None:
    """One of two workers has no way to the provider, from the start."""
    with socket.socket() as nobody:
        # Bound and not listening: connections to it are refused.
        nobody.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{nobody.getsockname()[1]}/api/v2"
        scene.worker(BW_BASE_URL=address)
        scene.until_logged("provider.unreachable")
        scene.worker()
        scene.ended()
        _expect_no_attempt_burnt(scene)


def unresolvable(scene: Scene) -> None:
    """A name that no DNS can know (RFC 6761); then a worker with the right one."""
    lost = scene.worker(BW_BASE_URL="http://provider.invalid/api/v2")
    scene.until_logged("provider.unreachable")
    lost.end()
    scene.ended()
    scene.worker()
    _expect_no_attempt_burnt(scene)


def distrusted(scene: Scene) -> None:
    """A certificate that the workers do not trust; then it is replaced."""
    good, bad = certificates.pair(scene.directory)
    door = scene.hold(Door(scene.stack.simulator.base_url, tls=bad.context))
    for _ in range(2):
        scene.worker(BW_BASE_URL=door.url, SSL_CERT_FILE=str(good.path))
    scene.until_logged("provider.unreachable")
    time.sleep(AWAY)
    scene.expect("nothing was sent", so=scene.taken() == 0)
    door.open(good.context)
    scene.ended()
    _expect_no_attempt_burnt(scene)


def strangers(scene: Scene) -> None:
    """Wrong credentials from the start; mended, and resumed by a person."""
    scene.stack.simulator.set_credentials("somebody", "else")
    scene.worker()
    _mend(scene)


def revoked(scene: Scene) -> None:
    """Credentials that stop working in the middle."""
    scene.under_way()
    scene.stack.simulator.set_credentials("somebody", "else")
    _mend(scene)


def _mend(scene: Scene) -> None:
    paused = scene.run.wait(timeout=PATIENCE)
    scene.expect("paused because of 401", so="401" in paused.reason)
    scene.stack.simulator.set_credentials("user", PASSWORD)
    scene.run.resume()
    scene.ended()
    _expect_no_attempt_burnt(scene)


def callbacks(scene: Scene) -> None:
    """The provider tells every delivery, and a receiver listens."""
    scene.stack.receiver()
    scene.under_way()


#: Few enough that the provider's search, ten a second, keeps up.
SHARE: Final = 0.02

_RESEND: Final = {"DISPATCHER_UNKNOWN_GRACE": "5"}

ROWS: Final = (
    Row(
        name="hang",
        fault="2 % of requests never answered, not taken",
        faults=[f"hang={SHARE}"],
    ),
    Row(
        name="hang-after",
        fault="2 % of requests never answered, though taken",
        faults=[f"hang-after={SHARE}"],
    ),
    Row(
        name="drop-before",
        fault="2 % of connections dropped before the message is taken",
        faults=[f"drop-before={SHARE}"],
    ),
    Row(
        name="drop-after",
        fault="2 % of connections dropped after the message is taken",
        faults=[f"drop-after={SHARE}"],
    ),
    Row(
        name="callbacks",
        fault="5 % dropped after the message is taken; searches find nothing, but "
        "callbacks are received",
        act=callbacks,
        promise=all_sent,
        groups=1000,
        people=2,
        rate=300,
        faults=["drop-after=0.05"],
        index_lag=3600,
        settings={"DISPATCHER_UNKNOWN_GRACE": "120"},
    ),
    Row(
        name="half-answer",
        fault="2 % of answers end half-way",
        faults=[f"half-answer={SHARE}"],
    ),
    Row(
        name="bad-json",
        fault="2 % of answers are 202 with half a JSON body",
        faults=[f"bad-json-202={SHARE}"],
    ),
    Row(
        name="html",
        fault="1 % answered 502 and 1 % 500, each with an HTML page",
        faults=["502=0.01", "html-500=0.01"],
    ),
    Row(
        name="server-error",
        fault="5 % answered 500 with the provider's own JSON",
        faults=["500=0.05"],
        promise=all_sent,
    ),
    Row(
        name="slow",
        fault="20 % of answers 2 s late",
        faults=["slow=0.2"],
        promise=all_sent,
    ),
    Row(
        name="429",
        fault="every request answered 429 for 5 s",
        act=throttle,
        promise=all_sent,
    ),
    Row(
        name="outage",
        fault="provider away for a minute, its connections cut",
        act=outage,
        workers=0,
    ),
    Row(
        name="reset",
        fault="provider accepts and resets every connection for 3 s",
        act=resets,
        workers=0,
    ),
    Row(
        name="lonely",
        fault="one of two workers cannot reach the provider",
        act=lonely,
        promise=all_sent,
        workers=0,
    ),
    Row(
        name="dns",
        fault="the provider's name cannot be resolved, then a worker that can",
        act=unresolvable,
        promise=all_sent,
        workers=0,
    ),
    Row(
        name="tls",
        fault="the provider's certificate is not trusted for 10 s",
        act=distrusted,
        promise=all_sent,
        workers=0,
    ),
    Row(
        name="credentials",
        fault="wrong credentials from the start; mended, resumed",
        act=strangers,
        promise=all_sent,
        workers=1,
    ),
    Row(
        name="revoked",
        fault="credentials revoked in the middle; restored, resumed",
        act=revoked,
        promise=all_sent,
    ),
    Row(
        name="resend-before",
        fault="2 % dropped before the message is taken",
        policy="resend",
        faults=[f"drop-before={SHARE}"],
        settings=_RESEND,
        promise=all_sent,
    ),
    Row(
        name="resend-after",
        fault="2 % dropped after the message is taken",
        policy="resend",
        faults=[f"drop-after={SHARE}"],
        settings=_RESEND,
        promise=all_sent,
    ),
    Row(
        name="resend-hang",
        fault="2 % never answered, half of them taken",
        policy="resend",
        faults=["hang=0.01", "hang-after=0.01"],
        settings=_RESEND,
        promise=all_sent,
    ),
    Row(
        name="resend-too-soon",
        fault="1 % dropped after the message is taken; the provider's index is 25 s "
        "late, longer than the grace time",
        policy="resend",
        faults=["drop-after=0.01"],
        index_lag=25.0,
        settings=_RESEND,
        promise=doubles_told,
    ),
)
