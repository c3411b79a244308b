"""Celery's consumer, but for messages that would end the worker.

Celery tells of a message that it cannot use and goes on; only of some it does not see
in time that it cannot, and stops as a whole. A wake-up is worth nothing: it is dropped.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog
from celery.worker import consumer
from kombu.log import get_logger

log = structlog.get_logger(__name__)


class Consumer(consumer.Consumer):
    """Drops what cannot be read."""

    def create_task_handler(self, *options: Any) -> Callable[[Any], None]:  # noqa: ANN401
        """What is called with each message."""
        receive = super().create_task_handler(*options)

        def guarded(message: Any) -> None:  # noqa: ANN401 - kombu has no types
            try:
                receive(message)
            # Not those of a connection: Celery opens another one then.
            except (AttributeError, LookupError, TypeError, ValueError) as error:
                log.error("message.unreadable", error=type(error).__name__)  # noqa: TRY400
                if not message.acknowledged:
                    message.reject_log_error(get_logger(__name__), (OSError,))

        return guarded
