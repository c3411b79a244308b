"""The provider's store of media: upload, list, delete; and what a campaign needs of it.

It keeps an upload for 48 hours. Putting the same file again is harmless and begins
that time anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final, NamedTuple, Self
from urllib.parse import quote

import httpx
import msgspec

from dispatcher.campaign import Campaign
from dispatcher.credentials import Credentials
from dispatcher.errors import MediaError
from dispatcher.media import LIFE, MediaFile, local_path
from dispatcher.settings import Settings
from dispatcher.signing import TokenRefused, signing

#: Seconds for one call, the slow upload of a large file included.
_PATIENCE_S: Final = 30.0

_MEANINGS: Final = {
    400: "the provider refuses it",
    401: "the provider does not know these credentials: see `dispatcher doctor`",
    403: "this user may not manage media: see `dispatcher doctor`",
    404: "there is no such file at the provider",
    415: "the provider does not take files of this type",
    429: "too many calls: try again in a minute",
}


class StoredMedia(NamedTuple):
    """A file at the provider.

    Attributes:
        name: What `delete` takes.
        size: Bytes.
        url: What a campaign's `media` takes.
    """

    name: str
    size: int
    url: str


class _Row(msgspec.Struct, rename="camel"):
    media_name: str
    content_length: int = 0


_decoder: Final = msgspec.json.Decoder(list[_Row], strict=False)


class MediaStore:
    """The media of the account; a context manager.

    Args:
        settings: With account and credentials.
        transport: For tests.

    Raises:
        ConfigError: Account or credentials are not set.
    """

    def __init__(
        self, settings: Settings, transport: httpx.BaseTransport | None = None
    ) -> None:
        credentials = Credentials.from_settings(settings)
        self._root = root_of(settings)
        self._http = httpx.Client(
            auth=signing(credentials), timeout=_PATIENCE_S, transport=transport
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def put(self, file: MediaFile) -> str:
        """Upload a file, or let it live 48 hours more; its URL.

        Raises:
            MediaError: The provider does not take it, or cannot be reached.
        """
        url = self._url(file.name)
        headers = {"Content-Type": file.content_type}
        self._call("PUT", url, str(file.path), headers, file.content)
        return url

    def delete(self, name: str) -> None:
        """Delete a file.

        Raises:
            MediaError: It is not there, or the provider cannot be reached.
        """
        self._call("DELETE", self._url(name), name)

    def list(self) -> Iterator[StoredMedia]:
        """Every file, page after page.

        Raises:
            MediaError: The provider refuses, or cannot be reached.
        """
        headers: dict[str, str] = {}
        while True:
            answer = self._call("GET", self._root, "media", headers)
            for row in _rows(answer):
                yield StoredMedia(
                    row.media_name, row.content_length, self._url(row.media_name)
                )
            token = answer.headers.get("Continuation-Token")
            if not token or token == headers.get("Continuation-Token"):
                return
            headers = {"Continuation-Token": token}

    def _url(self, name: str) -> str:
        return f"{self._root}/{quote(name)}"

    def _call(
        self,
        method: str,
        url: str,
        what: str,
        headers: dict[str, str] | None = None,
        content: bytes | None = None,
    ) -> httpx.Response:
        try:
            answer = self._http.request(method, url, headers=headers, content=content)
        except TokenRefused as refused:
            # OAuth2 says 400 for a client that it does not know.
            raise MediaError(f"{what}: {_MEANINGS[401]}") from refused
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            kind = type(error).__name__
            raise MediaError(
                f"{what}: the provider cannot be reached ({kind}): try again"
            ) from None
        if not answer.is_success:
            raise MediaError(f"{what}: {_meaning(answer.status_code)}")
        return answer


def _meaning(status: int) -> str:
    return _MEANINGS.get(status, f"the provider answered {status}: try again")


def _rows(answer: httpx.Response) -> list[_Row]:
    try:
        return _decoder.decode(answer.content)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise MediaError("media: the provider's list cannot be read") from None


def root_of(settings: Settings) -> str:
    """Where the account's media are."""
    account = quote(settings.account_id or "", safe="")
    return f"{settings.base_url.rstrip('/')}/users/{account}/media"


# -- what a campaign needs ---------------------------------------------------------


def upload(campaign: Campaign, settings: Settings) -> Campaign:
    """The campaign with its local files uploaded and their URLs in their places.

    Raises:
        InvalidInput: A file cannot be sent; then none was uploaded.
        ConfigError: Account or credentials are not set.
        MediaError: The provider does not take a file, or cannot be reached.
    """
    files = read_files(campaign)
    if not files:
        return campaign
    with MediaStore(settings) as store:
        urls = {place: store.put(file) for place, file in files.items()}
    media = tuple(urls.get(str(place), str(place)) for place in campaign.media)
    return campaign.model_copy(update={"media": media})


def read_files(campaign: Campaign) -> dict[str, MediaFile]:
    """The local files of a campaign by the URLs that it has for them.

    Raises:
        InvalidInput: A file cannot be sent.
    """
    paths = {str(url): local_path(str(url)) for url in campaign.media}
    return {url: MediaFile.read(path) for url, path in paths.items() if path}


def kept_until(
    campaign: Campaign, settings: Settings, now: datetime
) -> datetime | None:
    """Until when all media of a campaign are there; None if it has none that expire.

    Of what was uploaded before nobody knows when, so it is taken to be new.
    """
    root = root_of(settings) + "/"
    media = map(str, campaign.media)
    expires = any(local_path(url) or url.startswith(root) for url in media)
    return now + LIFE if expires else None
