"""compose.yaml: its commands exist, Redis is durable, nothing secret is written in."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from dispatcher.cli.entry import app
from dispatcher.cli.serve import PORT
from dispatcher.embedded import DURABLE
from dispatcher.queue import QUEUE, celery_settings
from dispatcher.settings import Settings

ROOT = Path(__file__).parents[2]
SERVICES: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())[
    "services"
]
OURS = [name for name in SERVICES if name != "redis"]
COMMANDS = {
    name: command.params for name, command in vars(get_command(app))["commands"].items()
}
ALIASES = {str(field.alias) for field in Settings.model_fields.values()}
SECRET = re.compile("PASSWORD|SECRET|USERNAME|CLIENT|ACCOUNT_ID")


def _redis_flags() -> dict[str, str]:
    program, *flags = SERVICES["redis"]["command"]
    assert program == "redis-server"
    return {
        name.removeprefix("--"): value
        for name, value in zip(flags[::2], flags[1::2], strict=True)
    }


@pytest.mark.parametrize("name", OURS)
def test_every_command_exists(name: str) -> None:
    """Each service runs a command of ours, with options that it has."""
    command, *arguments = SERVICES[name]["command"]
    known = {word for parameter in COMMANDS[command] for word in parameter.opts}
    assert {word for word in arguments if word.startswith("--")} <= known


def test_redis_is_as_durable_as_the_embedded_server() -> None:
    """The same options as where the promises are tested, and no others."""
    assert _redis_flags() == DURABLE


@pytest.mark.parametrize("image", ["redis", "python"])
def test_images_are_pinned(image: str) -> None:
    """Foreign images have a whole version, so that a build can be repeated."""
    text = (ROOT / "compose.yaml").read_text() + (ROOT / "Dockerfile").read_text()
    tags = re.findall(rf"(?:image:|FROM) {image}:(\S+)", text)
    assert tags
    assert all(re.fullmatch(r"\d+\.\d+\.\d+-\S+", tag) for tag in tags)


def test_the_queue_has_a_consumer() -> None:
    """Some service runs workers, and workers take from the queue that is filled."""
    assert "worker" in {SERVICES[name]["command"][0] for name in OURS}
    assert celery_settings("redis://redis:6379/0")["task_default_queue"] == QUEUE


@pytest.mark.parametrize("name", OURS)
def test_only_settings_that_exist_are_passed(name: str) -> None:
    """A misspelt variable would be ignored in silence."""
    assert set(SERVICES[name].get("environment", {})) <= ALIASES


@pytest.mark.parametrize("name", SERVICES)
def test_no_secret_has_a_default(name: str) -> None:
    """Who does not set a credential has none."""
    environment = SERVICES[name].get("environment", {})
    secret = {key: value for key, value in environment.items() if SECRET.search(key)}
    assert secret == {key: f"${{{key}:-}}" for key in secret}


def test_the_example_fills_in_no_secret() -> None:
    """Nor does the file that people copy."""
    lines = (ROOT / ".env.example").read_text().splitlines()
    given = dict(line.split("=", 1) for line in lines if re.match(r"[A-Z_]+=", line))
    assert {value for key, value in given.items() if SECRET.search(key)} == {""}
    published = ("FLOWER_", "CALLBACK_")
    assert {key for key in given if not key.startswith(published)} <= ALIASES


@pytest.mark.parametrize("name", SERVICES)
def test_services_are_confined(name: str) -> None:
    """No root, no capability, nothing to write but volumes and /tmp."""
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "healthcheck" in service
    user = re.search(r"^USER (\d+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert user
    assert service.get("user", user[1]) not in ("0", "root")


def test_credentials_go_to_the_worker_only() -> None:
    """Flower and the simulator have no business with the provider's account."""
    given = {name: set(SERVICES[name].get("environment", {})) for name in OURS}
    holders = {name for name, keys in given.items() if "BW_PASSWORD" in keys}
    assert holders == {"worker"}


@pytest.mark.parametrize(
    ("name", "variable"), [("flower", "FLOWER"), ("serve", "CALLBACK")]
)
def test_it_is_published_here_only_unless_asked(name: str, variable: str) -> None:
    """Opening it to other machines is somebody's decision."""
    (port,) = SERVICES[name]["ports"]
    assert port.startswith(f"${{{variable}_ADDRESS:-127.0.0.1}}:")


def test_nothing_else_is_published() -> None:
    """Redis least of all."""
    published = {name for name in SERVICES if "ports" in SERVICES[name]}
    assert published == {"flower", "serve"}


def test_what_not_everybody_needs_is_a_profile() -> None:
    """The plain command starts what sends and what shows it."""
    profiles = {name: SERVICES[name].get("profiles", []) for name in SERVICES}
    assert {name for name, given in profiles.items() if not given} == {
        *("redis", "worker", "flower"),
    }
    assert profiles["serve"] == ["callbacks"]
    assert profiles["simulator"] == ["simulator"]


def test_the_receiver_is_where_others_look_for_it() -> None:
    """Its default port is published, watched, and called by the simulated provider."""
    service = SERVICES["serve"]
    assert service["ports"][0].endswith(f":{PORT}")
    assert f":{PORT}/healthz" in service["healthcheck"]["test"][-1]
    called = SERVICES["simulator"]["command"][-1]
    assert called == f"http://serve:{PORT}/callbacks"


def test_the_image_gets_no_more_than_it_needs() -> None:
    """What is copied is let through, and nothing else."""
    lines = (ROOT / ".dockerignore").read_text().split()
    allowed = {line[1:] for line in lines if line.startswith("!")}
    dockerfile = (ROOT / "Dockerfile").read_text()
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile, re.MULTILINE)
    assert lines[0] == "*"
    assert allowed == set(" ".join(copied).split())
