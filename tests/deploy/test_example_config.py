"""The example configuration: its commented defaults are the defaults, its examples are valid."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from monitor.config import Config
from monitor.config_file import parse_config
from monitor.settings import Settings
from tests.paths import ROOT

EXAMPLE = ROOT / "deploy" / "camshaft.example.yaml"
DEFAULT_LINE = re.compile(r"^( *)#(?=[a-z ] *[a-z_]+:)(?! [A-Z])", re.MULTILINE)
EXAMPLE_LINE = re.compile(r"^( *)#~", re.MULTILINE)


def parse(text: str) -> Config:
    return parse_config(yaml.safe_load(text), EXAMPLE.parent)


@pytest.fixture(scope="module")
def text() -> str:
    return EXAMPLE.read_text(encoding="utf-8")


def test_the_example_is_valid(text: str) -> None:
    assert parse(text).sensors[0].sample_rate_hz == 25_600


def test_commented_lines_are_the_defaults(text: str) -> None:
    uncommented = DEFAULT_LINE.sub(r"\1", text)
    assert uncommented != text
    assert parse(uncommented) == parse(text)


def test_every_default_is_shown(text: str) -> None:
    """Every key that has a default other than "absent" stands in the file, in the part where it
    belongs.
    """
    tree = yaml.safe_load(DEFAULT_LINE.sub(r"\1", text))
    shown = {
        "": tree,
        "mqtt": tree["mqtt"],
        "journal": tree["journal"],
        "kept_windows": tree["journal"]["kept_windows"],
        "sensors": tree["sensors"][-1],
        "alarm": tree["sensors"][-1]["alarm"],
        "logging": tree["logging"],
        "page": tree["page"],
        "notifications": tree["notifications"],
    }
    config = parse(text)
    parts: dict[str, Settings] = {
        "": config,
        "mqtt": config.mqtt,
        "journal": config.journal,
        "kept_windows": config.journal.kept_windows,
        "sensors": config.sensors[-1],
        "alarm": config.sensors[-1].alarm,
        "logging": config.logging,
        "page": config.page,
        "notifications": config.notifications,
    }
    assert {
        name: sorted(missing(part, shown[name]))
        for name, part in parts.items()
        if missing(part, shown[name])
    } == {}


def missing(part: Settings, shown: dict[str, Any]) -> set[str]:
    """No database is written as no section `influx`: its default is absence, too."""
    absent = {key for key, value in part if value is None} | {"influx"}
    return {key for key, _ in part if key not in absent and key not in shown}


def sections() -> list[type[Settings]]:
    """Those of the service's configuration, those made of others too."""
    direct = Settings.__subclasses__()
    found = [*direct, *(inner for one in direct for inner in one.__subclasses__())]
    return [part for part in found if part.__module__.startswith("monitor.config")]


@pytest.mark.parametrize("part", sections())
def test_every_key_is_in_the_file(part: type[Settings], text: str) -> None:
    absent = [key for key in part.model_fields if not re.search(rf"\b{key}:", text)]
    assert absent == [], f"{part.__name__}: not in the example"


def test_the_examples_are_valid(text: str) -> None:
    config = parse(EXAMPLE_LINE.sub(r"\1", text))
    (_influx,) = config.influx
    assert config.mqtt.tls is not None
    assert [rule.acquisition for rule in config.sensors] == [
        "snapshot",
        "continuous",
        "continuous",
    ]
    formats = [subscription.payload.format for subscription in config.subscriptions]
    assert formats == ["raw", "json", "json", "raw", "json", "opcua", "sparkplug", "csv"]
