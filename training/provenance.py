"""Where a model came from: the training section of its manifest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, TypeAdapter

from monitor.evidence.model_folder import ModelManifest
from training.dataset import ClassCounts
from training.fold_model import OutOfFold
from training.plain import record_of
from training.recipe import Recipe

MARKS = "^([0-9a-f]{8})*$"


@dataclass(frozen=True)
class Split:
    """held_out : "column=value" of the recordings left out"""

    held_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class Fingerprint:
    """windows : SHA-256 of what was learned. runs : eight hexadecimal digits for each run, of its
    name. signals : of each run, what tells its signal under any name
    """

    windows: str = ""
    runs: tuple[str, ...] = ()
    signals: tuple[Annotated[str, Field(pattern=MARKS)], ...] = ()


@dataclass(frozen=True)
class Provenance:
    """Enough to train the same network again and to see what it learned from.

    manifest : name of the recordings. groups : columns that folds were made by
    n_flops : for one window
    """

    manifest: str
    recipe: Recipe
    groups: tuple[str, ...] = ()
    split: Split = Split()
    windows: ClassCounts | None = None
    machines: tuple[str, ...] = ()
    fingerprint: Fingerprint = Fingerprint()
    out_of_fold: OutOfFold | None = None
    n_parameters: int | None = None
    n_flops: int = 0


_PROVENANCE = TypeAdapter(Provenance)


def read_provenance(model: ModelManifest) -> Provenance:
    """Raises TrainingError where the manifest's training section lacks what training needs."""
    where = f"training section of model {model.name} {model.id}"
    return record_of(_PROVENANCE, model.training, where)
