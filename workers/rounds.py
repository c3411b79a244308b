"""A duty that is done in rounds until it is cancelled: a fault only delays the next."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from dispatcher.errors import DispatchError

log = structlog.get_logger(__name__)


async def keep_doing(
    do_round: Callable[[], Awaitable[float]], name: str, rest_s: float
) -> None:
    """Do one round after the other.

    Args:
        do_round: One round; seconds until the next.
        name: The duty's, before `.failed` and `.crashed` in the log.
        rest_s: Seconds until the next after a fault.
    """
    failed, crashed = f"{name}.failed", f"{name}.crashed"
    while True:
        pause = rest_s
        try:
            pause = await do_round()
        except DispatchError as error:
            log.warning(failed, reason=str(error))
        except Exception:
            log.exception(crashed)
        await asyncio.sleep(pause)
