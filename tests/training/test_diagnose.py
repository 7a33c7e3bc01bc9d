"""camshaft-train diagnose, from recordings and geometry to a page with names."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from monitor.recordings.manifest import load_manifest
from monitor.records.signal import Float32
from tests.diagnosis.signals import RATE_HZ, RATIOS, SHAFT_HZ, noise, struck
from training.cli import main
from training.map_band import map_band_hz

MACHINES = {
    "match": "m/*",
    "bearings": [
        {"name": "drive end", "elements": 9, "element_mm": 7.94, "pitch_mm": 39.04}
    ],
}


def write(folder: Path, signals: dict[str, Float32], rows: list[str], header: str) -> Path:
    for name, samples in signals.items():
        np.save(folder / f"{name}.npy", samples[None])
    files = {"format": "npy", "sample_rate_hz": RATE_HZ, "axes": ["channel", "time"]}
    manifest = {
        "name": "plant",
        "files": files,
        "constants": {"machine": "m", "point": "p"},
    }
    (folder / "manifest.yaml").write_text(yaml.safe_dump(manifest))
    (folder / "recordings.csv").write_text("\n".join([header, *rows]) + "\n")
    (folder / "machines.yaml").write_text(yaml.safe_dump({"machines": [MACHINES]}))
    return folder / "manifest.yaml"


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two broken parts, each recorded once, and the machine when it was well."""
    signals = {
        "outer": struck(RATIOS.bpfo),
        "inner": struck(RATIOS.bpfi, load_turns=1.0),
        "well": noise(6.0, 9).astype(np.float32),
    }
    rpm = 60 * SHAFT_HZ
    rows = [
        f"outer.npy,ng,outer race,{rpm}",
        f"inner.npy,ng,inner race,{rpm}",
        f"well.npy,ok,healthy,{rpm}",
    ]
    folder = tmp_path_factory.mktemp("plant")
    return write(folder, signals, rows, "path,label,part,speed_rpm")


def diagnose(manifest: Path, *more: str) -> int:
    machines = str(manifest.parent / "machines.yaml")
    return main(["diagnose", str(manifest), "--machines", machines, *more])


def test_parts_are_named_and_counted_against_the_truth(
    plant: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert diagnose(plant, "--truth", "part", "--compare-bands", "--out", str(out)) == 0
    said = capsys.readouterr().out
    assert "right: 2 of 2" in said
    assert "wrong: 0 of 3" in said
    assert "by the map's band alone: 2 right, 0 wrong" in said
    tree = json.loads((out / "diagnosis.json").read_text())
    rows: list[dict[str, Any]] = tree["recordings"]
    assert [row["part"] for row in rows] == ["outer race", "inner race", "not named"]
    assert tree["confusion"]["counts"]["healthy"] == {"not named": 1}
    for row in rows:
        points = math.fsum(line["points"] for line in row["lines"])
        assert points == pytest.approx(row["score"])
    page = (out / "diagnosis.html").read_text()
    assert "outer race, drive end: 104." in page
    assert "data:image/png" in page
    assert "http" not in page  # self-contained


def test_without_a_truth_there_is_no_table_of_right_and_wrong(
    plant: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert diagnose(plant, "--out", str(tmp_path / "out")) == 0
    assert "right" not in capsys.readouterr().out


def test_the_map_s_band_is_where_the_strikes_ring(plant: Path) -> None:
    signals = {
        one.path.stem: np.load(one.path)[0] for one in load_manifest(plant).recordings
    }
    band = map_band_hz(signals["outer"], [signals["well"]], RATE_HZ)
    assert band is not None
    low, high = band
    assert low < 0.27 * RATE_HZ < high
    assert high - low >= RATE_HZ / 16 - 1e-6
    assert map_band_hz(signals["outer"], [signals["well"][:12_000]], RATE_HZ) is None


@pytest.mark.parametrize("speed", ["fast", "0", "-3", "nan"])
def test_a_speed_that_cannot_be_is_one_sentence(
    speed: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    signals = {"well": noise(1.0, 9).astype(np.float32)}
    manifest = write(tmp_path, signals, [f"well.npy,ok,{speed}"], "path,label,speed_rpm")
    assert diagnose(manifest, "--out", str(tmp_path / "out")) == 2
    said = capsys.readouterr().err
    assert f"row 2: speed_rpm = '{speed}' must be a number above 0 (1/min)." in said
    assert not (tmp_path / "out").exists()


def test_a_machine_without_speed_is_not_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = write(
        tmp_path, {"outer": struck(RATIOS.bpfo)}, ["outer.npy,ng"], "path,label"
    )
    assert diagnose(manifest, "--out", str(tmp_path / "out")) == 0
    assert "1 recordings: 1 not named" in capsys.readouterr().out
    page = (tmp_path / "out" / "diagnosis.html").read_text()
    assert "the shaft&#x27;s speed is not known" in page
    assert "Impulses every 9.6" in page


def test_impossible_machines_and_a_missing_column_are_refused(
    plant: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    machines = tmp_path / "machines.yaml"
    machines.write_text("machines: [{match: '*', slip: 0.2}]")
    arguments = [
        "diagnose",
        str(plant),
        "--machines",
        str(machines),
        "--out",
        str(tmp_path / "o"),
    ]
    assert main(arguments) == 2
    assert (
        "machines[0].slip = 0.2: must be less than or equal to 0.03"
        in capsys.readouterr().err
    )
    assert diagnose(plant, "--truth", "fault", "--out", str(tmp_path / "o")) == 2
    assert "no column 'fault'" in capsys.readouterr().err
