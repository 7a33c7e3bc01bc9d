"""Windows come out as they would live: cut along the stream, not along the files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from monitor.recordings.manifest import load_manifest, runs
from monitor.recordings.recording import RecordingError, read
from monitor.signal.spectrogram import spectrogram
from tests.training.conftest import N_WINDOW, QUICK, RATE_HZ
from training.dataset import (
    NG,
    OK,
    UNLABELLED,
    Dataset,
    concatenate,
    load_dataset,
    stretches,
)
from training.progress import read_with_bar
from training.recipe import spectrogram_settings

SETTINGS = spectrogram_settings(RATE_HZ, QUICK)


def write(
    folder: Path,
    rows: list[str],
    lengths: dict[str, int],
    header: str = "path,label,group,offset_s",
) -> Path:
    random = np.random.default_rng(5)
    for name, length in lengths.items():
        np.save(folder / name, random.normal(size=length).astype(np.float32))
    (folder / "recordings.csv").write_text(
        "\n".join([header, *rows]) + "\n", encoding="utf-8"
    )
    path = folder / "m.yaml"
    path.write_text(
        f"name: t\nfiles: {{format: npy, sample_rate_hz: {RATE_HZ}}}\n", encoding="utf-8"
    )
    return path


def test_recordings_that_follow_each_other_are_one_stream(tmp_path: Path) -> None:
    rows = ["a.npy,ok,r,0", "b.npy,ok,r,0.75", "c.npy,ok,r,9"]
    manifest = load_manifest(
        write(tmp_path, rows, {"a.npy": 1500, "b.npy": 2700, "c.npy": 2100})
    )
    found = load_dataset(manifest, SETTINGS)
    assert list(found.segment) == [0, 0, 1]
    assert list(found.first_sample) == [0, N_WINDOW, 0]
    assert list(found.start_s) == [0.0, 1.0, 9.0]
    joined = np.concatenate([read(one) for one in runs(manifest)[0][:2]], axis=1)
    expected = spectrogram(joined[None, :, N_WINDOW : 2 * N_WINDOW], SETTINGS)
    np.testing.assert_array_equal(found.psd_db[1:2], expected)


def test_a_window_over_two_labels_is_unlabelled(tmp_path: Path) -> None:
    rows = ["a.npy,ok,r,0", "b.npy,ng,r,1.5"]
    manifest = load_manifest(write(tmp_path, rows, {"a.npy": 3000, "b.npy": 3000}))
    assert list(load_dataset(manifest, SETTINGS).label) == [OK, UNLABELLED, NG]


def test_every_sample_stands_in_one_stretch(tmp_path: Path) -> None:
    rows = ["a.npy,ok,r,0", "b.npy,ok,r,1", "c.npy,ok,q,0"]
    manifest = load_manifest(
        write(tmp_path, rows, {"a.npy": 2000, "b.npy": 100, "c.npy": 50})
    )
    lengths = [
        stretch.samples.shape[1] for run in runs(manifest) for stretch in stretches(run)
    ]
    assert lengths == [50, 2100]


def test_a_constant_recording_cannot_be_judged(tmp_path: Path) -> None:
    path = write(tmp_path, ["a.npy,ok,r,0"], {"a.npy": N_WINDOW})
    np.save(tmp_path / "a.npy", np.ones(N_WINDOW, np.float32))
    assert list(load_dataset(load_manifest(path), SETTINGS).bad_reason) == ["flat_line"]


def test_recordings_shorter_than_a_window_are_refused(tmp_path: Path) -> None:
    manifest = load_manifest(write(tmp_path, ["a.npy,ok,r,0"], {"a.npy": 100}))
    with pytest.raises(RecordingError, match="no recording is as long as a window of 1 s"):
        load_dataset(manifest, SETTINGS)


def test_select_and_concatenate_are_each_others_inverse(dataset: Dataset) -> None:
    half = np.arange(len(dataset)) % 2 == 0
    both = concatenate(dataset.select(half), dataset.select(~half))
    order = np.concatenate([np.flatnonzero(half), np.flatnonzero(~half)])
    np.testing.assert_array_equal(both.psd_db, dataset.psd_db[order])
    assert list(both.run) == list(dataset.run[order])
    with pytest.raises(RecordingError, match="no column 'speed'"):
        dataset.column("speed")


def test_windows_left_out_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(
        tmp_path,
        ["a.npy,ok,r,0", "b.npy,ok,stuck,0"],
        {"a.npy": N_WINDOW, "b.npy": N_WINDOW},
    )
    np.save(tmp_path / "b.npy", np.ones(N_WINDOW, np.float32))
    read_with_bar(load_manifest(path), SETTINGS)
    said = capsys.readouterr().err
    assert (
        said
        == "1 of 2 windows cannot be judged and are left out: flat_line; the first is in run"
        " t/main/stuck at 0 s.\n"
    )
