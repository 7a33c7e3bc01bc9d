from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from monitor.evidence import model_folder
from monitor.evidence.model_folder import (
    ModelError,
    find_model,
    load_model_manifest,
    manifest_sha256,
    read_checked,
)
from monitor.refusals import MAX_BYTES
from monitor.signal.spectrogram import default_settings
from tests.small_network import write_folder

SETTINGS = default_settings(25_600, 25_600)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_folder(tmp_path / "model", SETTINGS, 1, b"network", [1.0, -2.0], 0.5)
    return tmp_path / "model"


def change(folder: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    tree = yaml.safe_load((folder / "manifest.yaml").read_text())
    edit(tree)
    (folder / "manifest.yaml").write_text(yaml.safe_dump(tree))


def many(n: int) -> list[str]:
    return [f"part-{number}" for number in range(n)]


def test_a_manifest_gives_settings_grid_and_head(folder: Path) -> None:
    manifest = load_model_manifest(folder)
    assert manifest.settings == SETTINGS
    assert manifest.map_grid.shape == (24, 9)
    assert manifest.map_grid.f_edges_hz == SETTINGS.band_edges_hz
    assert manifest.head.weights == (1.0, -2.0)
    assert manifest.training == {"note": "random weights"}
    assert read_checked(folder, "model.tflite", manifest) == b"network"


def test_a_changed_file_is_refused(folder: Path) -> None:
    (folder / "model.tflite").write_bytes(b"networK")
    with pytest.raises(
        ModelError,
        match=r"model.tflite has SHA-256 [0-9a-f]{12}..., its manifest says .* was changed",
    ):
        load_model_manifest(folder)


def test_a_missing_file_is_refused(folder: Path) -> None:
    (folder / "model.tflite").unlink()
    with pytest.raises(ModelError, match=r"model.tflite cannot be read: No such file"):
        load_model_manifest(folder)


def test_a_folder_in_the_place_of_a_file_is_refused(folder: Path) -> None:
    (folder / "model.tflite").unlink()
    (folder / "model.tflite").mkdir()
    with pytest.raises(ModelError, match=r"must be a plain file of at most 67108864 bytes"):
        load_model_manifest(folder)


def test_a_manifest_that_is_too_large_or_no_yaml_is_refused(folder: Path) -> None:
    path = folder / "manifest.yaml"
    path.write_text("#" * (MAX_BYTES + 1))
    with pytest.raises(
        ModelError, match=r"manifest.yaml has over 1048576 bytes: no more are read"
    ):
        load_model_manifest(folder)
    path.write_text("id: [")
    with pytest.raises(ModelError, match=r"manifest.yaml is not YAML"):
        load_model_manifest(folder)
    path.write_text("[" * 100_000)
    with pytest.raises(ModelError, match=r"manifest.yaml is not YAML"):
        load_model_manifest(folder)
    path.write_text("- a list")
    with pytest.raises(ModelError, match=r"must hold keys and values, found a list"):
        load_model_manifest(folder)
    path.write_text("!!python/object/apply:os.system ['true']")
    with pytest.raises(
        ModelError,
        match=r"is not YAML: line 1, column 1: could not determine a constructor",
    ):
        load_model_manifest(folder)


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        (
            lambda tree: tree.pop("threshold"),
            r"manifest.yaml: threshold is missing: it has no default\.",
        ),
        (
            lambda tree: tree.update(colour="red"),
            r"colour: there is no such key\.",
        ),
        (lambda tree: tree.update(unit="g"), r"unit = 'g': must be 'm/s2'\."),
        (
            lambda tree: tree.update(threshold=float("nan")),
            r"threshold = nan: must be a finite number\.",
        ),
        (
            lambda tree: tree["spectrogram"].update(hop=5000),
            r"hop = 5000: must be from 1 to n_fft = 1024",
        ),
        (
            lambda tree: tree["grid"].update(t_edges_s=[0, 2, 1]),
            r"grid.t_edges_s = \[0, 2, 1\]: must rise",
        ),
        (
            lambda tree: tree["grid"]["f_edges_hz"].pop(),
            r"grid.f_edges_hz must equal spectrogram.band_edges_hz",
        ),
        (
            lambda tree: tree["grid"].update(t_edges_s=list(range(99))),
            r"more columns than the spectrogram has frames",
        ),
        (
            lambda tree: tree["files"].update({"../escape": "0" * 64}),
            r"'../escape' must be a plain file name",
        ),
        (
            lambda tree: tree["files"].update({"model.tflite": "abc"}),
            r"model.tflite = 'abc' must be a SHA-256",
        ),
        (
            lambda tree: tree["grid"].update(t_edges_s=[0, 1, 1]),
            r"grid.t_edges_s = \[0, 1, 1\]: must rise",
        ),
        (
            lambda tree: tree["grid"].update(t_edges_s=[0]),
            r"grid.t_edges_s.*: must have 2 or more entries",
        ),
        (
            lambda tree: tree["grid"].update(t_edges_s=list(range(51))),
            r"more columns than the spectrogram has frames \(49\)",
        ),
        (
            lambda tree: tree["receptive_field"].update(hz=0),
            r"receptive_field.hz = 0: must be greater than 0",
        ),
        (
            lambda tree: tree["receptive_field"].update(hz=float("inf")),
            r"receptive_field.hz = inf: must be a finite number",
        ),
        (lambda tree: tree.update(n_channels=17), r"n_channels = 17: must be"),
        (
            lambda tree: tree["files"].update({"manifest.yaml": "0" * 64}),
            r"'manifest.yaml' must be a plain file name",
        ),
        (
            lambda tree: tree["files"].update(dict.fromkeys(many(32), "0" * 64)),
            r"files: must have 32 or fewer entries",
        ),
        (
            lambda tree: tree["head"].update(weights=[0.5] * 4097),
            r"head.weights = .*: must have 4096 or fewer entries",
        ),
        (
            lambda tree: tree["head"].update(weights=[]),
            r"head.weights = \[\]: must have 1 or more entries",
        ),
    ],
)
def test_a_wrong_manifest_is_refused_in_one_sentence(
    folder: Path, edit: Callable[[dict[str, Any]], object], sentence: str
) -> None:
    change(folder, edit)
    with pytest.raises(ModelError, match=sentence) as refused:
        load_model_manifest(folder)
    assert "\n" not in str(refused.value)


