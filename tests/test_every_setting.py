"""Every key of the configuration does something: each is changed here, and an effect is seen.

A key that is added without an observation fails `test_every_key_is_observed`.
"""

from __future__ import annotations

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

# They hold other settings, each with a line of its own.
CONTAINERS = {
    *("Config.mqtt", "Config.subscriptions", "Config.sensors", "Config.journal", "Config.influx"),
    *("Config.notifications", "Config.page", "Config.prometheus", "Config.logging"),
    *("Subscription.payload", "SensorSettings.alarm", "SensorSettings.running"),
    *("JournalSettings.kept_windows", "NotificationSettings.webhooks"),
}


def parts(annotation: Any) -> Iterator[type[Settings]]:
    """The settings that an annotation holds, however deep."""
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        yield annotation
    for inner in get_args(annotation):
        yield from parts(inner)


def keys(part: type[Settings]) -> Iterator[str]:
    """Every key of a section and of those below it: "Section.key"."""
    for name, field in part.model_fields.items():
        yield f"{part.__name__}.{name}"
        for inner in parts(field.annotation):
            yield from keys(inner)


def test_every_key_is_observed() -> None:
    assert set(keys(Config)) == set(OBSERVED) | CONTAINERS


@pytest.mark.parametrize("key", OBSERVED)
def test_it_does_something(key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
