"""A file that was cut or garbled ends in one sentence, whatever its format; never in a traceback,
in an ended process or in samples that were not measured.
"""

from __future__ import annotations

import os
import random
import struct
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.recordings.formats import base
from monitor.recordings.manifest import load_manifest
from monitor.recordings.recording import Recording, RecordingError, read
from monitor.records.signal import Float32
from tests.recordings.writers import WRITERS, write_manifest

SAMPLES = np.random.default_rng(1).uniform(-0.9, 0.9, (60, 2)).astype(np.float32)
MAY_END_EARLY = ("csv", "dat", "savetxt")  # any line may be their last
N_CUTS, N_GARBLED = 8, 8


@pytest.fixture(params=WRITERS)
def recording(request: pytest.FixtureRequest, tmp_path: Path) -> Recording:
    path = tmp_path / f"one.{request.param.partition('_')[0]}"
    files = WRITERS[request.param](path, SAMPLES.astype(np.float64))
    return only(tmp_path, path.name, f"{files}, channels: [x, y], unit: g")


def only(folder: Path, name: str, files: str) -> Recording:
    return load_manifest(write_manifest(folder, [f"{name},ok,a"], files)).recordings[0]


def read_again(recording: Recording, content: bytes) -> Float32 | None:
    """With other bytes in its file; None where they are refused, in one sentence."""
    recording.path.unlink()  # some disks wait at each file that is written over
    recording.path.write_bytes(content)
    # files are remembered by their time, in coarse steps on some disks
    now_ns = time.time_ns()
    os.utime(recording.path, ns=(now_ns, now_ns))
    try:
        return read(recording)
    except RecordingError as refused:
        said = str(refused)
        assert said.startswith(f"row 2: {recording.path.name} ")
        assert said.endswith(".")
        assert len(said) < 500
        assert said.isprintable()
        return None


def test_a_file_that_was_cut(recording: Recording) -> None:
    content, chance = recording.path.read_bytes(), random.Random(2)
    ends = [
        0,
        1,
        len(content) - 1,
        *(chance.randrange(len(content)) for _ in range(N_CUTS)),
    ]
    expected = read(recording)
    for end in ends:
        found = read_again(recording, content[:end])
        if found is None:
            continue
        if recording.path.suffix[1:] in MAY_END_EARLY:
            n_whole = found.shape[1]
            if "nothing ends the last line" in recording.stored.understood:
                n_whole -= 1
            np.testing.assert_array_equal(found[:, :n_whole], expected[:, :n_whole])
        else:  # what was cut off belonged to no sample
            np.testing.assert_array_equal(found, expected)


def test_a_file_that_was_garbled(recording: Recording) -> None:
    content, chance = recording.path.read_bytes(), random.Random(3)
    for _ in range(N_GARBLED):
        garbled = bytearray(content)
        for _ in range(chance.choice([1, 2, 8])):
            end = min(len(garbled), 600) if chance.random() < 0.5 else len(garbled)
            garbled[chance.randrange(end)] = chance.randrange(256)
        found = read_again(recording, bytes(garbled))
        assert found is None or (found.shape[0] == 2 and np.isfinite(found).all())


def test_bytes_of_anything_are_no_recording(recording: Recording) -> None:
    for content in (
        bytes(4096),
        bytes(range(256)) * 8,
        b"nothing of the kind\n",
        b"\x93NUMPY\x01",
    ):
        assert read_again(recording, content) is None


PIECES = (
    *(
        "0.1",
        "0,2",
        "1.234",
        "1,234",
        "-3",
        "1e-3",
        "nan",
        "x",
        "t",
        "time",
        "[g]",
        "08:30:00",
    ),
    *(
        "24.11.2026",
        "\n",
        "\n",
        "\n",
        "\n",
        ",",
        ";",
        "\t",
        " ",
        "|",
        '"',
        "sep=;",
        "# ",
        "",
        "_",
        "é",
    ),
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=40).map("".join),
    st.sampled_from(
        ["", ", header: true", ", header: false", ", delimiter: tab", ", time_key: 0"]
    ),
)
def test_any_text_is_numbers_or_one_sentence(
    tmp_path_factory: pytest.TempPathFactory, content: str, files: str
) -> None:
    folder = tmp_path_factory.mktemp("text")
    (folder / "one.csv").touch()
    one = only(folder, "one.csv", f"format: csv{files}")
    found = read_again(one, content.encode())
    assert found is None or found.shape[1] <= content.count("\n") + 1


