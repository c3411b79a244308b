"""A Redis that Sentinels watch: its address, and how our libraries want it said.

    sentinel://[user:password@]host[:26379][,host[:26379]...]/service[/db]

The user and password are those of Redis; Sentinels that ask for one are not supported.
Nothing is connected here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, unquote

from dispatcher.errors import ConfigError

SCHEME: Final = "sentinel"
#: Where Sentinels listen unless they say otherwise.
_PORT: Final = 26379
_FORM: Final = "sentinel://host:26379,host2:26379/service/0"
_URL: Final = re.compile(
    r"sentinel://(?:(?P<user>[^:@/]*)(?::(?P<password>[^@/]*))?@)?"
    r"(?P<hosts>[^@/?#]+)/(?P<service>[\w.-]+)(?:/(?P<db>\d+))?/?"
)
_HOST: Final = re.compile(r"(?P<name>\[[0-9A-Fa-f:]+\]|[^:,\[\]]+)(?::(?P<port>\d+))?")


@dataclass(frozen=True, slots=True)
class Watched:
    """A watched Redis.

    Attributes:
        hosts: The Sentinels' host and port.
        service: The name under which they watch it.
    """

    hosts: tuple[tuple[str, int], ...]
    service: str
    db: int
    username: str | None
    password: str | None = field(repr=False)

    def broker_url(self) -> str:
        """The address as kombu wants it: one for each Sentinel."""
        user = quote(self.username or "", safe="")
        password = quote(self.password or "", safe="")
        login = f"{user}:{password}@" if user or password else ""
        return ";".join(
            f"{SCHEME}://{login}{_bracketed(host)}:{port}/{self.db}"
            for host, port in self.hosts
        )

    def plain(self) -> str:
        """The address without user and password."""
        hosts = ",".join(f"{_bracketed(host)}:{port}" for host, port in self.hosts)
        return f"{SCHEME}://{hosts}/{self.service}"


def is_watched(url: str) -> bool:
    """Whether an address names Sentinels."""
    return url.startswith(f"{SCHEME}://")


def parse(url: str) -> Watched:
    """Read an address.

    Raises:
        ConfigError: It has another form; the address is not shown.
    """
    found = _URL.fullmatch(url)
    hosts = (
        [_HOST.fullmatch(host) for host in found["hosts"].split(",")] if found else []
    )
    if not found or not all(hosts):
        raise ConfigError(f"a Sentinel's address is written like {_FORM}")
    return Watched(
        hosts=tuple(
            (host["name"].strip("[]"), int(host["port"] or _PORT))
            for host in hosts
            if host
        ),
        service=found["service"],
        db=int(found["db"] or 0),
        username=unquote(found["user"] or "") or None,
        password=unquote(found["password"] or "") or None,
    )


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
