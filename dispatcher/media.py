"""Files that go out as attachments: checked and named before anything is uploaded.

The name says the content, so the same picture has the same URL wherever it lay, and
uploading it again only makes it live longer. It never talks to anybody.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final, Self
from urllib.parse import urlsplit
from urllib.request import url2pathname

from dispatcher.errors import InvalidInput

#: How long the provider keeps an upload.
LIFE: Final = timedelta(hours=48)
#: Bytes of one file, as the provider says today; its older pages say 3.75 MB.
MAX_BYTES: Final = 3_500_000
#: Hexadecimal digits of a name: no two files of any account will ever share them.
_DIGITS: Final = 32

#: What the provider takes, by the ending of a file's name.
TYPES: Final[Mapping[str, str]] = {
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".gif": "image/gif",
    ".bmp": "image/bmp",
    ".webp": "image/webp",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".svg": "image/svg+xml",
    ".mp3": "audio/mpeg",
    ".wav": "audio/wav",
    ".ogg": "audio/ogg",
    ".mp4": "video/mp4",
    ".mpeg": "video/mpeg",
    ".mov": "video/quicktime",
    ".webm": "video/webm",
    ".txt": "text/plain",
    ".csv": "text/csv",
    ".vcf": "text/vcard",
    ".ics": "text/calendar",
    ".pdf": "application/pdf",
    ".zip": "application/zip",
}
#: What every phone shows.
SAFE: Final = frozenset({"image/jpeg", "image/png", "image/gif"})
#: Other endings of the same type: one content has one name.
_SAME: Final = {".jpeg": ".jpg", ".tiff": ".tif"}


@dataclass(frozen=True, slots=True)
class MediaFile:
    """One file that can be uploaded.

    Attributes:
        path: Where it lay.
        name: At the provider: the beginning of its SHA-256 and its ending.
        content_type: By its ending.
        content: Its bytes.
    """

    path: Path
    name: str
    content_type: str
    content: bytes = field(repr=False)

    @property
    def doubt(self) -> str:
        """Why a phone may not show it; empty if every one does."""
        if self.content_type in SAFE:
            return ""
        return (
            f"{self.path.name}: not every phone shows {self.content_type}; "
            "JPEG, PNG and GIF are safe"
        )

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read and check a file.

        Raises:
            InvalidInput: It cannot be read, is empty or too large, or its ending says
                no type that the provider takes.
        """
        ending = path.suffix.lower()
        if ending not in TYPES:
            raise InvalidInput(
                f"{path}: its ending must say what it is: {', '.join(TYPES)}"
            )
        content = _bytes(path)
        if not content:
            raise InvalidInput(f"{path}: the file is empty")
        digest = hashlib.sha256(content).hexdigest()[:_DIGITS]
        name = f"{digest}{_SAME.get(ending, ending)}"
        return cls(path, name, TYPES[ending], content)


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            # No more than shows that it is too much.
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no such file"
        raise InvalidInput(f"{path}: {reason}") from None
    if len(content) > MAX_BYTES:
        raise InvalidInput(
            f"{path}: larger than {MAX_BYTES / 1e6:g} MB, the most the provider takes; "
            "carriers like 0.5 MB or less"
        )
    return content


def local_path(url: str) -> Path | None:
    """The file that a `file://` URL names; None for any other URL."""
    parts = urlsplit(url)
    return Path(url2pathname(parts.path)) if parts.scheme == "file" else None
