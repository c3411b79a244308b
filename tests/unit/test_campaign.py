"""Campaign: every limit of the send call, told all at once and without values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dispatcher.campaign import MAX_TAG, Campaign
from dispatcher.errors import CampaignError

SENDER = "+19195551212"
TEXT = "Doors open at 6 pm."
NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
URL = "https://example.org/poster.jpg"


def faults_of(**fields: object) -> list[str]:
    with pytest.raises(CampaignError) as caught:
        Campaign(**{"sender": SENDER, "text": TEXT} | fields)
    assert str(caught.value) == "; ".join(caught.value.faults)
    return caught.value.faults


def fields_of(faults: list[str]) -> list[str]:
    return [fault.partition(":")[0] for fault in faults]


def test_defaults_are_those_of_the_contract() -> None:
    """A sender and a text are enough; the rest has the documented defaults."""
    campaign = Campaign(sender=SENDER, text=TEXT)
    assert (campaign.group_size, campaign.priority, campaign.max_attempts) == (10, 0, 5)
    assert campaign.media == ()
    assert (campaign.pace, campaign.tag, campaign.starts_at) == (None, None, None)


GOOD = {
    "longest text": {"text": "x" * 2048},
    "text beyond ASCII": {"text": "é" * 2048},
    "media only": {"text": None, "media": [URL]},
    "blank text beside media": {"text": " \n", "media": [URL]},
    "ten media": {"media": [URL] * 10},
    "tuple of media": {"media": (URL,)},
    "a file": {"media": ["poster.png", Path("/tmp/a b.png"), "file:///tmp/c.png"]},
    "longest URL": {"media": ["http://e.org/" + "x" * 4083]},
    "upper case scheme": {"media": ["HTTPS://example.org"]},
    "longest tag": {"tag": "t" * MAX_TAG},
    "smallest group": {"group_size": 1},
    "small pace": {"pace": 0.01},
    "lowest priority": {"priority": -100},
    "highest priority": {"priority": 100},
    "whole error threshold": {"error_threshold": 1},
    "start and end": {"starts_at": NOON, "expires_at": NOON + timedelta(hours=1)},
    "end alone": {"expires_at": NOON},
    "one attempt": {"max_attempts": 1},
    "foreign sender": {"sender": "+442079460018"},
}


@pytest.mark.parametrize("fields", GOOD.values(), ids=GOOD.keys())
def test_what_lies_within_the_limits_is_taken(fields: dict[str, object]) -> None:
    """Each limit itself is still good."""
    Campaign(**{"sender": SENDER, "text": TEXT} | fields)


BAD = {
    "no plus": ("sender", {"sender": "19195551212"}),
    "spaces in sender": ("sender", {"sender": "+1 919 555 1212"}),
    "line break after sender": ("sender", {"sender": SENDER + "\n"}),
    "foreign digits in sender": ("sender", {"sender": "+1919555121２"}),  # noqa: RUF001 - meant
    "sender too long": ("sender", {"sender": "+1234567890123456"}),
    "no sender": ("sender", {"sender": None}),
    "text too long": ("text", {"text": "x" * 2049}),
    "text no string": ("text", {"text": 5}),
    "half a character": ("text", {"text": "\ud800"}),
    "no content": ("text or media", {"text": None}),
    "blank content": ("text or media", {"text": " \t\n", "media": []}),
    "eleven media": ("media", {"media": [URL] * 11}),
    "media in no order": ("media", {"media": {URL}}),
    "media one string": ("media", {"media": URL}),
    "other scheme": ("media", {"media": ["ftp://example.org/x"]}),
    "no host": ("media", {"media": ["https:///x"]}),
    "blank URL": ("media", {"media": [""]}),
    "space in URL": ("media", {"media": ["https://example.org/a b"]}),
    "URL without scheme": ("media", {"media": ["example.org/poster"]}),
    "text for a path": ("media", {"media": ["Doors open at 6 pm."]}),
    "path of no type": ("media", {"media": [Path("/etc/passwd")]}),
    "path to nowhere": ("media", {"media": ["a\ud800.png"]}),
    "file elsewhere": ("media", {"media": ["file://host/a.png"]}),
    "URL too long": ("media", {"media": [URL, "https://" + "x" * 4089]}),
    "tag too long": ("tag", {"tag": "t" * (MAX_TAG + 1)}),
    "application no string": ("application_id", {"application_id": 5}),
    "group of none": ("group_size", {"group_size": 0}),
    "group of eleven": ("group_size", {"group_size": 11}),
    "no pace": ("pace", {"pace": 0}),
    "pace without end": ("pace", {"pace": float("inf")}),
    "pace no number": ("pace", {"pace": float("nan")}),
    "priority too low": ("priority", {"priority": -101}),
    "priority too high": ("priority", {"priority": 101}),
    "no attempts": ("max_attempts", {"max_attempts": 0}),
    "too many attempts": ("max_attempts", {"max_attempts": 21}),
    "no units": ("max_units", {"max_units": 0}),
    "half a unit": ("max_units", {"max_units": 1.5}),
    "no threshold": ("error_threshold", {"error_threshold": 0}),
    "threshold in per cent": ("error_threshold", {"error_threshold": 5}),
    "naive start": ("starts_at", {"starts_at": NOON.replace(tzinfo=None)}),
    "naive end": ("expires_at", {"expires_at": NOON.replace(tzinfo=None)}),
    "end at start": ("expires_at", {"starts_at": NOON, "expires_at": NOON}),
    "hours": ("quiet_hours", {"quiet_hours": "09:00-25:00"}),
    "unknown field": ("colour", {"colour": "red"}),
}


@pytest.mark.parametrize(("field", "fields"), BAD.values(), ids=BAD.keys())
def test_what_breaks_a_limit_is_told_by_field(
    field: str, fields: dict[str, object]
) -> None:
    """One broken rule is one fault, and the fault begins with its field."""
    assert fields_of(faults_of(**fields)) == [field]


def test_all_faults_are_told_together() -> None:
    """A caller mends everything in one go, rules between fields included."""
    faults = faults_of(
        sender="x",
        text=None,
        group_size=11,
        starts_at=NOON,
        expires_at=NOON,
        max_attempts=0,
        colour="red",
    )
    assert fields_of(faults) == [
        "sender",
        "text or media",
        "group_size",
        "expires_at",
        "max_attempts",
        "colour",
    ]


@pytest.mark.parametrize("written", ["21:00-08:00", " 21:00 - 8:00 "])
def test_quiet_hours_are_kept_in_one_spelling(written: str) -> None:
    """However they were written."""
    campaign = Campaign(sender="+19195551212", text="Hi.", quiet_hours=written)
    assert campaign.quiet_hours == "21:00-08:00"


def test_quiet_hours_that_are_none_are_told_with_an_example() -> None:
    """Not with what was passed."""
    assert "such as 20:00-09:00" in faults_of(quiet_hours=("21:00", "08:00"))[0]


@pytest.mark.parametrize(
    "fields",
    [
        {"sender": "secret"},
        {"text": "secret" * 2048},
        {"media": ["ftp://secret"]},
        {"tag": "secret" * 1024},
        {"pace": "secret"},
        {"starts_at": "secret"},
        {"quiet_hours": "secret"},
        {"colour": "secret"},
    ],
)
def test_no_fault_shows_a_value(fields: dict[str, object]) -> None:
    """What was passed may be private, whichever field it was passed in."""
    assert "secret" not in str(faults_of(**fields))


def test_repr_hides_what_is_private() -> None:
    """Neither repr nor str shows sender, text or media."""
    campaign = Campaign(sender=SENDER, text=TEXT, media=(URL,), tag="open-house")
    for shown in (repr(campaign), str(campaign), f"{campaign}"):
        assert SENDER not in shown
        assert TEXT not in shown
        assert URL not in shown
        assert "open-house" in shown


def test_it_is_frozen_and_does_not_tell_on_the_way() -> None:
    """No field can be changed, and the refusal does not show the new value."""
    campaign = Campaign(sender=SENDER, text=TEXT)
    with pytest.raises(AttributeError, match="frozen") as caught:
        campaign.text = "secret"  # type: ignore[misc]
    assert "secret" not in str(caught.value)


def test_content_is_what_decides_what_is_sent() -> None:
    """Pace, priority and schedule are no part of the content."""
    first = Campaign(sender=SENDER, text=TEXT, media=[URL], tag="t")
    second = Campaign(
        sender=SENDER, text=TEXT, media=(URL,), tag="t", pace=2, starts_at=NOON
    )
    assert first.content() == second.content()
    assert first.content() == {
        "sender": SENDER,
        "text": TEXT,
        "media": [URL],
        "tag": "t",
        "application_id": None,
        "group_size": 10,
    }


@pytest.mark.parametrize("fields", GOOD.values(), ids=GOOD.keys())
def test_json_round_trip(fields: dict[str, object]) -> None:
    """What is stored comes back equal."""
    campaign = Campaign(**{"sender": SENDER, "text": TEXT} | fields)
    assert Campaign.from_json(campaign.to_json()) == campaign


@pytest.mark.parametrize("stored", ["", "{", "[]", "null", '{"secret": 1}', b"\xff"])
def test_what_is_no_stored_campaign_is_refused(stored: str | bytes) -> None:
    """Broken records are a CampaignError like everything else."""
    with pytest.raises(CampaignError):
        Campaign.from_json(stored)


def test_every_field_has_a_sentence() -> None:
    """A new field without its rule in words fails here."""
    from dispatcher.campaign import _RULES  # noqa: PLC0415 - only this test looks in

    assert set(_RULES) == set(Campaign.model_fields)


def test_a_path_stands_as_a_url(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Absolute, so that it does not depend on where one stands; spaces written out."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/somebody")
    campaign = Campaign(
        sender=SENDER, media=["a b.png", Path("c.png"), "~/d.png", "/e.png", URL]
    )
    assert campaign.media == (
        f"file://{tmp_path}/a%20b.png",
        f"file://{tmp_path}/c.png",
        "file:///home/somebody/d.png",
        "file:///e.png",
        URL,
    )
    assert Campaign.from_json(campaign.to_json()) == campaign
