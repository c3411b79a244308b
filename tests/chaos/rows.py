"""The fault matrix: every row there is, in the order of the table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tests.chaos import rows_client, rows_provider, rows_redis, rows_workers
from tests.chaos.trial import Row

SECTIONS: Final[Mapping[str, tuple[Row, ...]]] = {
    "Workers": rows_workers.ROWS,
    "Redis": rows_redis.ROWS,
    "Provider": rows_provider.ROWS,
    "Commands": rows_client.ROWS,
}

ROWS: Final[Mapping[str, Row]] = {
    row.name: row for rows in SECTIONS.values() for row in rows
}
