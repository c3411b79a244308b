"""Every Redis key of the ledger. No other module, and no script, spells one.

The Lua scripts get these same patterns as a generated table, so a key has one
spelling in the whole project. `{load}` is the random nonce of one load of a
campaign's list: chunks written by a submission that died are never seen again.

| pattern                          | type   | holds                                        |
|----------------------------------|--------|----------------------------------------------|
| dispatcher:campaigns             | zset   | campaign id by time of submission (ms)       |
| dispatcher:campaign:{id}         | hash   | the campaign, its counters, its load nonce   |
| dispatcher:{load}:groups:{chunk} | string | packed member numbers of up to 128 groups    |
| dispatcher:{load}:records:{chunk}| hash   | group -> packed record; absent means pending |
| dispatcher:{load}:due            | zset   | groups handed back, by due time (ms)         |
| dispatcher:{load}:errors         | hash   | error code -> groups failed with it          |
| dispatcher:{load}:why            | hash   | group -> the provider's sentence (failed)    |
| dispatcher:{load}:extra          | hash   | group:serial -> further message id (doubled) |
| dispatcher:ready                 | zset   | campaigns with work now, by turn             |
| dispatcher:later                 | zset   | campaigns with work later, by time (ms)      |
| dispatcher:leases                | zset   | claim token by end of its lease (ms)         |
| dispatcher:claim:{token}         | set    | id\\|group reserved under the token           |
| dispatcher:unknown               | zset   | id\\|group by time it became unknown (ms)     |
| dispatcher:locks                 | zset   | hash of sender and members, by expiry (ms)   |
| dispatcher:buckets               | hash   | bucket name -> level and time                |
| dispatcher:throttle              | hash   | the pause that 429 answers asked for         |
| dispatcher:down                  | zset   | children that cannot reach the provider      |
| dispatcher:probe                 | string | the one child that may try (lease)           |
| dispatcher:children              | zset   | living worker children by heartbeat (ms)     |
| dispatcher:shifts                | zset   | children at work by end of heartbeat (ms)    |
| dispatcher:wakes                 | string | wake-ups published and not begun (5 s)       |
| dispatcher:tick                  | string | the child that keeps the clock (lease)       |
| dispatcher:celery:*              |        | Celery's own keys (queue, unacked, results)  |
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

PREFIX: Final = "dispatcher:"
CELERY_PREFIX: Final = PREFIX + "celery:"

#: Name -> printf pattern, as used by both sides.
PATTERNS: Final = MappingProxyType(
    {
        "campaigns": PREFIX + "campaigns",
        "campaign": PREFIX + "campaign:%s",
        "groups": PREFIX + "%s:groups:%d",
        "records": PREFIX + "%s:records:%d",
        "due": PREFIX + "%s:due",
        "errors": PREFIX + "%s:errors",
        "why": PREFIX + "%s:why",
        "extra": PREFIX + "%s:extra",
        "ready": PREFIX + "ready",
        "later": PREFIX + "later",
        "leases": PREFIX + "leases",
        "claim": PREFIX + "claim:%s",
        "unknown": PREFIX + "unknown",
        "locks": PREFIX + "locks",
        "buckets": PREFIX + "buckets",
        "throttle": PREFIX + "throttle",
        "down": PREFIX + "down",
        "probe": PREFIX + "probe",
        "children": PREFIX + "children",
        "shifts": PREFIX + "shifts",
        "wakes": PREFIX + "wakes",
        "tick": PREFIX + "tick",
    }
)


def key(name: str, *parts: str | int) -> str:
    """The key called `name`, with its variable parts filled in."""
    return PATTERNS[name] % parts
