"""The Celery side that producer and workers share: names, settings, publishing.

A Celery message is only a wake-up: it says "there is work" and carries nothing.
What the work is stands in the ledger, so a message lost or doubled is harmless.
Each setting below has the reason for which it is not Celery's default.
"""

from __future__ import annotations

import ssl
import sys
from typing import Any, Final

from celery import Celery
from celery.app.amqp import AMQP
from kombu import Connection
from kombu.exceptions import OperationalError
from kombu.utils.url import maybe_sanitize_url

from dispatcher.errors import LedgerUnreachable
from dispatcher.ledger import sentinel
from dispatcher.ledger.connection import broker_url
from dispatcher.ledger.keys import CELERY_PREFIX

QUEUE: Final = "dispatcher"
SEND_GROUPS: Final = "workers.send_groups"

#: Seconds a shift may take in all: 20 s of claiming, 15 s for the last answers,
#: and room. Over the soft limit its groups are settled; over the hard one its
#: child is killed, and what was on the wire becomes unknown.
SOFT_LIMIT_S: Final = 60
HARD_LIMIT_S: Final = 75


#: How the broker's connections behave.
TRANSPORT: Final[dict[str, Any]] = {
    # Other applications on the same database must not share our keys.
    "global_keyprefix": CELERY_PREFIX,
    # Messages are acknowledged at once, so this only brings back what was
    # fetched and never begun; an extra wake-up is harmless.
    "visibility_timeout": 60,
    # The default sweep for those runs every 100 s, behind a 300 s lock.
    "unacked_restore_interval": 5,
    "unacked_restore_throttle": 1,
    "unacked_mutex_expire": 15,
    # Without them a frozen Redis blocks a publisher for ever.
    "socket_timeout": 10,
    "socket_connect_timeout": 3,
    # Half-open connections are found in about 20 s instead of 50.
    "socket_keepalive": True,
    "health_check_interval": 10,
}

#: Only failures are stored: a shift's counts travel in its event.
RESULTS: Final[dict[str, Any]] = {
    "result_backend_transport_options": {
        "global_keyprefix": CELERY_PREFIX,
        # The error of a shift is not worth a child's time while Redis is away.
        "retry_policy": {"timeout": 5.0},
    },
    "redis_socket_timeout": 10,
    "redis_socket_connect_timeout": 3,
    "task_ignore_result": True,
    "task_store_errors_even_if_ignored": True,
    "result_expires": 3600,
}

#: TLS, with the server's certificate checked.
VERIFIED: Final[dict[str, Any]] = {
    "ssl_cert_reqs": ssl.CERT_REQUIRED,
    "ssl_check_hostname": True,
}

#: What does not depend on an address.
SETTINGS: Final[dict[str, Any]] = {
    "broker_transport_options": TRANSPORT,
    # Wait for Redis for as long as it takes.
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
    "broker_pool_limit": 10,
    "broker_pool_acquire_timeout": 10,
    # A lost message is published again by the clock; a late acknowledgement
    # would run a shift twice after every dropped connection.
    "task_acks_late": False,
    "task_reject_on_worker_lost": False,
    # Means nothing without late acknowledgements, but Celery warns until it is set.
    "worker_cancel_long_running_tasks_on_connection_loss": True,
    "task_publish_retry": False,
    # A child takes a message only when it is free to begin it.
    "worker_disable_prefetch": True,
    "worker_prefetch_multiplier": 1,
    # A crash costs one child, and its time limits are kept.
    "worker_pool": "prefork",
    "worker_concurrency": 2,
    "task_soft_time_limit": SOFT_LIMIT_S,
    "task_time_limit": HARD_LIMIT_S,
    # For Flower.
    "worker_send_task_events": True,
    "task_send_sent_event": True,
    # Logging is ours, with the private parts kept out.
    "worker_hijack_root_logger": False,
    "worker_redirect_stdouts": False,
    # JSON only: a message must not be able to run code.
    "task_serializer": "json",
    "result_serializer": "json",
    "accept_content": ["json"],
    "task_default_queue": QUEUE,
    "task_create_missing_queues": True,
    "timezone": "UTC",
}


def celery_settings(redis_url: str) -> dict[str, Any]:
    """Celery's configuration for one Redis address."""
    url = broker_url(redis_url)
    settings = {"broker_url": url, "result_backend": url, **RESULTS, **SETTINGS}
    if url.startswith("rediss://"):
        # Without them Celery asks for no certificate (broker) or refuses (results).
        settings |= {"broker_use_ssl": VERIFIED, "redis_backend_use_ssl": VERIFIED}
    if sentinel.is_watched(redis_url):
        named = {"master_name": sentinel.parse(redis_url).service}
        for name in ("broker_transport_options", "result_backend_transport_options"):
            settings[name] = settings[name] | named
    return settings


class _Connection(Connection):
    """A broker connection that tells nobody its password.

    `celery inspect stats` shows what it tells; kombu leaves out only the password
    of an address with a host, not that of a socket or of further hosts.
    """

    def info(self) -> dict[str, Any]:
        told = super().info()
        others = [maybe_sanitize_url(url) for url in told["alternates"]]
        hostname = maybe_sanitize_url(told["hostname"])
        return told | {"hostname": hostname, "alternates": others}


class _AMQP(AMQP):
    """Celery's way to such connections."""

    Connection = _Connection


def make_app(redis_url: str) -> Celery:
    """A Celery application that both sides can use."""
    # Not the current app: the host may be a Celery application of its own.
    app = Celery("dispatcher", set_as_current=False, amqp=_AMQP)
    app.conf.update(celery_settings(redis_url))
    _prepare_flower()
    return app


def _prepare_flower() -> None:
    """Make `celery -A workers flower` as safe as `dispatcher flower`.

    Flower reads no Celery settings. Celery's command line has loaded it before it
    asks for an application; nobody else is made to load it.
    """
    if "flower.options" in sys.modules:
        from dispatcher.flower_options import set_defaults  # noqa: PLC0415

        set_defaults()


def publish_wake_up(app: Celery) -> None:
    """Tell one idle worker child that there is work.

    Raises:
        LedgerUnreachable: The broker does not take it. Nothing is lost: a
            worker's clock publishes again while work is due.
    """
    try:
        app.send_task(
            SEND_GROUPS,
            queue=QUEUE,
            # send_task subscribes to a result unless it is told here, too.
            ignore_result=True,
            retry=False,
            argsrepr="",
            kwargsrepr="",
        )
    except (OperationalError, OSError) as error:
        raise LedgerUnreachable(
            f"the wake-up was not published ({type(error).__name__})"
        ) from None
