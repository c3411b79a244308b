"""The campaign pages in a real browser, on a whole system: watched, steered, read."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import pytest
from selenium.webdriver.common.keys import Keys

from dispatcher import Campaign, Run
from dispatcher.simulator import Fault
from tests.browser import Browser, browser
from tests.stack import SENDER, TEXT, Receiver, Stack, eventually, numbers

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

ANN = ("ann", "her-password")
CREDENTIALS = {
    "DISPATCHER_CALLBACK_USERNAME": "bandwidth",
    "DISPATCHER_CALLBACK_PASSWORD": "of-the-provider",
    "DISPATCHER_PAGES_USERNAME": ANN[0],
    "DISPATCHER_PAGES_PASSWORD": ANN[1],
}
EVERYBODY = numbers(100_000)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A system that sends eight groups a second, and holds what got lost."""
    settings = {"DISPATCHER_UNKNOWN_GRACE": "1", **CREDENTIALS}
    directory = tmp_path_factory.mktemp("pages")
    with Stack(directory, rate="80", settings=settings) as stack:
        stack.worker()
        yield stack


@pytest.fixture(scope="module")
def address(stack: Stack) -> Iterator[str]:
    """Where the pages are."""
    log = stack.directory / "receiver.log"
    receiver = Receiver(stack.env, log, 0)
    yield receiver.url.removesuffix("/callbacks")
    receiver.kill()


@pytest.fixture(scope="module")
def ann(address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Somebody who typed in user name and password once."""
    with browser(tmp_path_factory.mktemp("browser")) as ann:
        ann.open(address.replace("://", f"://{ANN[0]}:{ANN[1]}@"))
        ann.complaints()
        yield ann
        assert ann.complaints() == []


def submit(stack: Stack, count: int, id_: str) -> Run:
    """A campaign to people of its own."""
    campaign = Campaign(sender=SENDER, text=TEXT, tag="<b>fair</b>")
    return stack.dispatcher.submit(campaign, islice(EVERYBODY, count), id=id_)


def hold(stack: Stack, id_: str) -> Run:
    """A campaign of two groups of which no search finds anything."""
    stack.simulator.set_faults({Fault.DROP_BEFORE: 1})
    run = submit(stack, 20, id_)
    eventually(lambda: run.progress().counts["held"] == 2, 60, "two groups are held")
    stack.simulator.set_faults({})
    return run


def test_a_campaign_is_watched_and_steered(
    stack: Stack, ann: Browser, address: str
) -> None:
    """From the list to its end: it moves by itself, and every order asks first."""
    run = submit(stack, 4000, "open-house")
    ann.open(address)
    ann.sees("open-house running")
    ann.click("open-house")
    ann.mark()
    ann.waits_for_news()
    ann.sees("units/s in the last")
    ann.sees("Rate over time")
    assert ann.is_marked, "the page was loaded again"

    ann.click("Pause")
    ann.sees("Nothing more of it is sent until somebody resumes it.")
    assert run.progress().state == "running"
    ann.click("Leave it as it is")
    ann.click("Pause")
    ann.click("Pause it")
    ann.sees("It is paused. Nothing of it was on its way any more.")
    ann.sees("paused somebody paused it")
    assert run.progress().state == "paused"

    ann.click("Resume")
    ann.click("Resume it")
    ann.sees("It goes on.")
    assert run.progress().state == "running"

    ann.click("Cancel")
    ann.sees("This cannot be undone.")
    ann.click("Cancel it for good")
    ann.sees("It is cancelled: nothing more of it is sent.")
    assert run.progress().state == "cancelled"
    ann.click("Campaigns")
    ann.sees("open-house cancelled")


def test_held_groups_are_decided_about(
    stack: Stack, ann: Browser, address: str
) -> None:
    """One was sent, as a person found out; the other goes again."""
    run = hold(stack, "lost")
    ann.open(f"{address}/campaigns/lost")
    ann.sees("2 held: may have been taken")
    ann.click("Look at them")
    ann.click("Say what became of group 1")
    ann.choose("It was sent")
    ann.write("Message id", "found-it")
    ann.click("Record it")
    ann.sees("Group 1 is recorded as sent.")
    ann.click("Send all held groups again")
    ann.sees("1 held group may have been taken by the provider already.")
    ann.click("Send 1 group again")
    ann.sees("1 group will be sent again.")
    ann.sees("100 % 2 of 2 groups are settled")
    assert run.progress().counts["accepted"] == 2
    assert "found-it" in {group.message_id for group in run.results()}


def test_with_the_keyboard_alone(stack: Stack, ann: Browser, address: str) -> None:
    """Everything is reached by tab, is seen to be reached, and is done by enter."""
    run = submit(stack, 4000, "by-keys")
    ann.open(address)
    ann.tab_to("To the content")
    ann.press(Keys.ENTER)
    ann.tab_to("by-keys")
    # The list moves; what the keyboard is on does not vanish under it.
    ann.waits_for_news()
    ann.press(Keys.ENTER)
    ann.sees("of 400 groups are settled")
    ann.tab_to("Pause")
    ann.press(Keys.ENTER)
    ann.sees("Pause it?")
    ann.tab_to("Pause it")
    ann.press(Keys.ENTER)
    ann.sees("It is paused.")
    assert run.progress().state == "paused"
    run.cancel()


def test_everybody_can_read_it(stack: Stack, ann: Browser, address: str) -> None:
    """On phone and desk, in both colour schemes: nothing is too wide or too faint."""
    hold(stack, "readable")
    paths = ["", "/campaigns/readable", "/campaigns/readable/held"]
    paths += [
        "/campaigns/readable/held/0",
        "/campaigns/readable/retry-held",
        "/nothing",
    ]
    for width in (360, 1280):
        for dark in (False, True):
            ann.wear(width=width, dark=dark)
            for path in paths:
                ann.open(address + path)
                assert (path, ann.too_wide(), ann.faint()) == (path, 0, [])
    ann.wear(width=1280)
    # The browser tells of the page that is not there.
    assert all("404" in told for told in ann.complaints())


def test_without_script(stack: Stack, ann: Browser, address: str) -> None:
    """The page is whole, says that it stands still, and orders work."""
    run = submit(stack, 4000, "plain")
    ann.open(address)
    ann.without_script(so=True)
    ann.open(f"{address}/campaigns/plain")
    ann.sees("of 400 groups are settled")
    assert "this page stands still" in ann.page
    ann.click("Cancel")
    ann.click("Cancel it for good")
    ann.sees("It is cancelled")
    ann.without_script(so=False)
    assert run.progress().state == "cancelled"


def test_nothing_private_in_the_browser(
    stack: Stack, ann: Browser, address: str
) -> None:
    """Whatever was loaded and put in place: no whole number, no text."""
    hold(stack, "private")
    members = [
        m[1:]
        for group in stack.dispatcher.campaign("private").results()
        for m in group.to
    ]
    secrets = [TEXT, SENDER[1:], *members, *CREDENTIALS.values()]
    for path in ("/campaigns/private", "/campaigns/private/held"):
        ann.open(address + path)
        ann.sees("held")
        assert [secret for secret in secrets if secret in ann.page] == []
    assert [secret for secret in secrets if secret in stack.receiver_log()] == []
