"""What a file says of its rate, its unit and the course of its times, against what is declared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import nptdms
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.recordings.manifest import RecordingSet, load_manifest
from monitor.recordings.recording import RecordingError, read
from tests.recordings.writers import (
    lvm,
    mat_v73_struct_array,
    text,
    uff_set,
    write_manifest,
    write_uff,
)

N = 200


def with_times(
    folder: Path, times: list[str], files: str = "", name: str = "t"
) -> RecordingSet:
    rows = [[time, f"0.{at}"] for at, time in enumerate(times)]
    text(folder / "one.csv", [[name, "x"], *rows], ";")
    more = f", {files}" if files else ""
    path = write_manifest(folder, ["one.csv,ok,a"], f"format: csv, delimiter: ;{more}")
    return load_manifest(path)


def refusal(manifest: RecordingSet) -> str:
    with pytest.raises(RecordingError) as refused:
        read(manifest.recordings[0])
    return str(refused.value)


def in_seconds(rate_hz: float, n_decimals: int = 6) -> list[str]:
    return [f"{at / rate_hz:.{n_decimals}f}" for at in range(N)]


@pytest.mark.parametrize(
    ("times", "name"),
    [
        (in_seconds(1000), "t"),
        (in_seconds(1020), "Time (s)"),
        (in_seconds(1000, 3), "Zeit [s]"),
        ([f"{at}" for at in range(N)], "time_ms"),
        ([f"{at}" for at in range(N)], "t"),  # in ms: as seconds they would deny the rate
        ([f"{at * 1000}" for at in range(N)], "t"),
        ([f"2026-11-24 08:30:00.{at:03}" for at in range(N)], "Timestamp"),
        ([f"24.11.2026 08:30:00,{at:03}" for at in range(N)], "Datum/Zeit"),
        ([f"11/24/2026 8:30:00.{at:03} PM" for at in range(N)], "Time"),
        ([f"23:59:59.{900 + at:03}" for at in range(100)]
         + [f"00:00:00.{at:03}" for at in range(100)], "Uhrzeit"),
        ([f"{at // 10 / 100:.2f}" for at in range(N)], "t"),  # ten samples share a time
        ([f"{at / 1000 + (at % 3) * 3e-4:.6f}" for at in range(N)], "t"),  # jitter
        ([f"{at / 1000 + 6e-4 * (at == 99):.6f}" for at in range(N)], "t"),  # late once
    ],
)  # fmt: skip
def test_times_that_confirm_the_rate(tmp_path: Path, times: list[str], name: str) -> None:
    manifest = with_times(tmp_path, times, name=name)
    assert read(manifest.recordings[0]).shape == (1, N)
    assert manifest.recordings[0].stored.rate is not None


def test_times_that_deny_the_rate(tmp_path: Path) -> None:
    said = refusal(with_times(tmp_path, in_seconds(2000)))
    assert said == (
        "row 2: one.csv is sampled at 2000 Hz by its column 't' (in s), the manifest says 1000 Hz."
    )
    ignored = with_times(tmp_path, in_seconds(2000), "time_key: none, key: x")
    assert read(ignored.recordings[0]).shape == (1, N)


@settings(max_examples=30, deadline=None)
@given(at=st.integers(2, N - 2), n_lost=st.integers(1, 500))
def test_samples_that_are_missing_are_seen(
    tmp_path_factory: pytest.TempPathFactory, at: int, n_lost: int
) -> None:
    """Wherever they are missing, and however many; what stands on one side can be used."""
    folder = tmp_path_factory.mktemp("gap")
    times = [f"{(one + n_lost * (one >= at)) / 1000:.6f}" for one in range(N)]
    manifest = with_times(folder, times)
    assert (
        f"has a break before sample {at} by its column 't' (in s): a recording is"
        in refusal(manifest)
    )
    header = "path,label,group,first_sample,n_samples"
    rows = [f"one.csv,ok,a,0,{at}", f"one.csv,ok,a,{at},{N - at}"]
    (folder / "recordings.csv").write_text("\n".join([header, *rows]) + "\n")
    first, second = load_manifest(manifest.path).recordings
    assert (read(first).shape[1], read(second).shape[1]) == (at, N - at)


def test_times_that_run_backwards(tmp_path: Path) -> None:
    times = in_seconds(1000)
    said = refusal(with_times(tmp_path, [*times[:120], *times[:80]]))
    assert "has a break before sample 120" in said


def test_a_column_of_times_that_is_none(tmp_path: Path) -> None:
    manifest = with_times(tmp_path, ["7"] * N, "time_key: t, key: x")
    assert "holds no times that go on in column 't'" in refusal(manifest)
    times = in_seconds(1000)
    manifest = with_times(tmp_path, [*times[:-1], "later"], "time_key: t, key: x")
    assert "has no time in line 201, column 't': 'later'" in refusal(manifest)


# -- units ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "files", "factor"),
    [
        ("acc [g]", "unit: g", 9.80665),
        ("acc (m/s²)", "", 1.0),
        ("acc [mm/s^2]", "unit: mm/s2", 1e-3),
        ("acc [V]", "unit: counts, scale: 98.0665", 98.0665),
        ("acc [mV]", "unit: g, scale: 0.01", 0.0980665),
        ("acc [left]", "unit: mg", 9.80665e-3),
    ],
)
def test_units_that_go_with_the_declared_one(
    tmp_path: Path, name: str, files: str, factor: float
) -> None:
    text(tmp_path / "one.csv", [[name], ["0.5"], ["-0.5"]], ";")
    files = f"format: csv, {files}" if files else "format: csv"
    manifest = load_manifest(write_manifest(tmp_path, ["one.csv,ok,a"], files))
    np.testing.assert_allclose(read(manifest.recordings[0])[0, 0], 0.5 * factor, rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "unit"), [("acc [g]", "g"), ("v [mm/s]", "mm/s"), ("a [V]", "V")]
)
def test_units_that_deny_the_declared_one(tmp_path: Path, name: str, unit: str) -> None:
    text(tmp_path / "one.csv", [[name], ["0.5"], ["-0.5"]], ";")
    manifest = load_manifest(write_manifest(tmp_path, ["one.csv,ok,a"], "format: csv"))
    assert f"states the unit '{unit}', the manifest says m/s2: set files.unit" in refusal(
        manifest
    )


# -- measuring systems ----------------------------------------------------------------------------


def tdms(folder: Path, channels: dict[str, tuple[int, float]], files: str) -> RecordingSet:
    """group/channel: length and step in s"""
    objects = [
        nptdms.ChannelObject(*name.split("/"), np.zeros(length), {"wf_increment": step_s})
        for name, (length, step_s) in channels.items()
    ]
    with nptdms.TdmsWriter(folder / "one.tdms") as writer:
        writer.write_segment(objects)
    files = f"format: tdms, {files}"
    return load_manifest(write_manifest(folder, ["one.tdms,ok,a"], files))


@pytest.mark.parametrize(
    ("channels", "files", "sentence"),
    [
        ({"a/x": (9, 1e-3), "b/x": (9, 1e-3)}, "channels: [x]", "has channels in 2 groups: a key"),
        ({"a/x": (9, 1e-3), "b/x": (9, 1e-3)}, "key: x", "must hold exactly one array for key"),
        ({"a/x": (9, 1e-3), "a/y": (8, 1e-3)}, "channels: [x, y]", "has 9 samples under 'a/x'"),
        ({"a/x": (9, 1e-3), "a/y": (9, 2e-3)}, "channels: [x, y]", "has channels of several rates"),
        ({"a/x": (9, 5e-4)}, "channels: [x]", "is sampled at 2000 Hz, the manifest says 1000 Hz"),
        ({"a/x": (0, 1e-3)}, "channels: [x]", "holds no values"),
        ({"a/x": (9, 1e-3)}, "channels: [x, y]", "has 1 channels, the manifest names 2"),
    ],
)  # fmt: skip
def test_tdms_refused(
    tmp_path: Path, channels: dict[str, tuple[int, float]], files: str, sentence: str
) -> None:
    assert sentence in refusal(tdms(tmp_path, channels, files))


def test_tdms_takes_a_channel_of_a_group_and_no_index_beside_it(tmp_path: Path) -> None:
    manifest = tdms(tmp_path, {"a/x": (9, 1e-3), "b/x": (8, 1e-3)}, "key: b/x")
    (tmp_path / "one.tdms_index").write_bytes(b"of another file")
    assert read(manifest.recordings[0]).shape == (1, 8)


def uff(folder: Path, files: str, **changes: Any) -> RecordingSet:
    column = np.linspace(-1, 1, 30)
    write_uff(folder / "one.uff", [uff_set(column, 1), uff_set(column, -3, **changes)])
    files = f"format: uff, unit: g, {files}"
    return load_manifest(write_manifest(folder, ["one.uff,ok,a"], files))


@pytest.mark.parametrize("key", ["'1:-Z'", "1", "channel -3"])
def test_uff_by_direction_number_or_name(tmp_path: Path, key: str) -> None:
    found = read(uff(tmp_path, f"key: {key}").recordings[0])
    np.testing.assert_allclose(found[0], np.linspace(-1, 1, 30) * 9.80665, rtol=1e-6)


@pytest.mark.parametrize(
    ("files", "changes", "sentence"),
    [
        ("channels: [x]", {}, "has 2 channels, the manifest names 1"),
        ("key: '1:+Y'", {}, "found 0 among ['1:+X', '1:-Z']"),
        ("key: '1:-Z'", {"func_type": 4}, "found 0 among ['1:+X']"),
        (
            "key: '1:-Z'",
            {"ordinate_spec_data_type": 11},
            "holds velocity in 1:-Z, acceleration",
        ),
        (
            "key: '1:-Z'",
            {"x": np.arange(30) / 2000},
            "is sampled at 2000 Hz, the manifest says 1000 Hz",
        ),
        ("key: '1:-Z'", {"ordinate_axis_units_lab": "m/s^2"}, "states the unit 'm/s^2'"),
    ],
)
def test_uff_refused(
    tmp_path: Path, files: str, changes: dict[str, Any], sentence: str
) -> None:
    assert sentence in refusal(uff(tmp_path, files, **changes))


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("LabVIEW Measurement", "LabVIEW", "does not begin with 'LabVIEW Measurement'"),
        ("Samples\t60", "Samples\t90", "is cut short: it holds 60 of the 90 samples"),
        ("0,001000\t0,001000", "0,000500\t0,000500", "is sampled at 2000 Hz"),
        ("0,001000\t0,001000", "0,001000\t0,000500", "has channels of several rates"),
        ("g\tg", "V\tV", "states the unit 'V', the manifest says g"),
        ("\r\n0,03\t", "\r\nChannels\t2\r\n0,03\t", "has another header in line"),
        ("\r\n0,03\t", "\r\n0,05\t", "has a break before sample 31"),
        ("***End_of_Header***\t\t", "", "has a header without an end"),
    ],
)
def test_lvm_refused(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    path = tmp_path / "one.lvm"
    files = lvm(path, np.full((60, 2), 0.25))
    content = path.read_bytes().decode()
    assert old in content
    path.write_bytes(content.replace(old, new, 1).encode())
    files = f"{files}, channels: [x, y], unit: g"
    manifest = load_manifest(write_manifest(tmp_path, ["one.lvm,ok,a"], files))
    assert sentence in refusal(manifest)


def test_lvm_comments_and_samples_beyond_those_stated(tmp_path: Path) -> None:
    """LabVIEW writes on without a new header, and notes beside the samples."""
    path = tmp_path / "one.lvm"
    files = lvm(path, np.full((60, 2), 0.25))
    content = path.read_bytes().replace(b"Samples\t60\t60", b"Samples\t10\t10", 1)
    path.write_bytes(content.replace(b"0,25\t\r\n", b"0,25\ttap, left\r\n", 1))
    files = f"{files}, channels: [x, y], unit: g"
    manifest = load_manifest(write_manifest(tmp_path, ["one.lvm,ok,a"], files))
    assert read(manifest.recordings[0]).shape == (2, 60)


def test_a_struct_array_of_matlab_7_3_needs_its_number(tmp_path: Path) -> None:
    mat_v73_struct_array(tmp_path / "one.mat", np.zeros((9, 2)))
    for key, sentence in (
        ("N15.Y.Data", "has 2 entries in 'Data': the key must say which"),
        ("'N15.Y(3).Data'", "has 2 entries in 'Data', entry 3 is wanted"),
        ("N15.Y", "has a group under 'Y', with the members ['Data']"),
    ):
        files = f"format: mat, key: {key}"
        manifest = load_manifest(write_manifest(tmp_path, ["one.mat,ok,a"], files))
        assert sentence in refusal(manifest)


def test_hdf5_by_its_path(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "one.h5", "w") as file:
        file["run/acc"], file["run/other"] = np.arange(9.0), np.zeros(3)
    files = "format: hdf5, key: run/acc"
    manifest = load_manifest(write_manifest(tmp_path, ["one.h5,ok,a"], files))
    np.testing.assert_array_equal(read(manifest.recordings[0])[0], np.arange(9))