def test_a_model_is_found_by_path_and_by_registered_name(
    folder: Path, tmp_path: Path
) -> None:
    registered = tmp_path / "models" / "pump" / "current"
    registered.parent.mkdir(parents=True)
    registered.symlink_to(folder)
    assert find_model(str(folder)) == folder
    assert find_model("pump", tmp_path / "models") == registered
    with pytest.raises(
        ModelError,
        match=r"model = 'fan': no manifest.yaml in any of .*monitor/models/fan, ",
    ):
        find_model("fan", tmp_path / "models")
    with pytest.raises(
        ModelError, match=r"model = '\.\./fan': no manifest.yaml in any of \.\./fan\."
    ):
        find_model("../fan", tmp_path / "models")


def test_the_most_that_a_manifest_may_say_and_the_least(folder: Path) -> None:
    for name in many(31):
        (folder / name).write_bytes(b"")
    empty = hashlib.sha256(b"").hexdigest()

    def to_most(tree: dict[str, Any]) -> None:
        tree["files"].update(dict.fromkeys(many(31), empty))
        tree["head"]["weights"] = [0.5] * 4096
        tree["grid"]["t_edges_s"] = list(range(50))
        tree["n_channels"] = 16

    def to_least(tree: dict[str, Any]) -> None:
        tree["head"]["weights"] = [0.5]
        tree["spectrogram"]["band_edges_hz"] = tree["grid"]["f_edges_hz"] = [100, 200]
        tree["grid"]["t_edges_s"] = [0, 1]
        tree["n_channels"] = 1

    change(folder, to_most)
    most = load_model_manifest(folder)
    assert (len(most.files), most.map_grid.shape) == (32, (24, 49))
    change(folder, to_least)
    assert load_model_manifest(folder).map_grid.shape == (1, 1)


def test_a_manifest_stays_as_it_was_checked(folder: Path) -> None:
    manifest = load_model_manifest(folder)
    with pytest.raises(ValidationError, match="frozen"):
        manifest.threshold = 1.0  # type: ignore[misc]


@pytest.mark.parametrize(("levels", "needs"), [("absolute", False), ("relative", True)])
def test_who_is_shown_relative_levels_needs_a_baseline(
    folder: Path, levels: str, needs: bool
) -> None:
    change(folder, lambda tree: tree.update(levels=levels))
    assert load_model_manifest(folder).needs_baseline is needs


def test_a_manifest_is_known_by_its_bytes(folder: Path) -> None:
    content = (folder / "manifest.yaml").read_bytes()
    assert manifest_sha256(folder) == hashlib.sha256(content).hexdigest()


def test_a_file_may_be_as_large_as_the_limit(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_folder, "MAX_FILE_BYTES", len(b"network"))
    load_model_manifest(folder)
    monkeypatch.setattr(model_folder, "MAX_FILE_BYTES", len(b"network") - 1)
    with pytest.raises(ModelError, match="has 7 bytes: must be a plain file of at most 6"):
        load_model_manifest(folder)
