"""What inbound messages ask for, as a table that reads both ways."""

from __future__ import annotations

import pytest

from dispatcher.optout import reading

#: Words of the rule, and those of the industry.
WORDS = (
    *("stop", "quit", "end", "revoke", "opt out", "optout", "opt-out", "cancel"),
    *("unsubscribe", "stopall", "stop all"),
)
AROUND = (
    "{}", " {} ", "{}.", "{}!!!", "{}?", '"{}"', "'{}'", "“{}”", "({})", "*{}*",
    "{} 🛑", "🙏 {} 🙏", "\n{}\n", "\t{}", "please {}", "{} please", "{}, thanks.",
    "\u200b{}\ufeff", "{0} {0}",
)  # fmt: skip

STOP = (
    "\uff33\uff34\uff2f\uff30",  # full width
    "\U0001d412\U0001d413\U0001d40e\U0001d40f",  # bold
    "Stop it",
    "STOP STOP STOP!",
    "No. Stop.",
    "Hi, stop please",
    "Stop texting me",
    "stop texting me at work",
    "STOP MESSAGING ME!!",
    "Please stop sending me messages at 3 am",
    "stop sending these",
    "stop sending these texts to me",
    "stop these messages",
    "Can you stop texting me?",
    "Could you please remove me from this list?",
    "Would you stop",
    "remove me",
    "Remove me from this list",
    "pls remove me from your list. thx",
    "take me off your list",
    "take me off of this list please",
    "remove my number from all lists",
    "delete my number",
    "unsubscribe me",
    "I want to unsubscribe",
    "I'd like to opt out",
    "opt me out",
    "opt out of these messages",
    "I would like to be removed from this group",
    "do not text me again",
    "Don\u2019t text me anymore",
    "dont message this number",
    "don't contact me",
    "Don't send me any more texts",
    "no more texts please",
    "No more!",
    "I don't want these messages",
    "I no longer want to receive your texts.",
    "I do not wish to receive any more messages from you",
    "I revoke my consent to be contacted",
    "cancel my subscription",
    "leave me alone",
    "I moved away years ago. Please stop texting me.",
    "Who is this? STOP",
    "Thanks for everything!\nUnsubscribe",
)
NEITHER = (
    "",
    "   ",
    "👍",
    "what time does it end?",
    "What time does it end",
    "don't stop",
    "Please don't stop sending these",
    "Don't stop texting me!",
    "never stop",
    "I can't stop laughing",
    "stop by tomorrow",
    "We will stop at the store",
    "which stop do I get off at",
    "The end",
    "See you at 9. End?",
    "I have had enough of smoking. Quit!",
    "is this the end of the season",
    "cancel my appointment",
    "Do we cancel the picnic?",
    "did you cancel?",
    "I had to quit my job",
    "quit smoking today",
    "Please remove the chairs",
    "Can you remove me a slice",
    "don't text and drive",
    "stop texting while driving",
    "I don't want to miss it",
    "I don't want to receive the award alone",
    "no more parking left",
    "Reply STOP to end",
    "stop or go",
    "nonstop",
    "stopped",
    "unstoppable",
    "bus stop",
    "opt out of what",
    "no thanks",
    "please",
    "yes",
    "YES!",
    "start at six",
    "When do we start?",
    "don't start",
    "let's start over",
    "started",
    "stop start",
    "STOP " + "very long " * 200,
)
START = ("START", "start", "Start.", "UNSTOP", "unstop!", "opt in", "OPT-IN", "optin",
         "please start", "“Start”", "opt me in please", "resubscribe")  # fmt: skip


@pytest.mark.parametrize("word", WORDS)
def test_every_word_counts(word: str) -> None:
    """In any case, with anything around that is no word, politely or not."""
    for around in AROUND:
        for written in (word, word.upper(), word.title()):
            text = around.format(written)
            assert reading(text) == "stop", text


@pytest.mark.parametrize("text", STOP)
def test_reasonable_wording(text: str) -> None:
    """So do requests in people's own words."""
    assert reading(text) == "stop"


@pytest.mark.parametrize("text", NEITHER)
def test_no_request(text: str) -> None:
    """A word that merely occurs does not; nor does a yes opt anybody in."""
    assert reading(text) is None


@pytest.mark.parametrize("text", START)
def test_start(text: str) -> None:
    """Only a whole message opts in again."""
    assert reading(text) == "start"
