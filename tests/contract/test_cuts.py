"""The promise itself: "not sent" is never said of a message that may have been taken.

A server that records every byte cuts the exchange at a random point, in a random
way. The client may say that nothing was sent only if no byte of the message came.
"""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from dispatcher.credentials import Credentials
from tests.contract.answerer import Answerer, Peer, answer
from tests.contract.client import AGES, LOOPS, run, turns
from tests.contract.tls import client_side, server_side
from workers.bandwidth import Bandwidth, Message
from workers.outcomes import Kind, Outcome
from workers.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Callable

    NewLoop = Callable[[], asyncio.AbstractEventLoop]

MESSAGE = Message("app", "+19195551200", ("+19195551201", "+19195551202"), "Hello.")
ENDS = {"close": lambda _: None, "reset": Peer.reset, "hang": Peer.hang}


@dataclass(frozen=True)
class Cut:
    """One way to break an exchange.

    Attributes:
        warm: The connection has carried an exchange before.
        early: The end comes while the client asks for its permit.
        late: The permit has run out when the client gets it.
        read: Bytes of the request the server reads, at most.
        said: Bytes of its answer it sends, at most.
        end: How it ends the connection.
    """

    warm: bool
    early: bool
    late: bool
    read: int
    said: int
    end: str


CUTS = st.builds(
    Cut,
    warm=st.booleans(),
    early=st.sampled_from([False, False, False, True]),
    late=st.sampled_from([False, False, False, True]),
    read=st.integers(0, 700),
    said=st.integers(0, 70),
    end=st.sampled_from(list(ENDS)),
)


class CutProvider:
    """Plays the provider, and cuts the one exchange that counts.

    Attributes:
        got: Bytes of the message that counts, over all connections.
        whole: All of it came.
    """

    def __init__(self, cut: Cut) -> None:
        self.cut = cut
        self.warmed = threading.Event()
        self.asked = threading.Event()
        self.ended = threading.Event()
        self.got = 0
        self.whole = False

    def play(self, peer: Peer) -> None:
        """The script."""
        if self.cut.warm and not self.warmed.is_set():
            peer.request()
            peer.say(answer())
            self.warmed.wait(AGES)
        if self.ended.is_set():
            self._take(peer, limit=None)
            return peer.say(answer())
        if self.cut.early:
            self.asked.wait(AGES)
        elif self._take(peer, self.cut.read):
            peer.say(answer()[: self.cut.said])
        return self._end(peer)

    def _take(self, peer: Peer, limit: int | None) -> bool:
        data = peer.request(limit)
        self.got += len(data)
        self.whole = self.whole or data.endswith(b"}")
        return self.whole

    def _end(self, peer: Peer) -> None:
        before = len(peer.received)
        ENDS[self.cut.end](peer)
        peer.sock.close()
        self.got += len(peer.received) - before
        self.ended.set()


async def send(client: Callable[[float], Bandwidth], provider: CutProvider) -> Outcome:
    """Send the warming message, if any, and then the one that counts."""
    cut = provider.cut

    async def before_write() -> float:
        provider.asked.set()
        if cut.early and cut.end != "hang":
            await asyncio.to_thread(provider.ended.wait, AGES)
            await turns()
        return 0.0 if cut.late else 100.0

    if cut.warm:
        assert (await client(AGES).send(MESSAGE)).kind is Kind.ACCEPTED
        provider.warmed.set()
    patience = 0.02 if cut.end == "hang" else AGES
    return await client(patience).send(MESSAGE, before_write)


def play(
    new_loop: NewLoop, cut: Cut, *, tls: bool = False
) -> tuple[Outcome, CutProvider]:
    """One cut exchange, and what both sides say of it."""
    provider = CutProvider(cut)
    trust = client_side() if tls else None

    async def main(port: int) -> Outcome:
        url = f"https://localhost:{port}" if tls else f"http://127.0.0.1:{port}"
        async with Transport(clock=lambda: 50.0, ssl_context=trust) as transport:

            def client(deadline: float) -> Bandwidth:
                return Bandwidth(
                    base_url=url,
                    credentials=Credentials("1", "user", "secret"),
                    transport=transport,
                    deadline=deadline,
                )

            return await send(client, provider)

    with Answerer(provider.play, tls=server_side() if tls else None) as server:
        outcome = run(new_loop, main(server.port))
    return outcome, provider


@pytest.mark.parametrize("new_loop", LOOPS)
@settings(max_examples=300, deadline=None)
@given(cut=CUTS)
@example(Cut(warm=False, early=False, late=False, read=700, said=70, end="close"))
@example(Cut(warm=False, early=False, late=False, read=700, said=0, end="close"))
@example(Cut(warm=True, early=False, late=False, read=1, said=0, end="reset"))
@example(Cut(warm=True, early=True, late=False, read=0, said=0, end="close"))
@example(Cut(warm=False, early=False, late=True, read=0, said=0, end="hang"))
def test_not_sent_is_never_said_of_what_was_taken(new_loop: NewLoop, cut: Cut) -> None:
    """Not sent: no byte came. All came: accepted or unknown."""
    check(*play(new_loop, cut))


@pytest.mark.parametrize("new_loop", LOOPS)
@settings(max_examples=150, deadline=None)
@given(cut=CUTS)
def test_nor_over_tls(new_loop: NewLoop, cut: Cut) -> None:
    """The same through the event loop's TLS, which buffers on its own."""
    check(*play(new_loop, cut, tls=True))


def check(outcome: Outcome, provider: CutProvider) -> None:
    event(f"{outcome.kind.name} after {('some' if provider.got else 'no')} bytes")
    if outcome.kind.sent == "no":
        assert provider.got == 0
    if provider.got:
        assert outcome.kind in (Kind.ACCEPTED, Kind.UNKNOWN)
    if outcome.kind is Kind.ACCEPTED:
        assert provider.whole
    if provider.cut.late:
        assert provider.got == 0
        assert outcome.kind is not Kind.ACCEPTED
