"""What a file says of itself beside its numbers: it agrees with the manifest, or is refused."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import scipy.io

from monitor.recordings.manifest import load_manifest
from monitor.recordings.recording import RecordingError, read
from tests.recordings.writers import RATE_HZ, write_manifest
from tests.recordings.writers import _v73 as v73
from tests.recordings.writers import _variable as variable

SAMPLES = np.random.default_rng(4).normal(size=(400, 2)).round(4)


def read_one(folder: Path, name: str, files: str) -> Any:
    manifest = write_manifest(folder, [f"{name},ok,a"], f"{files}, channels: [x, y]")
    return read(load_manifest(manifest).recordings[0])


def mat(path: Path, rate: Any) -> str:
    scipy.io.savemat(path, {"acc": SAMPLES, "fs": rate, "rate": 25.0})
    return "format: mat, key: acc"


def mat_struct(path: Path, rate: Any) -> str:
    """As the data of the Machinery Failure Prevention Technology Society: `rate` is the shaft's."""
    bearing = {"sr": rate, "gs": SAMPLES, "load": 270.0, "rate": 25.0}
    scipy.io.savemat(path, {"bearing": bearing})
    return "format: mat, key: bearing.gs"


def mat_v73(path: Path, rate: Any) -> str:
    with v73(path) as file:
        variable(file, "acc", SAMPLES)
        variable(file, "Fs", np.array([[rate]]))
    return "format: mat, key: acc"


def mat_v73_struct(path: Path, rate: Any) -> str:
    with v73(path) as file:
        group = file.create_group("run")
        group.attrs["MATLAB_class"] = np.bytes_(b"struct")
        variable(group, "acc", SAMPLES)
        variable(group, "SamplingRate", np.array([[rate]]))
    return "format: mat, key: run.acc"


def hdf5_attribute(path: Path, rate: Any) -> str:
    with h5py.File(path, "w") as file:
        file["run/acc"] = SAMPLES
        file["run/acc"].attrs["sampling_frequency"] = rate
    return "format: hdf5, key: run/acc"


def hdf5_group(path: Path, rate: Any) -> str:
    with h5py.File(path, "w") as file:
        file["run/acc/x"], file["run/acc/y"] = SAMPLES.T
        file["run"].attrs["sample_rate_hz"] = rate
    return "format: hdf5, key: [run/acc/x, run/acc/y]"


def hdf5_member(path: Path, rate: Any) -> str:
    with h5py.File(path, "w") as file:
        file["acc"], file["fs"] = SAMPLES, rate
    return "format: hdf5, key: acc"


def npz(path: Path, rate: Any) -> str:
    with path.open("wb") as file:
        np.savez(file, acc=SAMPLES, fs=rate)
    return "format: npz, key: acc"


def parquet(path: Path, rate: Any) -> str:
    times = np.arange(len(SAMPLES)) / rate
    columns = {"t": times, "x": SAMPLES[:, 0], "y": SAMPLES[:, 1]}
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    return "format: parquet"


def parquet_dates(path: Path, rate: Any) -> str:
    step = np.timedelta64(round(1e9 / rate), "ns")
    times = np.datetime64("2026-11-24T08:30", "ns") + step * np.arange(len(SAMPLES))
    columns = {"timestamp": times, "x": SAMPLES[:, 0], "y": SAMPLES[:, 1]}
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    return "format: parquet, key: [x, y]"


def text(path: Path, head: list[str], cells: Callable[[int], str] = lambda at: "") -> str:
    rows = [f"{cells(at)}{x},{y}" for at, (x, y) in enumerate(SAMPLES)]
    path.write_text("\n".join([*head, *rows]) + "\n", encoding="utf-8")
    return "format: csv"


def csv_before(path: Path, rate: Any) -> str:
    return text(path, ["Operator: Ann", f"Sampling rate: {rate} Hz", "x,y"])


def csv_comment(path: Path, rate: Any) -> str:
    return text(path, [f"# Sample Rate (kHz) = {rate / 1000}", "# x,y"])


def csv_unit_of_time(path: Path, rate: Any) -> str:
    head = ["Moment (ms),x,y"]
    text(path, head, lambda at: f"{1e3 * at / rate:.4f},")
    return "format: csv, key: [x, y]"


