"""Celery's settings, each for its reason, and what publishing does with a fault."""

from __future__ import annotations

from typing import Any

import pytest
from celery import Celery
from kombu.exceptions import OperationalError

from dispatcher.errors import LedgerUnreachable
from dispatcher.ledger.keys import CELERY_PREFIX
from dispatcher.queue import (
    HARD_LIMIT_S,
    QUEUE,
    SEND_GROUPS,
    SOFT_LIMIT_S,
    celery_settings,
    make_app,
    publish_wake_up,
)
from workers.shifts import DRAIN_S, SHIFT_S

ADDRESS = "redis://h:6379/0"

#: Setting, value, what would happen without it.
RELIED_ON = [
    ("task_acks_late", False, "every dropped connection runs a shift twice"),
    ("task_reject_on_worker_lost", False, "a crash runs again at once, for ever"),
    (
        "worker_cancel_long_running_tasks_on_connection_loss",
        True,
        "Celery warns at every lost connection",
    ),
    ("task_publish_retry", False, "a lost reply publishes twice and says once"),
    ("worker_disable_prefetch", True, "a child hoards wake-ups that another could use"),
    ("worker_prefetch_multiplier", 1, "likewise"),
    ("worker_pool", "prefork", "a crash ends all, and time limits are ignored"),
    ("task_soft_time_limit", SOFT_LIMIT_S, "a shift that hangs is never told"),
    ("task_time_limit", HARD_LIMIT_S, "a shift that hangs keeps its child for ever"),
    ("task_ignore_result", True, "every shift stores a result and publishes it"),
    ("task_store_errors_even_if_ignored", True, "a failed shift leaves no trace"),
    ("result_expires", 3600, "traces of failures stay for a day"),
    ("redis_socket_timeout", 10, "storing an error on a frozen Redis takes 120 s"),
    ("redis_socket_connect_timeout", 3, "likewise"),
    ("broker_connection_retry_on_startup", True, "no start without Redis"),
    ("broker_connection_max_retries", None, "a long outage ends the worker"),
    ("broker_pool_limit", 10, "connections are not bounded"),
    ("broker_pool_acquire_timeout", 10, "a publisher waits for ever for one"),
    ("worker_send_task_events", True, "Flower shows no tasks"),
    ("task_send_sent_event", True, "Flower shows no waiting ones"),
    ("worker_hijack_root_logger", False, "Celery's logging shows what ours masks"),
    ("worker_redirect_stdouts", False, "likewise"),
    ("accept_content", ["json"], "a message could run code"),
    ("task_serializer", "json", "likewise"),
    ("result_serializer", "json", "likewise"),
    ("task_default_queue", QUEUE, "the worker listens to another queue"),
    ("timezone", "UTC", "times of events depend on the machine"),
]

#: The same for the broker's connections.
TRANSPORT = [
    ("global_keyprefix", CELERY_PREFIX, "other applications restore our messages"),
    ("visibility_timeout", 60, "a wake-up fetched and not begun is away for an hour"),
    ("unacked_restore_interval", 5, "and the sweep for it comes every 100 s"),
    ("unacked_restore_throttle", 1, "likewise"),
    ("unacked_mutex_expire", 15, "and is blocked for 300 s by one that died"),
    ("socket_timeout", 10, "a frozen Redis blocks a publisher for ever"),
    ("socket_connect_timeout", 3, "likewise"),
    ("socket_keepalive", True, "a half-open connection is never found"),
    ("health_check_interval", 10, "or in 50 s"),
]


def by_name(value: object) -> str | None:
    return value if isinstance(value, str) else None


@pytest.mark.parametrize(("name", "value", "without"), RELIED_ON, ids=by_name)
def test_settings_relied_on(name: str, value: object, without: str) -> None:
    """What the design relies on reaches the application."""
    assert getattr(make_app(ADDRESS).conf, name) == value, without


@pytest.mark.parametrize(("name", "value", "without"), TRANSPORT, ids=by_name)
def test_transport_options_relied_on(name: str, value: object, without: str) -> None:
    """What the design relies on of the broker's connections."""
    assert make_app(ADDRESS).conf.broker_transport_options[name] == value, without


def test_no_write_is_replayed() -> None:
    """A replayed publish is a second wake-up, and it would switch batches off."""
    options = make_app(ADDRESS).conf.broker_transport_options
    assert not options.get("retry_on_timeout")


def test_a_read_outlasts_a_poll() -> None:
    """A broker waits a second in one poll: a shorter timeout would cut every one."""
    assert make_app(ADDRESS).conf.broker_transport_options["socket_timeout"] > 1


def test_results_have_our_prefix_and_little_patience() -> None:
    """An error of a shift is stored beside the queue, and not waited for."""
    options = make_app(ADDRESS).conf.result_backend_transport_options
    assert options["global_keyprefix"] == CELERY_PREFIX
    assert options["retry_policy"]["timeout"] <= 5


def test_time_limits_leave_room_for_a_shift() -> None:
    """The soft limit strikes only what hangs, and the hard one comes after it."""
    assert SHIFT_S + DRAIN_S + 20 < SOFT_LIMIT_S < HARD_LIMIT_S


@pytest.mark.parametrize(
    ("address", "broker"),
    [
        ("redis://:pw@h:1/2", "redis://:pw@h:1/2"),
        ("rediss://h", "rediss://h"),
        ("unix:///run/r.sock?db=3", "redis+socket:///run/r.sock?virtual_host=3"),
        (
            "redis+socket:///run/r.sock?virtual_host=3",
            "redis+socket:///run/r.sock?virtual_host=3",
        ),
    ],
)
def test_one_address_for_broker_and_results(address: str, broker: str) -> None:
    """However the address is written, Celery gets one that it can use."""
    told = celery_settings(address)
    assert (told["broker_url"], told["result_backend"]) == (broker, broker)


# -- publishing ------------------------------------------------------------------


class App(Celery):
    """Notes what is published, or fails as it is told."""

    fault: Exception | None = None

    def __init__(self) -> None:
        super().__init__("test", set_as_current=False)
        self.sent: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

    def send_task(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401
        if self.fault:
            raise self.fault
        self.sent.append((args, options))


def test_a_wake_up_carries_nothing() -> None:
    """The task's name and how to send it: no arguments, no text for a page."""
    app = App()
    publish_wake_up(app)
    ((args, options),) = app.sent
    assert args == (SEND_GROUPS,)
    assert options == {
        "queue": QUEUE,
        "ignore_result": True,
        "retry": False,
        "argsrepr": "",
        "kwargsrepr": "",
    }


@pytest.mark.parametrize(
    "fault", [OperationalError("redis://u:s3cret@h"), OSError(111, "s3cret")]
)
def test_a_broker_that_is_away(fault: Exception) -> None:
    """One error of ours, which shows no address."""
    app = App()
    app.fault = fault
    with pytest.raises(LedgerUnreachable) as told:
        publish_wake_up(app)
    assert "s3cret" not in str(told.value)
    assert type(fault).__name__ in str(told.value)
    assert told.value.__suppress_context__


def test_another_fault_is_not_hidden() -> None:
    """A mistake of ours is no outage."""
    app = App()
    app.fault = TypeError("ours")
    with pytest.raises(TypeError):
        publish_wake_up(app)
