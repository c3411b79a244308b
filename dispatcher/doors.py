"""Who may come in: what Flower, callback receiver and pages have in common.

Each of them asks for a user name and a password if those are set, and is open to this
machine only if they are not. Nothing here opens a port.
"""

from __future__ import annotations

import ipaddress
from typing import Literal, NamedTuple

from pydantic import SecretStr

from dispatcher.errors import ConfigError
from dispatcher.settings import Settings

#: What the names of its two settings begin with, in lower case.
Door = Literal["flower", "callback", "pages"]


class Pass(NamedTuple):
    """What Basic authentication asks for."""

    username: str
    password: SecretStr


def wanted(settings: Settings, door: Door) -> Pass | None:
    """The user name and password that open a door; None: nobody is asked.

    Raises:
        ConfigError: Only one of the two is set, or the user name holds a colon.
    """
    username: str | None = getattr(settings, f"{door}_username")
    password: SecretStr | None = getattr(settings, f"{door}_password")
    if username is None and password is None:
        return None
    prefix = f"DISPATCHER_{door.upper()}"
    if username is None or password is None:
        raise ConfigError(f"set both {prefix}_USERNAME and {prefix}_PASSWORD")
    if ":" in username:
        raise ConfigError(f"{prefix}_USERNAME: it cannot hold a colon")
    return Pass(username, password)


def check_address(host: str, door: Door, asked: Pass | None, name: str) -> None:
    """Without a password, only this machine may come in.

    Args:
        host: The address to listen on.
        door: Whose settings are named in the error.
        asked: What is asked for, if anything is.
        name: What people call what listens there.

    Raises:
        ConfigError: Others could come in unasked.
    """
    if asked is None and not is_here(host):
        prefix = f"DISPATCHER_{door.upper()}"
        raise ConfigError(
            f"{name} on {host or 'every address'} needs a password: set "
            f"{prefix}_USERNAME and {prefix}_PASSWORD"
        )


def is_here(host: str) -> bool:
    """Whether only this machine reaches that address or name."""
    return host == "localhost" or (
        is_address(host) and ipaddress.ip_address(host).is_loopback
    )


def is_address(host: str) -> bool:
    """Whether it is an address, as opposed to a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_plain(host: str) -> bool:
    """Names can be made to lead anywhere; `localhost` and addresses cannot."""
    return host == "localhost" or is_address(host.strip("[]"))