WRITERS = {
    one.__name__: one
    for one in (
        *(mat, mat_struct, mat_v73, mat_v73_struct),
        *(hdf5_attribute, hdf5_group, hdf5_member),
        *(npz, parquet, parquet_dates, csv_before, csv_comment, csv_unit_of_time),
    )
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_rate_that_contradicts_the_manifest(name: str, tmp_path: Path) -> None:
    files = WRITERS[name](tmp_path / "one", 2 * RATE_HZ)
    with pytest.raises(
        RecordingError, match=r"is sampled at 2000 Hz by its .*says 1000 Hz"
    ):
        read_one(tmp_path, "one", files)


@pytest.mark.parametrize("name", WRITERS)
def test_a_rate_that_confirms_it(name: str, tmp_path: Path) -> None:
    files = WRITERS[name](tmp_path / "one", RATE_HZ)
    found = read_one(tmp_path, "one", files)
    np.testing.assert_allclose(found, SAMPLES.T, rtol=1e-6)


@pytest.mark.parametrize("name", ["mat", "mat_struct", "hdf5_attribute", "npz"])
@pytest.mark.parametrize("rate", ["fast", 1.0, np.array([1.0, 2.0]), 0.0, np.nan])
def test_what_is_no_rate_in_hertz(name: str, rate: Any, tmp_path: Path) -> None:
    """One may be in kilohertz; words, lists and zero say nothing."""
    files = WRITERS[name](tmp_path / "one", rate)
    np.testing.assert_allclose(read_one(tmp_path, "one", files), SAMPLES.T, rtol=1e-6)


def test_times_of_parquet_tell_breaks_or_none(tmp_path: Path) -> None:
    times = np.arange(len(SAMPLES)) / RATE_HZ
    times[200:] += 0.5
    columns = {"t": times, "x": SAMPLES[:, 0], "y": SAMPLES[:, 1]}
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "one")
    with pytest.raises(RecordingError, match="has a break before sample 200 by its column"):
        read_one(tmp_path, "one", "format: parquet")
    files = "format: parquet, time_key: none, key: [x, y]"
    assert read_one(tmp_path, "one", files).shape == SAMPLES.T.shape


@pytest.mark.parametrize(
    ("line", "is_right"),
    [
        ("Abtastrate: 1.000 Hz", True),
        ("Sampling Rate\t1,000 Hz", True),
        ("fs = 1e3", True),
        ("Sample rate [kHz]: 1", True),
        ("Samples per second: 2000", False),
        ("Rate: 25", True),  # of what, it does not say
    ],
)
def test_lines_before_the_numbers(line: str, is_right: bool, tmp_path: Path) -> None:
    files = text(tmp_path / "one", [line, "x,y"])
    sentence = "is sampled at 2000 Hz by its 'Samples per second'"
    with nullcontext() if is_right else pytest.raises(RecordingError, match=sentence):
        assert read_one(tmp_path, "one", files).shape == SAMPLES.T.shape


def test_a_unit_beside_the_numbers(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a", "w") as file:
        file["acc"] = SAMPLES
        file["acc"].attrs["units"] = "mg"
    table = pyarrow.table({"ax_mg": SAMPLES[:, 0], "ay_mg": SAMPLES[:, 1]})
    pyarrow.parquet.write_table(table, tmp_path / "b")
    text(tmp_path / "c", ["ax_mg,ay_mg"])
    for name, files in (
        ("a", "format: hdf5, key: acc"),
        ("b", "format: parquet, key: [ax_mg, ay_mg]"),
        ("c", "format: csv"),
    ):
        with pytest.raises(
            RecordingError, match="states the unit 'mg', the manifest says g"
        ):
            read_one(tmp_path, name, f"{files}, unit: g")
        found = read_one(tmp_path, name, f"{files}, unit: mg")
        np.testing.assert_allclose(found, SAMPLES.T * 9.80665e-3, rtol=1e-6)


def test_units_of_each_channel_in_one_attribute(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a", "w") as file:
        file["acc"] = SAMPLES
        file["acc"].attrs["units"] = np.array([b"g", b"g"])
    with pytest.raises(RecordingError, match="states the unit 'g', the manifest says m/s2"):
        read_one(tmp_path, "a", "format: hdf5, key: acc")


def test_a_clock_that_stands_still_is_no_channel(tmp_path: Path) -> None:
    """Stamps in whole seconds, at thousands of samples a second."""
    files = text(tmp_path / "one", ["Timestamp,x,y"], lambda at: "2024-05-01 10:00:07,")
    np.testing.assert_allclose(read_one(tmp_path, "one", files), SAMPLES.T, rtol=1e-6)


@pytest.mark.parametrize(("head", "key"), [("0,1", "[0, 1]"), (",0,1", '["0", "1"]')])
def test_numbers_of_the_columns_are_no_sample(head: str, key: str, tmp_path: Path) -> None:
    """As pandas writes a table without names, with and without its index."""
    has_index = head.startswith(",")
    files = text(tmp_path / "one", [head], lambda at: f"{at}," if has_index else "")
    found = read_one(tmp_path, "one", f"{files}, key: {key}")
    np.testing.assert_allclose(found, SAMPLES.T, rtol=1e-6)


def test_counts_that_begin_like_numbers_of_columns_are_samples(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("0,1\n3,-2\n1,1\n", encoding="utf-8")
    assert read_one(tmp_path, "one", "format: csv").tolist() == [[0, 3, 1], [1, -2, 1]]


@pytest.mark.parametrize("slow_hz", [1.0, 0.11])
def test_rates_far_apart(slow_hz: float, tmp_path: Path) -> None:
    """A thousandth was the least: 1 / 9,000 would be nine times too fast."""
    tone = np.sin(2 * np.pi * 0.01 * np.arange(300_000) / RATE_HZ)
    np.save(tmp_path / "one.npy", tone)
    files = f"format: npy, resample_hz: {slow_hz}"
    manifest = write_manifest(tmp_path, ["one.npy,ok,a"], files)
    found = read(load_manifest(manifest).recordings[0])[0]
    wanted = np.sin(2 * np.pi * 0.01 * np.arange(len(found)) / slow_hz)
    assert len(found) == pytest.approx(300 * slow_hz, abs=1)
    np.testing.assert_allclose(found[5:-5], wanted[5:-5], atol=0.02)
