"""`dispatcher media`: the account's media at the provider."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from dispatcher.cli.account import at_provider
from dispatcher.cli.options import AsJson
from dispatcher.cli.screen import remark, say, tell_json
from dispatcher.media import MediaFile
from dispatcher.uploads import MediaStore

app: Final = typer.Typer(rich_markup_mode=None, no_args_is_help=True)


def add_to(parent: typer.Typer) -> None:
    """Add the commands."""
    parent.add_typer(app, name="media", help="Attachments at the provider.")


@app.command()
def put(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE", show_default=False, help="What to upload."),
    ],
    *,
    json: AsJson = False,
) -> None:
    """Upload files; prints the URL of each.

    The provider keeps them for 48 hours. Uploading one again begins that time anew,
    under the same URL.
    """
    # All are checked before any is uploaded.
    checked = [MediaFile.read(path) for path in files]
    with MediaStore(at_provider()) as store:
        for file in checked:
            if file.doubt:
                remark(f"note: {file.doubt}")
            url = store.put(file)
            row = {"file": str(file.path), "name": file.name, "url": url}
            tell_json(row) if json else say(url)


@app.command(name="list")
def list_(*, json: AsJson = False) -> None:
    """List what is there: bytes and URL, or one JSON object a line."""
    with MediaStore(at_provider()) as store:
        for stored in store.list():
            if json:
                tell_json(stored._asdict())
            else:
                say(f"{stored.size:>9,}  {stored.url}")


@app.command()
def delete(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME", show_default=False, help="As the list shows them."
        ),
    ],
) -> None:
    """Delete files by name; a message that refers to one will fail."""
    with MediaStore(at_provider()) as store:
        for name in names:
            store.delete(name)
