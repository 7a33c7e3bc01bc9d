"""Models come into service and go out of it by one rename."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import yaml

from monitor.evidence.model_folder import (
    BUNDLED_MODELS,
    ModelError,
    find_model,
    load_model_manifest,
)
from training import TrainingError
from training.registry import HISTORY, in_service, promote, publish, rollback


def copies(model_folder: Path, folder: Path) -> list[Path]:
    """Three models of one name that differ in their id."""
    made = []
    for model_id in ("first", "second", "third"):
        copy = folder / f"made-{model_id}"
        shutil.copytree(model_folder, copy)
        tree = yaml.safe_load((copy / "manifest.yaml").read_text())
        (copy / "manifest.yaml").write_text(yaml.safe_dump({**tree, "id": model_id}))
        made.append(copy)
    return made


def test_promote_and_roll_back(model_folder: Path, tmp_path: Path) -> None:
    models = tmp_path / "registry"
    for copy in copies(model_folder, tmp_path):
        place = publish(copy, models)
        assert in_service(models, "plant") != place.name  # to publish is not to promote
        promote(models, "plant", place.name)
        assert load_model_manifest(find_model("plant", models)).id == place.name
    assert rollback(models, "plant") == "second"
    assert load_model_manifest(find_model("plant", models)).id == "second"
    assert rollback(models, "plant") == "first"
    with pytest.raises(TrainingError, match="no model was in service before first"):
        rollback(models, "plant")
    promote(models, "plant", "third")
    assert rollback(models, "plant") == "first"


def test_a_model_in_place_of_a_bundled_one_can_be_rolled_back(tmp_path: Path) -> None:
    bundled = find_model("simulator", tmp_path)
    assert bundled == BUNDLED_MODELS / "simulator"
    own = tmp_path / "own"
    shutil.copytree(bundled, own)
    tree = yaml.safe_load((own / "manifest.yaml").read_text())
    (own / "manifest.yaml").write_text(yaml.safe_dump({**tree, "id": "own"}))
    models = tmp_path / "registry"
    publish(own, models)
    assert promote(models, "simulator", "own") == tree["id"]
    assert load_model_manifest(find_model("simulator", models)).id == "own"
    assert rollback(models, "simulator") == tree["id"]
    assert load_model_manifest(find_model("simulator", models)).id == tree["id"]


def test_a_step_cut_short_is_mended_by_the_link(model_folder: Path, tmp_path: Path) -> None:
    models = tmp_path / "registry"
    for copy in copies(model_folder, tmp_path):
        publish(copy, models)
    promote(models, "plant", "first")
    # As if killed before the link was moved.
    (models / "plant" / HISTORY).write_text("first\nsecond\n")
    promote(models, "plant", "third")
    assert rollback(models, "plant") == "first"


def test_what_cannot_be_promoted(model_folder: Path, tmp_path: Path) -> None:
    models = tmp_path / "registry"
    copy = copies(model_folder, tmp_path)[0]
    with pytest.raises(ModelError):
        promote(models, "plant", "first")
    place = publish(copy, models)
    promote(models, "plant", "first")
    with pytest.raises(TrainingError, match="plant first is in service already"):
        promote(models, "plant", "first")
    assert publish(copy, models) == place  # again: nothing happens
    assert sorted(os.listdir(models / "plant")) == ["current", "first", HISTORY]
    with pytest.raises(TrainingError, match="no model was in service before any"):
        rollback(models, "unknown")
