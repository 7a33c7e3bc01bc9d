"""Manifests and readers: what is written in any format comes back in m/s², and bad input names its
row.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from monitor.config_file import read_yaml, write_yaml
from monitor.recordings.manifest import load_manifest, runs
from monitor.recordings.recording import RecordingError, read
from tests.paths import MANIFESTS
from tests.recordings.writers import write_manifest

needs_datasets = pytest.mark.skipif(
    "CAMSHAFT_DATASETS" not in os.environ,
    reason="CAMSHAFT_DATASETS does not name the folder of the real recordings",
)


@pytest.mark.parametrize("dtype", ["int64", "float32", "float64", "int16"])
def test_the_stored_number_type_leaves_no_trace(tmp_path: Path, dtype: str) -> None:
    samples = np.arange(-500, 500).reshape(500, 2)
    np.save(tmp_path / "one.npy", samples.astype(dtype))
    manifest = load_manifest(
        write_manifest(
            tmp_path, ["one.npy,ok,a"], "format: npy, channels: [x, y], unit: mg"
        )
    )
    expected = samples.T.astype(np.float32) * np.float32(9.80665e-3)
    np.testing.assert_array_equal(read(manifest.recordings[0]), expected)


@settings(max_examples=20, deadline=None)
@given(order=st.permutations(["snapshot", "time", "channel"]))
def test_any_order_of_axes_gives_the_same_snapshots(
    tmp_path_factory: pytest.TempPathFactory, order: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("axes")
    truth = np.random.default_rng(2).normal(size=(4, 30, 2)).astype(np.float32)
    np.save(
        folder / "one.npy",
        truth.transpose([("snapshot", "time", "channel").index(axis) for axis in order]),
    )
    files = f"format: npy, channels: [x, y], axes: [{', '.join(order)}]"
    manifest = load_manifest(write_manifest(folder, ["one.npy,,a"], files))
    assert [one.snapshot for one in manifest.recordings] == [0, 1, 2, 3]
    for one, snapshot in zip(manifest.recordings, truth, strict=True):
        np.testing.assert_array_equal(read(one), snapshot.T)


def test_channels_of_one_file_are_sensors_of_their_own(tmp_path: Path) -> None:
    """Each row reads what the whole file has in that channel, by its own scale."""
    truth = np.random.default_rng(3).normal(size=(3, 20, 2))
    np.save(tmp_path / "one.npy", truth)
    files = (
        "format: npy, channels: [x, y], axes: [snapshot, time, channel], scale: [2.0, -1.0]"
    )
    rows = ["one.npy,y,pump", "one.npy,x,fan", "one.npy,x,pump"]
    more, header = "columns: {point: channel}\n", "path,channel,machine"
    apart = load_manifest(write_manifest(tmp_path, rows[:2], files, more, header))
    whole = load_manifest(
        write_manifest(tmp_path, ["one.npy,a"], files, header="path,group")
    )
    assert (apart.channels, whole.channels) == (("a",), ("x", "y"))
    assert {one.sensor for one in apart.recordings} == {"pump/y", "fan/x"}
    for one in apart.recordings:
        both = read(whole.recordings[one.snapshot or 0])
        np.testing.assert_array_equal(read(one), both[[1 if one.point == "y" else 0]])

    same = load_manifest(write_manifest(tmp_path, rows[1:2], files, more, header))
    assert same.channels == ("x",)
    with pytest.raises(RecordingError, match=r"row 4: one.npy\[0\] stands in row 3 too"):
        load_manifest(write_manifest(tmp_path, rows, files, more, header))


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (["one.npy,z"], r"row 2: channel = 'z' must be one of x, y"),
        (["one.npy,x", "one.npy,"], r"row 3: names no channel, other rows do"),
    ],
)
def test_a_channel_that_is_none_is_named(
    tmp_path: Path, rows: list[str], sentence: str
) -> None:
    np.save(tmp_path / "one.npy", np.zeros((4, 2)))
    files = "format: npy, channels: [x, y]"
    with pytest.raises(RecordingError, match=sentence):
        load_manifest(write_manifest(tmp_path, rows, files, header="path,channel"))


def test_life_rule_and_a_clock_that_wraps_at_midnight(tmp_path: Path) -> None:
    count = 1200
    np.savez(
        tmp_path / "b.npz",
        acc=np.zeros((count, 8, 1)),
        t=(86_000.0 + 10 * np.arange(count)) % 86_400,
    )
    files = "format: npz, key: acc, time_key: t, axes: [snapshot, time, channel]"
    labels = "labels: {rule: life, ok: [0.05, 0.25], ng_last: 0.02, ng_at_least: 20}\n"
    manifest = load_manifest(write_manifest(tmp_path, ["b.npz,,"], files, labels))
    found = [one.label for one in manifest.recordings]
    assert [found.count(label) for label in ("ok", "ng", "unlabelled")] == [240, 24, 936]
    assert found[60:300] == ["ok"] * 240
    assert [one.offset_s for one in manifest.recordings] == [10.0 * i for i in range(count)]


def test_slices_of_one_file_and_the_order_of_runs(tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", np.arange(40.0))
    rows = ["one.npy,ok,b,30,10,3", "one.npy,ok,a,0,10,0", "one.npy,ok,b,20,10,2"]
    header = "path,label,group,first_sample,n_samples,speed"
    manifest = load_manifest(
        write_manifest(tmp_path, rows, "format: npy", "groups: [speed]\n", header)
    )
    ordered = runs(manifest)
    assert [[one.first_sample for one in run] for run in ordered] == [[0], [20, 30]]
    assert read(ordered[1][1])[0, 0] == 30
    assert ordered[1][1].value("speed") == "3"


def test_a_faster_file_is_brought_to_the_common_rate(tmp_path: Path) -> None:
    for rate_hz in (1000, 4000):
        np.save(
            tmp_path / f"{rate_hz}.npy",
            np.sin(2 * np.pi * 50 * np.arange(rate_hz) / rate_hz),
        )
    rows = ["1000.npy,ok,a,1000", "4000.npy,ok,b,4000"]
    header = "path,label,group,sample_rate_hz"
    manifest = load_manifest(
        write_manifest(tmp_path, rows, "format: npy, resample_hz: 1000", header=header)
    )
    slow, fast = (read(one)[0] for one in manifest.recordings)
    np.testing.assert_allclose(fast[50:-50], slow[50:-50], atol=2e-3)
    with pytest.raises(
        RecordingError,
        match=r"row 3: sample_rate_hz = 4000 differs .* need files.resample_hz",
    ):
        load_manifest(write_manifest(tmp_path, rows, "format: npy", header=header))


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (
            "../one.npy,ok,a",
            r"recordings.csv row 2: path = '../one.npy' leaves the folder of the recordings",
        ),
        ("/etc/hostname,ok,a", r"row 2: path = '/etc/hostname' leaves the folder"),
        ("absent.npy,ok,a", r"row 2: path = 'absent.npy' does not exist in"),
        ("one.npy,good,a", r"row 2: label = 'good' must be one of ok, ng, unlabelled"),
        ("one.npy,ok,a,b", r"row 2: has more cells than the header has columns"),
        (",ok,a", r"row 2: path = '' leaves"),
        ("one.npy,ok,a\none.npy,ng,a", r"row 3: one.npy stands in row 2 too"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, row: str, sentence: str) -> None:
    np.save(tmp_path / "one.npy", np.zeros(4))
    with pytest.raises(RecordingError, match=sentence):
        load_manifest(write_manifest(tmp_path, [row], "format: npy"))


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    np.save(tmp_path / "secret.npy", np.zeros(4))
    (tmp_path / "inside" / "one.npy").symlink_to(tmp_path / "secret.npy")
    with pytest.raises(RecordingError, match="leaves the folder"):
        load_manifest(write_manifest(tmp_path / "inside", ["one.npy,ok,a"], "format: npy"))


@pytest.mark.parametrize(
    ("files", "more", "sentence"),
    [
        ("format: npy, chanels: [x]", "", r"files.chanels: there is no such key"),
        ("format: pickle", "", r"files.format = 'pickle': must be"),
        ("format: npy, unit: V", "", r"files.unit = 'V': must be"),
        (
            "format: npy, axes: [channel]",
            "",
            r"axes = \['channel'\] must name each axis once, time among them",
        ),
        ("format: wav, axes: [time]", "", r"a wav file is \(time, channel\)"),
        (
            "format: npy",
            "columns: {lable: x}\n",
            r"columns.*'lable' must be one of path, label",
        ),
        ("format: npy", "groups: [speed]\n", r"the table has no column 'speed'"),
        (
            "format: npy",
            "root: $NOT_SET_ANYWHERE/x\n",
            r"names an environment variable that is not set",
        ),
    ],
)
def test_a_bad_manifest_is_one_sentence(
    tmp_path: Path, files: str, more: str, sentence: str
) -> None:
    np.save(tmp_path / "one.npy", np.zeros(4))
    with pytest.raises(RecordingError, match=sentence):
        load_manifest(write_manifest(tmp_path, ["one.npy,ok,a"], files, more))


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (
            np.array([0.0, np.nan, 1.0]),
            "row 2: one.npy has a NaN or infinite value at sample 1",
        ),
        (np.zeros((3, 3, 3)), "has shape"),
        (
            np.array([{"a": 1}]),
            "cannot be read as a npy file: it is none, or holds Python objects",
        ),
        (np.array(["a", "b"]), "holds values of type <U1, real numbers are needed"),
        (np.zeros(0), "holds no values"),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, array: NDArray[Any], sentence: str) -> None:
    np.save(tmp_path / "one.npy", array)
    manifest = load_manifest(write_manifest(tmp_path, ["one.npy,ok,a"], "format: npy"))
    with pytest.raises(RecordingError, match=sentence):
        read(manifest.recordings[0])


# -- manifests that name manifests ----------------------------------------------------------------


def plant_in_parts(folder: Path, **second: Any) -> Path:
    """Two recorded folders of one sensor each, and the manifest that joins them."""
    for part, changes in (("a", {}), ("b", second)):
        (folder / part).mkdir(parents=True)
        np.save(folder / part / "x.npy", np.full(40, 1 if part == "a" else 2))
        columns = ["path", "label", "machine", "group", *changes.get("columns", [])]
        row = [
            "x.npy",
            "ok",
            f"M-{part}",
            "run-1",
            *["v" for _ in changes.get("columns", [])],
        ]
        (folder / part / "recordings.csv").write_text(
            f"{','.join(columns)}\n{','.join(row)}\n"
        )
        files = {"format": "npy", "sample_rate_hz": 100, "unit": "g"} | changes.get(
            "files", {}
        )
        write_yaml(folder / part / "manifest.yaml", {"name": part, "files": files})
    tree = {"name": "plant", "manifests": ["a/manifest.yaml", "b/manifest.yaml"]}
    write_yaml(folder / "plant.yaml", tree)
    return folder / "plant.yaml"


def test_joined_manifests_are_read_each_as_it_says(tmp_path: Path) -> None:
    path = plant_in_parts(tmp_path, files={"unit": "m/s2"}, columns=["load"])
    joined = load_manifest(path)
    assert (joined.name, joined.sample_rate_hz, joined.settings.groups) == (
        *("plant", 100, ("machine",)),
    )
    assert [one.machine for one in joined.recordings] == ["M-a", "M-b"]
    assert [read(one)[0, 0] for one in joined.recordings] == pytest.approx([9.80665, 2.0])
    assert [one.value("load") for one in joined.recordings] == ["", "v"]
    assert len(runs(joined)) == 2


@pytest.mark.parametrize(
    ("second", "joined", "sentence"),
    [
        (
            {"files": {"sample_rate_hz": 200}},
            {},
            r"plant.yaml: .*b/manifest.yaml has other sample rate in Hz \(200.0\) than .*a/man",
        ),
        ({"files": {"channels": ["x"]}}, {}, r"has other channels"),
        (
            {},
            {"manifests": ["a/manifest.yaml", "c/manifest.yaml"]},
            r"plant.yaml: .*cannot be read",
        ),
        (
            {},
            {"manifests": ["a/manifest.yaml", "b/../a/manifest.yaml"]},
            r"x.npy stands in row",
        ),
        ({}, {"manifests": ["plant.yaml"]}, r"plant.yaml: names manifests itself"),
        (
            {},
            {"manifests": []},
            r"plant.yaml: manifests = \[\]: must have 1 or more entries",
        ),
        ({}, {"table": "x.csv"}, r"plant.yaml: table: there is no such key"),
        ({"columns": ["load"]}, {"groups": ["load"]}, r"the table has no column 'load'"),
    ],
)
def test_manifests_that_cannot_be_joined(
    tmp_path: Path, second: dict[str, Any], joined: dict[str, Any], sentence: str
) -> None:
    path = plant_in_parts(tmp_path, **second)
    write_yaml(path, read_yaml(path) | joined)
    with pytest.raises(RecordingError, match=sentence) as refused:
        load_manifest(path)
    assert len(str(refused.value).splitlines()) == 1


def test_a_sound_file_of_another_rate_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "one.wav", np.zeros(10), 8000)
    manifest = load_manifest(write_manifest(tmp_path, ["one.wav,ok,a"], "format: wav"))
    with pytest.raises(
        RecordingError, match="is sampled at 8000 Hz, the manifest says 1000 Hz"
    ):
        read(manifest.recordings[0])


@needs_datasets
@pytest.mark.parametrize(
    ("name", "n_recordings", "n_runs", "labels", "shape"),
    [
        ("bosch-cnc", 520, 78, {"ok": 356, "ng": 164}, (3, 10_000)),
        ("pronostia", 7534, 6, {"ok": 1507, "ng": 169, "unlabelled": 5858}, (2, 2560)),
        ("uci-fan", 51, 51, {"ok": 17, "ng": 34}, (3, 3000)),
        ("cwru", 19, 19, {"ok": 4, "ng": 15}, (1, 122_571)),
    ],
)
def test_real_sets(
    name: str,
    n_recordings: int,
    n_runs: int,
    labels: dict[str, int],
    shape: tuple[int, int],
) -> None:
    manifest = load_manifest(MANIFESTS / f"{name}.yaml")
    assert len(manifest.recordings) == n_recordings
    assert len(runs(manifest)) == n_runs
    found = [one.label for one in manifest.recordings]
    assert {label: found.count(label) for label in set(found)} == labels
    assert read(manifest.recordings[0]).shape == shape
