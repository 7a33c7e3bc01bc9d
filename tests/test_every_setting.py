"""Every key of the configuration does something: each is changed here, and an effect is seen.

A key that is added without an observation fails `test_every_key_is_observed`.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from monitor.config import Config
from monitor.config_file import parse_config
from monitor.settings import Settings
from tests.observations import OBSERVED, Observation, base_tree
from tests.paths import ROOT

PAYLOADS = "monitor.signal.payload"

# They hold other settings, each with a line of its own.
CONTAINERS = {
    *(
        "Config.mqtt",
        "Config.subscriptions",
        "Config.sensors",
        "Config.journal",
        "Config.influx",
    ),
    *(
        "Config.notifications",
        "Config.advice",
        "Config.page",
        "Config.prometheus",
        "Config.kafka",
        "Config.kafka_output",
        "Config.logging",
    ),
    *("Config.machines", "MachineSettings.shaft", "MachineSettings.motor"),
    "MachineSettings.zones",
    *("MachineSettings.bearings", "MachineSettings.gears", "MachineSettings.blades"),
    "MachineSettings.belts",
    *("Subscription.payload", "SensorSettings.alarm", "SensorSettings.running"),
    *("Config.context", "JournalSettings.kept_windows", "JournalSettings.trends"),
    "NotificationSettings.webhooks",
    "MqttSettings.publish",
    *("NotificationSettings.mails", "NotificationSettings.syslog"),
}


def parts(annotation: Any) -> Iterator[type[Settings]]:
    """The settings that an annotation holds, however deep."""
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        yield annotation
    for inner in get_args(annotation):
        yield from parts(inner)


def keys(part: type[Settings]) -> Iterator[str]:
    """Every key of a section and of those below it: "Section.key"."""
    if part.__module__.startswith(PAYLOADS):
        return
    for name, field in part.model_fields.items():
        yield f"{part.__name__}.{name}"
        for inner in parts(field.annotation):
            yield from keys(inner)


def test_every_key_is_observed() -> None:
    observed = {
        key for key in OBSERVED if not key.startswith(("RawPayload.", "JsonPayload."))
    }
    assert set(keys(Config)) == observed | CONTAINERS


def payload_keys() -> set[str]:
    """The keys of all payload formats, headers and fields."""
    found: set[str] = set()
    sections = list(Settings.__subclasses__())
    while sections:
        section = sections.pop()
        sections += section.__subclasses__()
        if section.__module__.startswith(PAYLOADS):
            found |= set(section.model_fields)
    return found


def test_every_key_of_a_payload_stands_in_a_test_of_payloads() -> None:
    """There it is given a value, and the samples that come out are compared."""
    files = [
        *(ROOT / "tests" / "cases" / "messages").rglob("configuration.yaml"),
        *(ROOT / "tests" / "signal" / "payload").rglob("*.py"),
        ROOT / "tests" / "laws" / "test_formats.py",
        *(ROOT / "tests" / "pipeline").glob("test_*.py"),
    ]
    text = "\n".join(path.read_text(encoding="utf-8") for path in files)
    absent = {
        key for key in payload_keys() if not re.search(rf"\b{key}\b[\"']?\s*[:=]", text)
    }
    assert absent == set()


@pytest.mark.parametrize("key", OBSERVED)
def test_it_does_something(
    key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = OBSERVED[key]
    before, again, after = (
        seen(one, {**base_tree(), **changes}, tmp_path / "plant", monkeypatch)
        for changes in (one.before, one.before, one.after)
    )
    assert before == again  # nothing but the key makes the difference
    assert before != after


def seen(
    one: Observation, tree: dict[str, Any], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Any:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "camshaft.yaml").write_text(yaml.safe_dump(tree))
    with monkeypatch.context() as patch:
        return one.observe(parse_config(tree, folder), folder, patch)
