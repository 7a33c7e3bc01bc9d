"""What a retraining starts from: the plant's model in service, and a file that says what to
retrain.
"""

from __future__ import annotations

from pathlib import Path

import yaml

from monitor.recordings.manifest import RecordingSet
from tests.training.conftest import QUICK
from training.registry import promote, publish


def put_in_service(model_folder: Path, folder: Path) -> tuple[Path, str]:
    """Publish the model in folder/models and promote it. Returns that models folder, and the
    version's name.
    """
    models = folder / "models"
    version = publish(model_folder, models).name
    promote(models, "plant", version)
    return models, version


def write_retrain(
    folder: Path, plant: RecordingSet, journal: Path, **recipe: object
) -> Path:
    """folder/retrain.yaml: the plant's recordings and the journal's labels, judged on M2."""
    path = folder / "retrain.yaml"
    tree = {
        "name": "plant",
        "manifest": str(plant.path),
        "journal": str(journal),
        "models_folder": "models",
        "holdout": ["machine=M2"],
        "recipe": {"n_epochs": QUICK.n_epochs, **recipe},
    }
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return path
