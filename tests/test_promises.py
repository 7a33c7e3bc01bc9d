"""What alarms with a budget promise: of one sensor the same as among all, without the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.commissioner import Targets
from monitor.config_file import load_config
from monitor.promises import promises
from tests.page_stage import fill, write_config


def test_of_one_sensor_is_said_what_is_said_among_all_and_no_other_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path / "camshaft.journal", n_windows=6)
    path = write_config(tmp_path)
    path.write_text(
        path.read_text().replace("{sample", "{alarm: {budget: 1 per day}, sample")
    )
    config = load_config(path)
    among_all = promises(config)
    assert len(among_all) == 9
    looked_at: list[str] = []
    of = Targets.of

    def counted(targets: Targets, sensor: str) -> object:
        looked_at.append(sensor)
        return of(targets, sensor)

    monkeypatch.setattr(Targets, "of", counted)
    for sensor, text in among_all.items():
        assert promises(config, sensor) == {sensor: text}
    assert looked_at == list(among_all)
    assert promises(config, "no/one") == {}