def lying_sizes(content: bytes) -> Iterator[bytes]:
    for at in range(0, len(content) - 4, 4):
        for size in (0xFFFFFFF0, 1 << 20):
            yield content[:at] + struct.pack("<I", size) + content[at + 4 :]


@pytest.mark.parametrize("name", ["mat_struct", "mat_struct_array"])
def test_sizes_that_lie_in_a_matlab_file(tmp_path: Path, name: str) -> None:
    """scipy's reader believed them, and the whole process ended."""
    files = WRITERS[name](tmp_path / "one.mat", SAMPLES[:3].astype(np.float64))
    one = only(tmp_path, "one.mat", f"{files}, channels: [x, y]")
    found = [read_again(one, content) for content in lying_sizes(one.path.read_bytes())]
    assert any(samples is None for samples in found)


# -- bounds ---------------------------------------------------------------------------------------


@pytest.fixture
def small_limit(monkeypatch: pytest.MonkeyPatch) -> int:
    limit = 1 << 20
    monkeypatch.setattr(base, "MAX_FILE_BYTES", limit)
    monkeypatch.setattr("monitor.recordings.formats.matlab_elements.MAX_FILE_BYTES", limit)
    return limit


def refused_for_size(one: Recording) -> None:
    assert one.path.stat().st_size < 20_000
    with pytest.raises(
        RecordingError, match=r"would be \d+ bytes in memory, at most 1048576 are"
    ):
        read(one)


def test_more_comes_out_of_a_matlab_file_than_we_take(
    tmp_path: Path, small_limit: int
) -> None:
    scipy.io.savemat(
        tmp_path / "one.mat", {"x": np.zeros(small_limit)}, do_compression=True
    )
    refused_for_size(only(tmp_path, "one.mat", "format: mat"))


def test_more_comes_out_of_an_archive_than_we_take(
    tmp_path: Path, small_limit: int
) -> None:
    np.savez_compressed(tmp_path / "one.npz", x=np.zeros(small_limit))
    refused_for_size(only(tmp_path, "one.npz", "format: npz"))


def test_more_comes_out_of_hdf5_than_we_take(tmp_path: Path, small_limit: int) -> None:
    with h5py.File(tmp_path / "one.h5", "w") as file:
        file.create_dataset("x", (10**12,), chunks=(1000,))  # nothing of it is stored
    refused_for_size(only(tmp_path, "one.h5", "format: hdf5"))


def test_an_archive_that_lies_of_its_size(tmp_path: Path) -> None:
    path = tmp_path / "one.npz"
    with zipfile.ZipFile(path, "w") as archive:
        header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }\n"
        archive.writestr(
            "x.npy", b"\x93NUMPY\x01\0" + struct.pack("<H", len(header)) + header
        )
    with pytest.raises(RecordingError, match=r"row 2: one.npz "):
        read(only(tmp_path, "one.npz", "format: npz"))


@pytest.mark.parametrize("kind", ["link", "external", "virtual"])
def test_hdf5_that_leads_out_of_the_folder(tmp_path: Path, kind: str) -> None:
    (tmp_path / "secret.bin").write_bytes(bytes(800))
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["x"] = np.arange(100.0)
    with h5py.File(tmp_path / "one.h5", "w") as file:
        if kind == "link":
            file["x"] = h5py.ExternalLink("secret.h5", "/x")
        elif kind == "external":
            file.create_dataset(
                "x", (100,), "f8", external=[(str(tmp_path / "secret.bin"), 0, 800)]
            )
        else:
            layout = h5py.VirtualLayout((100,), "f8")
            layout[:] = h5py.VirtualSource("secret.h5", "x", (100,))
            file.create_virtual_dataset("x", layout)
    with pytest.raises(RecordingError, match=r"to another file|in other files"):
        read(only(tmp_path, "one.h5", "format: hdf5, key: x"))
