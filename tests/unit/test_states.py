"""The legal transitions, against a table written down a second time."""

from __future__ import annotations

import pytest

from dispatcher.ledger.states import (
    CAMPAIGN_MOVES,
    GROUP_MOVES,
    OPEN_STATES,
    CampaignState,
    Event,
    GroupState,
)

#: Each line of the design's section on states, as (before, after): the events.
#: Whatever is not here is illegal.
LEGAL = {
    ("pending", "claimed"): {"claim"},
    ("retry", "claimed"): {"claim"},
    ("claimed", "sending"): {"gate"},
    ("sending", "sending"): {"gate"},
    ("claimed", "pending"): {"return_fresh"},
    ("claimed", "retry"): {"return_tried"},
    ("claimed", "cancelled"): {"cancel"},
    ("sending", "accepted"): {"accept"},
    ("sending", "failed"): {"fail"},
    ("sending", "unknown"): {"lose"},
    ("sending", "retry"): {"retry"},
    ("unknown", "accepted"): {"accept"},
    ("unknown", "failed"): {"fail"},
    ("unknown", "retry"): {"retry"},
    ("unknown", "held"): {"hold"},
    ("held", "accepted"): {"accept"},
    ("held", "failed"): {"fail"},
    ("held", "retry"): {"retry", "ask"},
    ("failed", "retry"): {"ask"},
    ("pending", "cancelled"): {"cancel"},
    ("retry", "cancelled"): {"cancel"},
    # By late proof, anything.
    ("pending", "accepted"): {"accept"},
    ("claimed", "accepted"): {"accept"},
    ("retry", "accepted"): {"accept"},
    ("failed", "accepted"): {"accept"},
    ("cancelled", "accepted"): {"accept"},
}
AFTER = {
    (before, event): after
    for (before, after), events in LEGAL.items()
    for event in events
}

CAMPAIGN = {
    ("scheduled", "pause"): "paused",
    ("running", "pause"): "paused",
    ("paused", "resume"): "running",
    ("scheduled", "cancel"): "cancelled",
    ("running", "cancel"): "cancelled",
    ("paused", "cancel"): "cancelled",
    ("scheduled", "distrust"): "paused",
    ("running", "distrust"): "paused",
    ("paused", "distrust"): "paused",
    ("paused", "vouch"): "paused",
    ("done", "archive"): "archived",
    ("cancelled", "archive"): "archived",
}


@pytest.mark.parametrize("event", Event)
@pytest.mark.parametrize("state", GroupState)
def test_group(state: GroupState, event: Event) -> None:
    """Every (state, event) pair is legal, or not, exactly as in the table."""
    after = GROUP_MOVES[event].get(state)
    assert (after.word if after is not None else None) == AFTER.get((state.word, event))


def test_every_event_of_the_table_exists() -> None:
    """The table names no event or state that the ledger does not know."""
    assert {event for _, event in AFTER} == set(Event) == set(GROUP_MOVES)
    assert {state for state, _ in AFTER} <= {state.word for state in GroupState}


@pytest.mark.parametrize("command", CAMPAIGN_MOVES)
@pytest.mark.parametrize("state", CampaignState)
def test_campaign(state: CampaignState, command: str) -> None:
    """Every command in every state; cancelled and done obey none."""
    assert CAMPAIGN_MOVES[command].get(state) == CAMPAIGN.get((state, command))


def test_stored_numbers() -> None:
    """The numbers are stored: a new state gets a new one, none changes meaning."""
    assert [state.word for state in GroupState] == [
        *("pending", "claimed", "sending", "retry", "accepted"),
        *("failed", "unknown", "held", "cancelled"),
    ]
    assert [int(state) for state in GroupState] == list(range(9))


def test_open_states() -> None:
    """A campaign is done when nothing is pending, claimed, sending, retry, unknown."""
    words = {state.word for state in OPEN_STATES}
    assert words == {"pending", "claimed", "sending", "retry", "unknown"}


def test_every_open_state_can_move_and_be_proven() -> None:
    """From every open state something leads on; late proof is welcome everywhere."""
    for state in OPEN_STATES:
        assert any(state in moves for moves in GROUP_MOVES.values())
    assert set(GROUP_MOVES[Event.ACCEPT]) == set(GroupState) - {GroupState.ACCEPTED}
