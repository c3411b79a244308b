"""Every Redis key of the ledger. No other module, and no script, spells one.

The Lua scripts get these same patterns as a generated table, so a key has one
spelling in the whole project. All begin with `dispatcher:`. `{load}` is the
random nonce of one load of a campaign's list: chunks written by a submission
that died are never seen again.

    pattern                 type    holds
    campaigns               zset    campaign id by time of submission (ms)
    campaign:{id}           hash    the campaign, its counters, its load nonce; or what
                                    is left of it once it is archived: a tombstone
    {load}:groups:{chunk}   string  packed member numbers of up to 128 groups
    {load}:records:{chunk}  hash    group -> packed record; absent means pending
    {load}:lanes            hash    lane -> groups and sending hours; lane:at -> cursor
    {load}:due              zset    groups handed back, by due time (ms)
    {load}:errors           hash    error code -> groups failed with it
    {load}:mishaps          list    the latest errors, newest first; see mishaps.py
    {load}:why              hash    group -> the provider's sentence (failed)
    {load}:extra            hash    group:serial -> further message id (doubled)
    {load}:history          hash    when its units were let through; see history.py
    {load}:masks            hash    group:serial -> members left out of that send
    {load}:delivery:{chunk} hash    group -> packed delivery states; absent: awaiting
    loads                   hash    load nonce -> campaign id
    graves                  hash    load nonce -> archived campaign to remove, chunks
    archived                hash    sums over all that were archived
    ready                   zset    campaigns with work now, by turn
    later                   zset    campaigns with work later, by time (ms)
    leases                  zset    claim token by end of its lease (ms)
    swept                   string  when dead claims were looked for last (ms)
    claim:{token}           set     id|group reserved under the token
    awaiting                zset    id|chunk with deliveries to come, by gate (ms)
    inbox                   list    callback bodies as received, oldest first
    applier                 string  the one process that applies them (lease)
    unknown                 zset    id|group by time it became unknown (ms)
    doubts                  zset    id|group|serial|gate time by next look (ms)
    poller                  string  the one process that polls deliveries (lease)
    reconciler              string  the child that looks for them (lease)
    locks                   zset    hash of sender and members, by expiry (ms)
    suppressed:{scope}      hash    opted-out number (8 bytes) -> source|since (ms)
    opted_in:{scope}        hash    number -> when its person wrote START (ms)
    scopes                  set     scopes with opted-out numbers: all, senders
    buckets                 hash    bucket name -> level and time
    first                   hash    bucket name -> priority of who waits, until (ms)
    day                     hash    units sent on which day (UTC), where they are capped
    throttle                hash    the pause that 429 answers asked for
    latency                 hash    outcome|bucket -> sends answered so fast
    down                    zset    children that cannot reach the provider
    probe                   string  the one child that may try (lease)
    identity                hash    what tells this ledger from another or older one
    children                zset    living worker children by heartbeat (ms)
    shifts                  zset    children at work by end of heartbeat (ms)
    wakes                   string  wake-ups published and not begun (3 s)
    tick                    string  the child that keeps the clock (lease)
    celery:*                        Celery's own keys (queue, unacked, results)
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
        "lanes": PREFIX + "%s:lanes",
        "due": PREFIX + "%s:due",
        "errors": PREFIX + "%s:errors",
        "mishaps": PREFIX + "%s:mishaps",
        "why": PREFIX + "%s:why",
        "extra": PREFIX + "%s:extra",
        "history": PREFIX + "%s:history",
        "masks": PREFIX + "%s:masks",
        "delivery": PREFIX + "%s:delivery:%d",
        "loads": PREFIX + "loads",
        "graves": PREFIX + "graves",
        "archived": PREFIX + "archived",
        "ready": PREFIX + "ready",
        "later": PREFIX + "later",
        "leases": PREFIX + "leases",
        "swept": PREFIX + "swept",
        "claim": PREFIX + "claim:%s",
        "awaiting": PREFIX + "awaiting",
        "inbox": PREFIX + "inbox",
        "applier": PREFIX + "applier",
        "unknown": PREFIX + "unknown",
        "doubts": PREFIX + "doubts",
        "poller": PREFIX + "poller",
        "reconciler": PREFIX + "reconciler",
        "locks": PREFIX + "locks",
        "suppressed": PREFIX + "suppressed:%s",
        "opted_in": PREFIX + "opted_in:%s",
        "scopes": PREFIX + "scopes",
        "buckets": PREFIX + "buckets",
        "first": PREFIX + "first",
        "day": PREFIX + "day",
        "throttle": PREFIX + "throttle",
        "latency": PREFIX + "latency",
        "down": PREFIX + "down",
        "probe": PREFIX + "probe",
        "identity": PREFIX + "identity",
        "children": PREFIX + "children",
        "shifts": PREFIX + "shifts",
        "wakes": PREFIX + "wakes",
        "tick": PREFIX + "tick",
    }
)


def key(name: str, *parts: str | int) -> str:
    """The key called `name`, with its variable parts filled in."""
    return PATTERNS[name] % parts
