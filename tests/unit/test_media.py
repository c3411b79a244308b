"""Files for attachments: their names, and what is told before an upload."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from dispatcher import InvalidInput
from dispatcher.media import MAX_BYTES, SAFE, TYPES, MediaFile, local_path


def written(folder: Path, name: str, content: bytes = b"picture") -> MediaFile:
    """A file, read back."""
    path = folder / name
    path.write_bytes(content)
    return MediaFile.read(path)


def test_the_name_says_the_content(tmp_path: Path) -> None:
    """Not where the file lay; two spellings of one type are one."""
    (tmp_path / "folder").mkdir()
    names = {
        written(tmp_path, path).name
        for path in ("a.jpg", "b.JPEG", "folder/c d.jpeg", "folder/e.JPG")
    }
    digest = hashlib.sha256(b"picture").hexdigest()
    assert names == {f"{digest[:32]}.jpg"}
    assert written(tmp_path, "a.jpg", b"another").name not in names
    assert written(tmp_path, "a.png").name == f"{digest[:32]}.png"


def test_a_file_is_read_whole(tmp_path: Path) -> None:
    """Up to the last byte that the provider takes."""
    file = written(tmp_path, "a.gif", bytes(MAX_BYTES))
    assert (file.content, file.content_type) == (bytes(MAX_BYTES), "image/gif")
    assert not file.doubt


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.png", bytes(MAX_BYTES + 1), "larger than 3.5 MB"),
        ("a.png", b"", "the file is empty"),
        ("a.exe", b"x", "its ending must say what it is: .jpg, .jpeg, .png"),
        ("picture", b"x", "its ending must say"),
    ],
)
def test_what_cannot_be_sent_is_told(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    """With the path, so that one knows which file."""
    with pytest.raises(InvalidInput, match=said) as caught:
        written(tmp_path, name, content)
    assert str(caught.value).startswith(f"{tmp_path / name}: ")


@pytest.mark.parametrize(
    ("path", "said"),
    [("none.png", "No such file"), ("folder.png", "Is a directory"), ("\0.png", "no")],
)
def test_what_cannot_be_read_is_told(tmp_path: Path, path: str, said: str) -> None:
    """In the words of the system."""
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(InvalidInput, match=said):
        MediaFile.read(tmp_path / path)


@pytest.mark.parametrize("ending", TYPES)
def test_only_safe_types_raise_no_doubt(tmp_path: Path, ending: str) -> None:
    """Others are sent with a word of warning."""
    file = written(tmp_path, f"a{ending}")
    assert bool(file.doubt) == (file.content_type not in SAFE)
    assert not file.doubt or file.content_type in file.doubt


@pytest.mark.parametrize("path", ["/a.png", "/a b/ä%20.png", "/a?b#c.png"])
def test_a_path_survives_as_a_url(path: str) -> None:
    """There and back again."""
    assert local_path(Path(path).as_uri()) == Path(path)


def test_other_urls_name_no_file() -> None:
    """Whatever their path says."""
    assert local_path("https://example.org/a.png") is None
