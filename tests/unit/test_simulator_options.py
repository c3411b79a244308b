"""The configuration and the command line that gives it."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from dispatcher.errors import InvalidInput
from dispatcher.simulator import Fault, Layout, SimulatorConfig
from dispatcher.simulator.options import OPTIONS, from_arguments, to_arguments

EVERYTHING = SimulatorConfig(
    host="127.0.0.2",
    port=8089,
    latency_ms=12.5,
    rate=2.5,
    queue_seconds=60,
    faults={Fault.DROP_AFTER: 0.1, Fault.QUEUE_FULL: 1e-7},
    seed=-3,
    hang_seconds=5,
    slow_ms=100,
    refuse_ms=30,
    username="user",
    password="--secret=x",
    account="5500001",
    token_seconds=61,
    index_lag=1.5,
    layout=Layout.MESSAGE,
    search_limit=5,
    media_seconds=3600.5,
    callback_url="https://example.org:8443/callbacks?a=b",
    callback_username="them",
    callback_password="--secret=y",
    callback_delay_ms=7.5,
    callback_late_seconds=2.5,
    callback_retry_seconds=0.25,
    callback_connections=3,
    callback_codes=(4770, 9902),
    record=Path("a folder/record.jsonl"),
)


def test_every_field_has_an_option() -> None:
    """In the same order, so that the help reads like the documentation."""
    assert list(OPTIONS) == [field.name for field in fields(SimulatorConfig)]


@pytest.mark.parametrize("config", [SimulatorConfig(), EVERYTHING])
def test_a_configuration_survives_the_command_line(config: SimulatorConfig) -> None:
    """There and back again."""
    assert from_arguments(to_arguments(config)) == config


def test_the_sample_differs_everywhere() -> None:
    """So that no field can be forgotten by the test above."""
    default = SimulatorConfig()
    assert all(getattr(default, name) != getattr(EVERYTHING, name) for name in OPTIONS)


def test_a_rate_can_be_none() -> None:
    """As in the settings of the dispatcher."""
    assert from_arguments(["--rate", "none"]).rate is None


@pytest.mark.parametrize(
    "arguments", [["--nonsense"], ["--port", "many"], ["--layout", "other"], ["x"]]
)
def test_a_wrong_command_line_is_told(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """With exit code 2."""
    with pytest.raises(SystemExit) as caught:
        from_arguments(arguments)
    assert caught.value.code == 2
    assert "error:" in capsys.readouterr().err


@pytest.mark.parametrize(
    "given",
    [
        {"port": -1},
        {"port": 65536},
        {"rate": 0},
        {"rate": float("nan")},
        {"latency_ms": -1},
        {"queue_seconds": float("nan")},
        {"faults": {Fault.HANG: 2}},
        {"username": "user"},
        {"password": "secret"},
    ],
)
def test_a_value_out_of_range_is_told(given: dict[str, Any]) -> None:
    """When the configuration is made, not when it is used."""
    with pytest.raises(InvalidInput):
        SimulatorConfig(**given)


def test_the_password_is_not_shown() -> None:
    """Not even a made-up one."""
    assert "--secret=x" not in repr(EVERYTHING)
