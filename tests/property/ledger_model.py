"""What the ledger promises about groups, as plain Python: a second opinion.

It knows nothing of keys, scripts or bytes. Times are milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from dispatcher.ledger.calls import LEASE_MS
from tests.bench import members_of

OPEN: Final = {"pending", "claimed", "sending", "retry", "unknown"}
WAITING: Final = {"pending", "retry"}
POISON: Final = 5
EVERYBODY: Final = 0xFFFF
#: (verdict, state before) -> state after; nothing else changes anything.
JUDGED: Final = {
    ("failed", "sending"): "failed",
    ("failed", "unknown"): "failed",
    ("failed", "held"): "failed",
    ("retry", "sending"): "retry",
    ("retry", "unknown"): "retry",
    ("retry", "held"): "retry",
    ("unknown", "sending"): "unknown",
    ("hold", "unknown"): "held",
    ("ask", "failed"): "retry",
    ("ask", "held"): "retry",
}


@dataclass(frozen=True)
class Said:
    """One verdict on one serial."""

    serial: int
    verdict: str
    token: str
    detail: str = ""
    delay: int = 0


@dataclass
class Group:
    """One group as it should stand."""

    state: str = "pending"
    serial: int = 0
    token: str = ""
    crashes: int = 0
    gated: bool = False
    due: float = 0
    id: str = ""
    extra: dict[int, str] = field(default_factory=dict)
    #: Members left out (mask), of the last send and of each.
    dropped: int = 0
    masks: dict[int, int] = field(default_factory=dict)

    def become(self, state: str, due: float = 0) -> bool:
        self.state, self.token, self.due = state, "", due
        return True

    def accept(self, serial: int, id_: str) -> bool:
        self.id = id_
        self.dropped = self.masks.get(serial, 0)
        return self.become("accepted")

    def keep(self, serial: int, id_: str) -> bool:
        """A further message; whether it is news."""
        if serial in self.extra:
            return False
        self.extra[serial] = id_
        return True

    def accept_earlier(self) -> bool:
        """Whether an earlier serial was taken; then that is what counts."""
        earlier = [serial for serial in self.extra if serial < self.serial]
        if not earlier:
            return False
        serial = min(earlier)
        return self.accept(serial, self.extra.pop(serial))


@dataclass
class Campaign:
    """One campaign and its groups."""

    groups: list[Group]
    state: str = "running"

    def standing(self, group: Group) -> str:
        """A group's state as users see it."""
        if self.state == "cancelled" and group.state in WAITING:
            return "cancelled"
        return group.state

    def conclude(self) -> None:
        """Done, or open again?"""
        is_open = any(group.state in OPEN for group in self.groups)
        if self.state in ("running", "paused") and not is_open:
            self.state = "done"
        elif self.state == "done" and is_open:
            self.state = "running"


