"""An example or two for every command, shown at the end of its help."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from typer.models import CommandInfo

EXAMPLES: Final[Mapping[str, tuple[str, ...]]] = {
    "demo": ("dispatcher demo --recipients 5000",),
    "up": (
        "dispatcher up",
        "DISPATCHER_ACCOUNT_RATE=50 dispatcher up --workers 2",
    ),
    "submit": (
        'dispatcher submit families.csv --sender +19195551212 --text "Hello"',
        'dispatcher submit - --text "Hello" --id fair --dry-run < numbers.txt',
    ),
    "status": ("dispatcher status", "dispatcher status open-house --json"),
    "explain": ("dispatcher explain open-house",),
    "watch": ("dispatcher watch open-house",),
    "verify": (
        "dispatcher verify open-house",
        "dispatcher verify open-house --provider",
    ),
    "results": (
        "dispatcher results open-house --output results.csv",
        "dispatcher results open-house --by recipient --state failed",
    ),
    "pause": ("dispatcher pause open-house",),
    "resume": ("dispatcher resume open-house",),
    "cancel": ("dispatcher cancel open-house",),
    "retry": ("dispatcher retry open-house --failed",),
    "resolve": (
        "dispatcher resolve open-house 17 --sent 1589228074636lm4k2je7j7jklbn2",
        "dispatcher resolve open-house 17 --not-sent",
    ),
    "archive": (
        "dispatcher archive open-house --output archive",
        "dispatcher archive --older-than 30d --format parquet --yes",
    ),
    "media put": ("dispatcher media put poster.jpg map.png",),
    "media list": ("dispatcher media list", "dispatcher media list --json"),
    "media delete": ("dispatcher media delete 2cf24dba5fb0a30e26e83b2ac5b9e29e.jpg",),
    "suppress add": (
        "dispatcher suppress add +19195550123 '(919) 555-0124'",
        "dispatcher suppress add +19195550123 --sender +19195551212",
    ),
    "suppress remove": ("dispatcher suppress remove +19195550123",),
    "suppress list": ("dispatcher suppress list --sender +19195551212",),
    "suppress import": ("dispatcher suppress import opted-out.csv --column mobile",),
    "suppress export": ("dispatcher suppress export --output opted-out.csv",),
    "worker": ("dispatcher worker --concurrency 4",),
    "serve": ("dispatcher serve --host 0.0.0.0 --port 8085",),
    "simulator": (
        "dispatcher simulator --port 8080 --fault 429=0.1",
        "dispatcher simulator --callback-url http://127.0.0.1:8085/callbacks",
        # A reply, as if somebody had written one:
        "curl http://127.0.0.1:8080/_admin/inbound --data \\",
        """  '{"from": "+12015550123", "to": "+19195551212", "text": "STOP"}'""",
    ),
    "flower": ("dispatcher flower --port 5555",),
    "doctor": ("dispatcher doctor", "dispatcher doctor --json"),
}


def add_examples(commands: Iterable[CommandInfo], family: str = "") -> None:
    """Show each command's examples below its help.

    Args:
        commands: As they are registered.
        family: The command that they are subcommands of, if they are.
    """
    for command in commands:
        own = str(command.name or getattr(command.callback, "__name__", ""))
        name = f"{family} {own}".strip()
        if lines := EXAMPLES.get(name):
            # The mark keeps the lines as they are.
            command.epilog = "\b\n" + "\n".join(
                ["Examples:", *(f"  {x}" for x in lines)]
            )
