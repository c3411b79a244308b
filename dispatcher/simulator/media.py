"""The provider's store of media: uploads that live for two days.

Keeps bytes in memory, by account and name. Says which of a message's media the
provider could not fetch.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote

import msgspec

from dispatcher.simulator.answers import UNAUTHORIZED, json_reply, problem
from dispatcher.simulator.exchange import Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dispatcher.simulator.auth import Gatekeeper
    from dispatcher.simulator.exchange import Request

#: Seconds that an upload is kept; the provider's own figure.
LIFE: Final = 48 * 3600.0
#: Bytes of one file; documented as 3.75 MB.
MAX_FILE: Final = 3_750_000
#: Names in one page of the list.
PAGE: Final = 1000

_PATH: Final = re.compile(r"(.*/users/([^/]+)/media)(?:/(.+))?")
_URL: Final = re.compile(r"https?://[^/?#]*(/[^?#]*)", re.IGNORECASE)
_UNKNOWN: Final = problem(404, "media-not-found", "The media file does not exist")
_TOO_LARGE: Final = problem(
    400, "request-validation", "The media file is larger than 3.75 MB"
)


class Place(msgspec.Struct, frozen=True):
    """What a path in the store names; no name is the list.

    Attributes:
        folder: The path without the name.
        account: Whose.
        name: Decoded; inbound media have slashes in theirs.
    """

    folder: str
    account: str
    name: str


class _File(msgspec.Struct, frozen=True):
    content: bytes
    headers: tuple[tuple[str, str], ...]
    content_type: str
    end: float


def place_of(path: str) -> Place | None:
    """The place in `{any prefix}/users/{account}/media[/{name}]`, else None."""
    found = _PATH.fullmatch(path)
    if found is None:
        return None
    return Place(found[1], unquote(found[2]), unquote(found[3] or ""))


class MediaStore:
    """Answers the media calls.

    Args:
        gatekeeper: Says who may call.
        life: Seconds that an upload is kept.
        clock: Gives epoch seconds.
    """

    def __init__(
        self, gatekeeper: Gatekeeper, *, life: float, clock: Callable[[], float]
    ) -> None:
        self._gatekeeper = gatekeeper
        self._life = life
        self._clock = clock
        self._files: dict[tuple[str, str], _File] = {}
        self._calls: dict[tuple[str, bool], Callable[[Request, Place], Reply]] = {
            ("PUT", True): self._put,
            ("GET", True): self._get,
            ("DELETE", True): self._delete,
            ("GET", False): self._list,
        }

    def answer(self, request: Request, place: Place) -> Reply | None:
        """Answer a request; None if there is no such call."""
        call = self._calls.get((request.method, bool(place.name)))
        if call is None:
            return None
        if not self._gatekeeper.admits(request, place.account):
            return UNAUTHORIZED
        return call(request, place)

    def lacks(self, urls: Iterable[str]) -> bool:
        """Whether one of a message's media should be here and is not."""
        return any(self._missing(url) for url in urls)

    def _missing(self, url: str) -> bool:
        found = _URL.match(url)
        place = place_of(found[1]) if found else None
        # Whatever the host: behind a proxy nobody knows all of his own names.
        return place is not None and self._file(place) is None

    def _file(self, place: Place) -> _File | None:
        file = self._files.get((place.account, place.name))
        return file if file and self._clock() < file.end else None

    def _put(self, request: Request, place: Place) -> Reply:
        if len(request.body) > MAX_FILE:
            return _TOO_LARGE
        control = request.header(b"cache-control")
        self._files[place.account, place.name] = _File(
            request.body,
            (("Cache-Control", control),) if control else (),
            request.header(b"content-type") or "application/octet-stream",
            self._clock() + self._life,
        )
        return Reply(status=204)

    def _get(self, _: Request, place: Place) -> Reply:
        file = self._file(place)
        if file is None:
            return _UNKNOWN
        return Reply(
            status=200,
            body=file.content,
            content_type=file.content_type,
            headers=file.headers,
        )

    def _delete(self, _: Request, place: Place) -> Reply:
        if self._file(place) is None:
            return _UNKNOWN
        del self._files[place.account, place.name]
        return Reply(status=204)

    def _list(self, request: Request, place: Place) -> Reply:
        """A page in the order of names; the token is the last one of the page."""
        after = unquote(request.header(b"continuation-token"))
        names = sorted(
            name
            for account, name in self._files
            if account == place.account
            and name > after
            and self._file(Place("", account, name))
        )
        page = names[:PAGE]
        root = f"http://{request.header(b'host')}{place.folder}"
        rows = [
            {
                "content": f"{root}/{quote(name)}",
                "contentLength": len(self._files[place.account, name].content),
                "mediaName": name,
            }
            for name in page
        ]
        reply = json_reply(200, rows)
        if len(names) == len(page):
            return reply
        token = (("Continuation-Token", quote(page[-1], safe="")),)
        return msgspec.structs.replace(reply, headers=token)