@dataclass
class Model:
    """All campaigns, and the leases of tokens."""

    campaigns: dict[str, Campaign]
    now: float
    leases: dict[str, float] = field(default_factory=dict)
    opted_out: set[int] = field(default_factory=set)

    def group(self, id_: str, number: int) -> Group:
        return self.campaigns[id_].groups[number]

    def _all(self) -> Iterator[Group]:
        for campaign in self.campaigns.values():
            yield from campaign.groups

    def conclude(self) -> None:
        for campaign in self.campaigns.values():
            campaign.conclude()

    # -- claim -------------------------------------------------------------

    def claimable(self) -> list[tuple[str, int]]:
        """What a claim by an idle child may take now."""
        return [
            (id_, number)
            for id_, campaign in self.campaigns.items()
            if campaign.state == "running"
            for number, group in enumerate(campaign.groups)
            if group.state in WAITING and group.due <= self.now
        ]

    def claim(self, token: str, taken: list[tuple[str, int]], want: int) -> None:
        """Check what a claim took, and take it."""
        assert len(taken) <= want
        assert set(taken) <= set(self.claimable())
        assert taken or not self.claimable()
        groups = [self.group(*place) for place in taken]
        assert len(groups) == 1 or all(group.crashes == 0 for group in groups)
        for group in groups:
            group.become("claimed")
            group.token = token
        if taken:
            self.leases[token] = self.now + LEASE_MS

    # -- gate --------------------------------------------------------------

    def to_leave_out(self, number: int, before: int) -> int:
        """The mask of those in a group who get nothing (any more)."""
        mask = before
        for place, member in enumerate(members_of(number)):
            mask |= (member in self.opted_out) << place
        return mask

    def gate(  # noqa: PLR0917 - as the call has them
        self, id_: str, number: int, serial: int, token: str, spent: int, dropped: int
    ) -> int:
        """The gate's answer: 0, -1 (lost), -2 (stopped) or a mask to leave out."""
        group = self.group(id_, number)
        may = group.state == "claimed" or (group.state == "sending" and spent >= 0)
        if not may or group.token != token or serial != group.serial + 1:
            return -1
        if self.campaigns[id_].state != "running":
            return -2
        mask = self.to_leave_out(number, dropped | group.dropped)
        if mask != dropped:
            return -1024 - mask
        group.state, group.serial, group.gated = "sending", serial, True
        group.dropped = group.masks[serial] = dropped
        return 0

    # -- settle ------------------------------------------------------------

    def settle(self, id_: str, number: int, said: Said) -> bool:
        """Whether a verdict changes something; it does."""
        changed = self._settle(self.group(id_, number), said)
        self.conclude()
        return changed

    def _settle(self, group: Group, said: Said) -> bool:
        if said.verdict == "accepted":
            return self._accepted(group, said.serial, said.detail)
        if said.verdict == "back":
            return self._back(group, said)
        if said.verdict == "cancel":
            return self._cancel(group, said)
        return said.serial == group.serial and self._judge(group, said)

    def _judge(self, group: Group, said: Said) -> bool:
        """All that settles the group's own serial only."""
        after = JUDGED.get((said.verdict, group.state))
        if after is None:
            return False
        if said.verdict in ("failed", "retry", "hold") and group.accept_earlier():
            return True
        return group.become(after, self.now + said.delay)

    def _back(self, group: Group, said: Said) -> bool:
        if not group.token or group.token != said.token:
            return False
        if group.state == "claimed":
            after = "retry" if group.gated else "pending"
            return group.become(after, self.now + said.delay)
        return self._settle(group, replace(said, verdict="retry"))

    def _cancel(self, group: Group, said: Said) -> bool:
        mine = group.state == "claimed" and group.token == said.token
        if not mine or said.serial != group.serial:
            return False
        group.dropped = EVERYBODY
        return group.become("cancelled")

    def _accepted(self, group: Group, serial: int, id_: str) -> bool:
        if group.state == "accepted":
            return id_ != group.id and group.keep(serial, id_)
        if group.state == "sending" and serial != group.serial:
            return group.keep(serial, id_)
        return group.accept(serial, group.extra.pop(serial, id_))

    # -- leases and commands -----------------------------------------------

    def lapse(self, token: str = "") -> None:
        """Take back what is under a token, or under all that lapsed."""
        over = {t for t, end in self.leases.items() if end <= self.now}
        tokens = {token} if token else over
        for group in self._all():
            if group.token in tokens:
                self._take_back(group, crashed=not token)
        for ended in tokens:
            self.leases.pop(ended, None)
        self.conclude()

    def _take_back(self, group: Group, *, crashed: bool) -> None:
        if group.state == "sending":
            group.become("unknown")
            return
        group.crashes += crashed
        group.serial += crashed
        after = "retry" if group.gated else "pending"
        group.become("cancelled" if group.crashes >= POISON else after, self.now)

    def command(self, id_: str, command: str) -> None:
        """Pause, resume or cancel."""
        campaign = self.campaigns[id_]
        legal = {
            ("running", "pause"): "paused",
            ("paused", "resume"): "running",
            ("running", "cancel"): "cancelled",
            ("paused", "cancel"): "cancelled",
        }
        campaign.state = legal.get((campaign.state, command), campaign.state)
        campaign.conclude()
