"""One signal, written in each format by its reference library, is the same signal again."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from monitor.recordings.file_settings import FileFormat
from monitor.recordings.manifest import RecordingSet, load_manifest
from monitor.recordings.recording import read
from monitor.recordings.replay import PlayOptions, cuts
from monitor.signal.spectrogram import SpectrogramSettings
from tests.recordings.writers import RATE_HZ, WRITERS, write_manifest
from training.dataset import load_dataset

SAMPLES = np.random.default_rng(1).uniform(-0.9, 0.9, (400, 2)).astype(np.float32)
# FLAC has whole numbers of 24 bits; text has nine digits, pyuff writes more.
EXACT = {"flac": 2.0**-23}


@pytest.fixture(params=WRITERS)
def recorded(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, RecordingSet]:
    return request.param, store(request.param, tmp_path)


def store(name: str, folder: Path) -> RecordingSet:
    file = folder / f"one.{name.partition('_')[0]}"
    files = WRITERS[name](file, SAMPLES.astype(np.float64))
    path = write_manifest(
        folder, [f"{file.name},ok,a"], f"{files}, channels: [x, y], unit: g"
    )
    return load_manifest(path)


def test_every_format_has_a_writer() -> None:
    assert {name.partition("_")[0] for name in WRITERS} >= set(get_args(FileFormat))


def test_the_samples_come_back(recorded: tuple[str, RecordingSet]) -> None:
    name, manifest = recorded
    found = read(manifest.recordings[0])
    assert found.dtype == np.float32
    assert found.shape == (2, 400)
    expected = SAMPLES.T * np.float32(9.80665)
    np.testing.assert_allclose(found, expected, atol=9.8 * EXACT.get(name, 0.0), rtol=2e-7)


def test_the_same_windows_come_of_every_format(
    recorded: tuple[str, RecordingSet], tmp_path_factory: pytest.TempPathFactory
) -> None:
    name, manifest = recorded
    settings = SpectrogramSettings(
        RATE_HZ,
        n_window=100,
        n_fft=50,
        hop=25,
        taper="hann",
        band_edges_hz=(10.0, 100.0, 300.0, 490.0),
    )
    plain = load_dataset(store("npy", tmp_path_factory.mktemp("plain")), settings)
    found = load_dataset(manifest, settings)
    assert len(found) == len(plain) == 4
    tolerance = 1e-2 if name == "flac" else 1e-4  # dB
    np.testing.assert_allclose(found.psd_db, plain.psd_db, atol=tolerance)


@pytest.mark.parametrize("message_s", [None, 0.007, 0.1])
def test_every_format_plays_as_it_is_read(
    recorded: tuple[str, RecordingSet], message_s: float | None
) -> None:
    _, manifest = recorded
    played = cuts(manifest, PlayOptions(message_s=message_s), 0)
    found = np.concatenate([cut.samples for cut in played], axis=1)
    np.testing.assert_array_equal(found, read(manifest.recordings[0]))


def test_stretches_of_a_file_are_those_of_the_whole(
    recorded: tuple[str, RecordingSet],
) -> None:
    _, manifest = recorded
    folder, name = manifest.path.parent, manifest.recordings[0].path.name
    whole = read(manifest.recordings[0])
    rows = [
        f"{name},ok,a,{first},{count}"
        for first, count in ((0, 100), (100, 150), (250, 150))
    ]
    header = "path,label,group,first_sample,n_samples"
    (folder / "recordings.csv").write_text("\n".join([header, *rows]) + "\n")
    parts = [read(one) for one in load_manifest(manifest.path).recordings]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)
