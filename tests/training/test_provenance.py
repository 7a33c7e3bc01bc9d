"""What a model says of its training is read as it was written, by older versions too."""

from __future__ import annotations

import pytest
import yaml

from monitor.evidence.model_folder import BUNDLED_MODELS, ModelManifest, load_model_manifest
from training import TrainingError
from training.plain import plain
from training.provenance import read_provenance
from training.recipe import CUTMIX, Recipe

NAMES = sorted(folder.name for folder in BUNDLED_MODELS.iterdir())
SIMULATOR = BUNDLED_MODELS / "simulator"


@pytest.mark.parametrize("name", NAMES)
def test_a_bundled_model_reads_and_writes_the_same(name: str) -> None:
    manifest = load_model_manifest(BUNDLED_MODELS / name)
    written = yaml.safe_load((BUNDLED_MODELS / name / "manifest.yaml").read_text())[
        "training"
    ]
    again = plain(read_provenance(manifest))
    assert list(again) == [key for key in written if key not in ("versions", "parity")]
    for key, value in again.items():
        assert adds_to(written[key], value)


def adds_to(written: object, again: object) -> bool:
    """What was written comes back. What was not known then comes with its default."""
    if isinstance(written, dict) and isinstance(again, dict):
        return all(
            key in again and adds_to(one, again[key]) for key, one in written.items()
        )
    return written == again


def with_training(training: dict[str, object]) -> ModelManifest:
    return load_model_manifest(SIMULATOR).model_copy(update={"training": training})


def test_a_model_without_a_recipe_is_one_sentence() -> None:
    with pytest.raises(
        TrainingError, match=r"section of model simulator .*: recipe is missing"
    ):
        read_provenance(with_training({"manifest": "by hand"}))


def test_a_choice_that_no_recipe_has_is_one_sentence() -> None:
    recipe = Recipe(window_s=1.0).changed({"mixings": [CUTMIX], "n_maps": [2, 3, 5]})
    assert recipe == Recipe(window_s=1.0, mixings=(CUTMIX,), n_maps=(2, 3, 5))
    with pytest.raises(TrainingError, match="recipe: epochs: there is no such key"):
        recipe.changed({"epochs": 3})
    with pytest.raises(
        TrainingError, match="recipe: n_epochs = 'many': must be a whole number"
    ):
        recipe.changed({"n_epochs": "many"})
