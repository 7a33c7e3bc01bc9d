"""Labelled windows come out of the journal as recordings that every other command reads."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest

from monitor.journal.labels import LabelStore
from monitor.journal.writer import Journal
from monitor.recordings.manifest import load_manifest
from monitor.recordings.recording import read
from monitor.records.batch import Batch, KeptWindow
from monitor.records.labels import Label, LabelRequest
from tests.verdicts import make_verdict
from training import TrainingError, import_journal

HOSTILE = '=cmd|" /C calc"!A0,"\n'


def make_journal(
    path: Path, sensor: str = "press 7/bearing", n_channels: int = 3
) -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    verdicts = [make_verdict(i, sensor) for i in range(4)]
    samples = [rng.normal(size=(n_channels, 2000)).astype(np.float32) for _ in verdicts]
    journal = Journal(path)
    kept = [
        KeptWindow(sensor, 1, v.first_sample, 2000.0, s, "ng")
        for v, s in zip(verdicts[:3], samples, strict=False)
    ]
    journal.commit(Batch(verdicts=verdicts, kept_windows=kept))
    journal.close()
    return samples


@pytest.mark.parametrize("n_channels", [1, 3])
def test_labels_become_recordings(
    tmp_path: Path, n_channels: int, capsys: pytest.CaptureFixture[str]
) -> None:
    samples = make_journal(tmp_path / "j", n_channels=n_channels)
    store = LabelStore(tmp_path / "j")
    for row_id, word in (
        (1, "NG confirmed"),
        (2, "NG confirmed"),
        (2, "false alarm"),
        (3, "unclear"),
        (4, "unclear"),
    ):
        store.add(LabelRequest(Label(word, "bearing" if row_id == 1 else ""), 1, row_id))
    parser = argparse.ArgumentParser()
    import_journal.add_arguments(parser)
    assert (
        import_journal.run(
            parser.parse_args([str(tmp_path / "j"), "--out", str(tmp_path / "out")])
        )
        == 0
    )
    said = capsys.readouterr().out
    assert said.startswith("1 ng, 1 ok, 1 unlabelled -> ")
    assert "1 labels left out: the journal keeps no raw samples" in said
    manifest = load_manifest(tmp_path / "out" / f"recordings-2000hz-{n_channels}ch.yaml")
    assert [one.label for one in manifest.recordings] == ["ng", "ok", "unlabelled"]
    assert manifest.recordings[0].sensor == "press 7/bearing"
    assert manifest.recordings[0].value("failure_mode") == "bearing"
    assert manifest.recordings[1].start_ns == make_verdict(1).start_ns
    for recording, wanted in zip(manifest.recordings, samples, strict=False):
        np.testing.assert_array_equal(read(recording), wanted)


def test_sensors_of_different_channels_get_a_manifest_each(tmp_path: Path) -> None:
    make_journal(tmp_path / "j")
    make_journal(tmp_path / "j", "fan 1/motor", n_channels=1)
    store = LabelStore(tmp_path / "j")
    for row_id in (1, 5):
        store.add(LabelRequest(Label("NG confirmed"), 1, row_id))
    found = import_journal.import_journal(tmp_path / "j", tmp_path / "out")
    assert [path.name for path in found.manifests] == [
        "recordings-2000hz-1ch.yaml",
        "recordings-2000hz-3ch.yaml",
    ]
    assert [len(load_manifest(path).recordings) for path in found.manifests] == [1, 1]


def test_hostile_names_stay_in_their_column(tmp_path: Path) -> None:
    sensor = f"{HOSTILE}/../../etc"
    make_journal(tmp_path / "j", sensor)
    LabelStore(tmp_path / "j").add(LabelRequest(Label("NG confirmed"), 1, 1))
    import_journal.import_journal(tmp_path / "j", tmp_path / "out")
    (recording,) = load_manifest(tmp_path / "out" / "recordings-2000hz-3ch.yaml").recordings
    assert recording.sensor == sensor
    assert sorted(
        path.name for path in tmp_path.iterdir() if not path.name.startswith("j")
    ) == ["out"]


def test_nothing_labelled_is_one_sentence_and_no_folder(tmp_path: Path) -> None:
    make_journal(tmp_path / "j")
    with pytest.raises(TrainingError, match="no labelled window with raw samples"):
        import_journal.import_journal(tmp_path / "j", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_there_is_not_touched(tmp_path: Path) -> None:
    make_journal(tmp_path / "j")
    with pytest.raises(FileExistsError):
        import_journal.import_journal(tmp_path / "j", tmp_path)
