"""`camshaft-train score`: the same file by one process and by several, undisturbed and killed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet
import pytest

import training.in_parallel
import training.score
import training.scored_windows
from monitor.evidence.model_folder import load_model_manifest
from monitor.recordings.manifest import RecordingSet, load_manifest
from tests.paths import ROOT
from tests.servers.child import start_child
from tests.servers.mosquitto import wait_until
from tests.training.conftest import write_plant
from tests.training.odd_workers import killed_at_the_last
from training.cli import main
from training.scored_windows import Scoring, parts, score

STUCK = """
import sys, training.score
from tests.training.odd_workers import stuck_at_the_last
training.score.scored_part = stuck_at_the_last
from training.cli import main
sys.exit(main(sys.argv[1:]))
"""
N_PARTS, N_RECORDINGS = 24, 72


@pytest.fixture(scope="module")
def undisturbed(
    plant: RecordingSet, model_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> bytes:
    out = tmp_path_factory.mktemp("undisturbed") / "verdicts.parquet"
    assert main(words(plant, model_folder, out, jobs=1)) == 0
    return out.read_bytes()


def words(plant: RecordingSet, model: Path, out: Path, jobs: int) -> list[str]:
    options = ["--model", str(model), "--out", str(out), "--jobs", str(jobs)]
    return ["score", str(plant.path), *options]


def test_law_three_processes_write_what_one_writes(
    plant: RecordingSet, model_folder: Path, undisturbed: bytes, tmp_path: Path
) -> None:
    out = tmp_path / "verdicts.parquet"
    assert main(words(plant, model_folder, out, jobs=3)) == 0
    assert out.read_bytes() == undisturbed
    assert list(tmp_path.iterdir()) == [out]


def test_law_the_parts_of_a_sensor_say_what_the_whole_says(
    plant: RecordingSet, model_folder: Path, undisturbed: bytes
) -> None:
    scoring = Scoring(model_folder, plant.sample_rate_hz, plant.channels, None, 0, 1)
    sensors = parts(plant, needs_baseline=True)
    assert (len(sensors), len(parts(plant, needs_baseline=False))) == (3, N_PARTS)
    rows = [vars(row) for sensor in sensors for row in score(scoring, sensor)[0]]
    read = pyarrow.parquet.read_table(pyarrow.BufferReader(undisturbed)).to_pylist()
    assert read == rows


def test_a_killed_process_costs_no_row(
    plant: RecordingSet,
    model_folder: Path,
    undisturbed: bytes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "verdicts.parquet"
    with monkeypatch.context() as patch:
        patch.setattr(training.score, "scored_part", killed_at_the_last)
        assert main(words(plant, model_folder, out, jobs=2)) == 70
    (said,) = capsys.readouterr().err.splitlines()
    assert said == (
        "camshaft-train: a process at work on this machine was killed, most often because"
        " memory ran out. Fewer --jobs need less of it."
    )
    assert not out.exists()
    assert main(words(plant, model_folder, out, jobs=1)) == 0
    assert "recordings were judged by a run that was interrupted" in capsys.readouterr().err
    assert out.read_bytes() == undisturbed
    assert list(tmp_path.iterdir()) == [out]


def test_a_killed_command_takes_its_processes_along_and_the_next_goes_on(
    plant: RecordingSet,
    model_folder: Path,
    undisturbed: bytes,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "verdicts.parquet"
    command = [sys.executable, "-c", STUCK, *words(plant, model_folder, out, jobs=2)]
    kept = tmp_path / "verdicts.parquet.part"
    process = start_child(
        command, subprocess.DEVNULL, {**os.environ, "PYTHONPATH": str(ROOT)}
    )
    try:
        wait_until(lambda: len(list(kept.glob("*.parquet"))) == N_PARTS - 1, 60)
        assert main(words(plant, model_folder, out, jobs=1)) == 2
        assert f"{kept}: another process is at work there" in capsys.readouterr().err
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
        assert len(children.split()) >= 2
    finally:
        process.kill()
        process.wait()
    wait_until(lambda: not any(is_running(pid) for pid in children.split()))
    assert not out.exists()
    assert main(words(plant, model_folder, out, jobs=1)) == 0
    said = f"{N_RECORDINGS - 3} of {N_RECORDINGS} recordings were judged by a run that"
    assert said in capsys.readouterr().err
    assert out.read_bytes() == undisturbed
    assert list(tmp_path.iterdir()) == [out]


def is_running(pid: str) -> bool:
    return Path(f"/proc/{pid}").exists()


@pytest.fixture
def interrupted(
    model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[RecordingSet, Path]:
    """A plant, and the file that its first run of four did not come to write."""
    folder = tmp_path / "plant"
    folder.mkdir()
    plant = load_manifest(write_plant(folder, n_machines=1, n_runs=2, windows=1))
    out = tmp_path / "verdicts.parquet"
    judged = training.scored_windows.scored_part

    def ended(scoring: Scoring, part: object) -> bytes:
        if list(tmp_path.glob("verdicts.parquet.part/*.parquet")):
            raise KeyboardInterrupt
        return judged(scoring, part)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(training.score, "scored_part", ended)
        assert main(words(plant, model_folder, out, jobs=1)) == 130
    return plant, out


def test_what_was_judged_in_another_way_is_not_taken_for_this(
    interrupted: tuple[RecordingSet, Path],
    model_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    plant, out = interrupted
    other = tmp_path / "other"
    shutil.copytree(model_folder, other)
    manifest = other / "manifest.yaml"
    model_id = load_model_manifest(model_folder).id
    manifest.write_text(manifest.read_text().replace(model_id, model_id[::-1]))
    given = [*words(plant, other, out, jobs=1), "--threshold", "3"]
    assert main(given) == 2
    assert (
        f"{out}.part: holds what an interrupted run judged with another model and"
        " threshold. Give its own command again, or delete the folder."
        in capsys.readouterr().err
    )
    assert main(words(plant, model_folder, out, jobs=1)) == 0
    assert "1 of 4 recordings were judged" in capsys.readouterr().err


def test_a_recording_that_changed_meanwhile_is_judged_anew(
    interrupted: tuple[RecordingSet, Path],
    model_folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    plant, out = interrupted
    os.utime(plant.recordings[0].path, ns=(0, 0))
    assert main(words(plant, model_folder, out, jobs=1)) == 0
    assert "judged by a run that was interrupted" not in capsys.readouterr().err
    assert not Path(f"{out}.part").exists()


def test_ray_that_is_not_installed_is_one_sentence(
    plant: RecordingSet,
    model_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(training.in_parallel, "find_spec", lambda _: None)
    given = words(plant, model_folder, tmp_path / "verdicts.parquet", jobs=1)[:-2]
    assert main([*given, "--ray", "auto"]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith("camshaft-train: --ray: ray is not installed in ")
    assert "-r constraints/ray.txt` installs it" in said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "address", ["", "host", "host:", ":1", "host:0", "host:65536", "a/b:1"]
)
def test_an_address_that_is_none_is_refused(
    address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["score", "m.yaml", "--model", "m", "--out", "o", f"--ray={address}"])
    assert (
        f"argument --ray: {address!r}: must be HOST:PORT or auto" in capsys.readouterr().err
    )


def test_a_torn_header_without_parts_is_written_anew(
    plant: RecordingSet, model_folder: Path, undisturbed: bytes, tmp_path: Path
) -> None:
    out = tmp_path / "verdicts.parquet"
    folder = tmp_path / "verdicts.parquet.part"
    folder.mkdir()
    (folder / "header.json").write_text('{"model"')
    assert main(words(plant, model_folder, out, jobs=1)) == 0
    assert out.read_bytes() == undisturbed
