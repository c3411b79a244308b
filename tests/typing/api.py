"""The public API as a user writes it: never run, only read by a type checker.

It must pass under `mypy --strict` without any plugin, because users have none. What a
call gives back is stated where a wrong type would spread into the user's code.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any, assert_type

from dispatcher import (
    Archive,
    AsyncDispatcher,
    AsyncRun,
    Campaign,
    CampaignError,
    ColumnError,
    ConfigError,
    ContentConflict,
    Dispatcher,
    DispatchError,
    Explanation,
    GroupError,
    GroupResult,
    InvalidInput,
    LedgerCorrupt,
    LedgerError,
    LedgerUnreachable,
    ListError,
    ListRejected,
    Progress,
    Reason,
    RecipientResult,
    Recipients,
    Refused,
    Row,
    Run,
    Settings,
    Submission,
    Suppression,
    UnknownCampaign,
    Verification,
    read_recipients,
)


def settings() -> None:
    """From the environment, or with some of them given."""
    assert_type(Settings.load(), Settings)
    assert_type(Settings.load(redis_url="redis://localhost", slots=8), Settings)
    assert_type(Settings().account_rate, float | None)
    assert_type(Settings().data_path, Path)
    Dispatcher()
    Dispatcher(Settings.load())


def campaigns() -> None:
    """With as little as there can be, and with everything."""
    Campaign(sender="+19195551212", text="Hello")
    Campaign(sender="+19195551212", media=["https://example.org/poster.jpg"])
    campaign = Campaign(
        sender="+19195551212",
        text="Hello",
        media=("https://example.org/poster.jpg",),
        tag="open-house",
        application_id="93de2206-9669-4e07-948d-329f4b722ee2",
        group_size=5,
        pace=2,
        priority=-1,
        starts_at=datetime.now(UTC),
        expires_at=None,
        max_attempts=3,
        error_threshold=0.5,
        max_units=10_000,
    )
    assert_type(campaign.text, str | None)
    assert_type(campaign.starts_at, datetime | None)
    Campaign(text="no sender")  # type: ignore[call-arg]


def lists() -> None:
    """Wherever they are."""
    assert_type(read_recipients("families.csv"), Recipients)
    read_recipients(Path("families.csv"), column="phone", group_by="household")
    read_recipients(BytesIO(), column=2, region="GB")
    for row in read_recipients("-"):
        assert_type(row, Row)
        assert_type(row.line, int)
        assert_type(row.key, str | None)


def submitting(dispatcher: Dispatcher, campaign: Campaign) -> None:
    """Any iterable of strings or rows."""
    run = dispatcher.submit(campaign, read_recipients("families.csv"))
    assert_type(run, Run)
    assert_type(run.id, str)
    assert_type(run.submission, Submission | None)
    dispatcher.submit(campaign, ["+19195551212"], id="open-house", region="US")
    dispatcher.submit(campaign, (str(n) for n in range(9)), strict=True, stop_after=1)
    dispatcher.submit(campaign, [Row(1, "+19195551212"), "+19195551213"])
    dispatcher.submit(campaign, [19195551212])  # type: ignore[list-item]
    if run.submission:
        assert_type(run.submission.existing, bool)
        assert_type(run.submission.rejected, Mapping[str, int])
        assert_type(run.submission.rejections_file, Path | None)


def archiving(dispatcher: Dispatcher) -> None:
    """Campaigns that are over, by age or by id."""
    for run in dispatcher.ended_before(datetime.now(UTC)):
        assert_type(dispatcher.archive(run.id, "archive"), Archive)
    done = dispatcher.archive(
        "open-house", Path("archive"), format="parquet", keep=True
    )
    assert_type(done.files, tuple[Path, ...])
    assert_type(done.removed, bool)


def reading(run: Run) -> None:
    """Progress, results by group or recipient, the books."""
    assert_type(run.progress(), Progress)
    assert_type(run.wait(), Progress)
    assert_type(run.wait(timeout=2).finished, bool)
    assert_type(run.progress().counts, Mapping[str, int])
    assert_type(run.progress().eta, float | None)
    assert_type(run.results(), Iterator[GroupResult])
    assert_type(run.results(state="failed", by="group"), Iterator[GroupResult])
    assert_type(run.results(by="recipient"), Iterator[RecipientResult])
    for group in run.results(state="failed"):
        assert_type(group.to, tuple[str, ...])
        assert_type(group.error, GroupError | None)
        assert_type(group.sent_at, datetime | None)
        assert_type(group.as_row(), dict[str, Any])
    assert_type(run.errors(), dict[str, int])
    assert_type(run.explain(), Explanation)
    assert_type(run.explain().reasons, tuple[Reason, ...])
    assert_type(run.verify(), Verification)
    assert_type(run.verify().differences, list[str])
    run.results(by="household")  # type: ignore[call-overload]


def steering(dispatcher: Dispatcher, run: Run) -> None:
    """By id, and on the campaign itself."""
    assert_type(dispatcher.campaigns(), list[Run])
    assert_type(dispatcher.campaign("open-house"), Run)
    assert_type(dispatcher.pause(run.id), list[int])
    assert_type(dispatcher.retry(run.id, failed=True, held=True), int)
    dispatcher.resume(run.id)
    dispatcher.cancel(run.id)
    assert_type(run.pause(), list[int])
    assert_type(run.retry(failed=True), int)
    run.resume()
    run.cancel()
    run.resolve(3, message_id="1661365814859loidf7mcwd4qacn7")
    run.resolve(3, message_id=None)
    dispatcher.close()


def blocking() -> None:
    """As the README begins."""
    with Dispatcher() as dispatcher:
        assert_type(dispatcher, Dispatcher)


async def entering() -> None:
    """The same in an event loop."""
    async with AsyncDispatcher() as dispatcher:
        assert_type(dispatcher, AsyncDispatcher)
    await AsyncDispatcher(Settings.load()).aclose()


async def upload() -> AsyncIterator[str]:
    """An upload as a web framework hands it over."""
    yield "+19195551212"


def suppressing(dispatcher: Dispatcher) -> None:
    """Who gets nothing any more."""
    assert_type(dispatcher.suppress(["+19195551212"]), int)
    dispatcher.suppress(["07700 900123"], "+19195551212", region="GB")
    assert_type(dispatcher.unsuppress(["+19195551212"], sender="+19195551212"), int)
    for one in dispatcher.suppressed():
        assert_type(one, Suppression)
        assert_type(one.since, datetime)
    dispatcher.suppress([19195551212])  # type: ignore[list-item]


async def suppressing_async(dispatcher: AsyncDispatcher) -> None:
    """The same from an event loop."""
    assert_type(await dispatcher.suppress(["+19195551212"]), int)
    async for one in dispatcher.suppressed("+19195551212"):
        assert_type(one, Suppression)


async def submitting_async(dispatcher: AsyncDispatcher, campaign: Campaign) -> None:
    """Iterables of both kinds."""
    run = await dispatcher.submit(campaign, upload(), id="open-house")
    assert_type(run, AsyncRun)
    assert_type(run.id, str)
    assert_type(run.submission, Submission | None)
    await dispatcher.submit(campaign, read_recipients("a.csv"), strict=True)
    await dispatcher.submit(campaign, ["+19195551212"], region="US", stop_after=1)
    await dispatcher.submit(campaign, 19195551212)  # type: ignore[arg-type]


async def reading_async(run: AsyncRun) -> None:
    """Results are an async iterator, not a coroutine of one."""
    assert_type(await run.progress(), Progress)
    assert_type(await run.wait(timeout=2), Progress)
    assert_type(run.results(), AsyncIterator[GroupResult])
    assert_type(run.results(by="recipient"), AsyncIterator[RecipientResult])
    async for group in run.results(state="failed"):
        assert_type(group, GroupResult)
    assert_type(await run.errors(), dict[str, int])
    assert_type(await run.verify(), Verification)


async def steering_async(dispatcher: AsyncDispatcher, run: AsyncRun) -> None:
    """Every one of them is awaited."""
    assert_type(await dispatcher.campaigns(), list[AsyncRun])
    assert_type(await dispatcher.campaign("open-house"), AsyncRun)
    assert_type(await dispatcher.pause(run.id), list[int])
    assert_type(await dispatcher.retry(run.id, failed=True, held=True), int)
    await dispatcher.resume(run.id)
    await dispatcher.cancel(run.id)
    assert_type(await run.pause(), list[int])
    assert_type(await run.retry(held=True), int)
    await run.resume()
    await run.cancel()
    await run.resolve(3, message_id=None)


def errors(dispatcher: Dispatcher) -> str:
    """One root; what a kind adds is typed."""
    try:
        dispatcher.campaigns()
    except CampaignError as error:
        assert_type(error.faults, list[str])
    except (ConfigError, ColumnError, ListError, InvalidInput) as error:
        return str(error)
    except (LedgerUnreachable, LedgerCorrupt, LedgerError) as error:
        return str(error)
    except (UnknownCampaign, ContentConflict, ListRejected, Refused) as error:
        return str(error)
    except DispatchError as error:
        return str(error)
    return ""
