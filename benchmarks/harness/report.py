"""What benchmarks found, kept as data, and the page that is made of it.

`docs/performance.json` holds the last run of each section; the part of
`docs/performance.md` between two lines is made of it, the rest is for people.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks.harness import machine, targets

_DOCS: Final = Path(__file__).parents[2] / "docs"
DATA: Final = _DOCS / "performance.json"
PAGE: Final = _DOCS / "performance.md"
BEGIN: Final = "<!-- written by `make bench`: do not edit from here -->"
END: Final = "<!-- to here -->"

#: The order of the page; a section is named as its module.
ORDER: Final = (
    "sending",
    "distant",
    "where",
    "submit",
    "memory",
    "commands",
    "scale",
    "rate",
    "steering",
    "callbacks",
    "deliveries",
)


@dataclass(frozen=True)
class Section:
    """What one benchmark found.

    Attributes:
        name: Its module.
        title: For people.
        text: Markdown: what was done, and its table.
        figures: What targets are compared with, by name.
        made: When and where.
    """

    name: str
    title: str
    text: str
    figures: Mapping[str, float] = field(default_factory=dict)
    made: str = field(default_factory=machine.facts)


def tell(section: Section) -> str:
    """A section for a terminal."""
    mine = [t for t in targets.TARGETS if t.figure in section.figures]
    lines = [f"  {t.what}: {' '.join(t.row(section.figures[t.figure])[1:])}"
             for t in mine]  # fmt: skip
    return "\n".join([f"## {section.title}", "", section.text, *lines])


def keep(section: Section, data: Path = DATA, page: Path = PAGE) -> None:
    """Replace what was known of a section, and make the page again.

    Raises:
        ValueError: The page has no place for it.
    """
    known = load(data)
    known[section.name] = section
    plain = {name: asdict(one) for name, one in sorted(known.items())}
    data.write_text(json.dumps(plain, indent=1) + "\n", "utf-8")
    before, begin, rest = page.read_text("utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{page} has no lines {BEGIN} and {END}")
    page.write_text(f"{before}{begin}\n\n{render(known)}\n{end}{after}", "utf-8")


def load(data: Path = DATA) -> dict[str, Section]:
    """The last run of each section, by name."""
    if not data.exists():
        return {}
    stored: dict[str, dict[str, Any]] = json.loads(data.read_text("utf-8"))
    return {name: Section(**fields) for name, fields in stored.items()}


def render(known: Mapping[str, Section]) -> str:
    """The generated part of the page."""
    figures: dict[str, float] = {}
    for section in known.values():
        figures |= section.figures
    parts = ["## Targets", targets.tell(figures)]
    for section in (known[name] for name in ORDER if name in known):
        parts += [f"## {section.title}", section.text, f"_{section.made}_"]
    return "\n\n".join(part.strip() for part in parts) + "\n"
