"""From labelled windows to a model folder: honest figures first, then a network of everything.

The threshold and the figures in the manifest come from networks that never saw the group they judge; the exported
network then learns from all training windows.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from training.dataset import Dataset, Text
from training.export import ModelCard, export
from training.learn import Learned, learn
from training.recipe import Recipe, network_settings
from training.train import Tick, check_classes, fit

N_PARITY_WINDOWS = 64


@dataclass(frozen=True)
class Plan:
    """Everything a training job needs beside its windows. manifest : name of the recordings, for the record."""

    name: str
    manifest: str
    recipe: Recipe
    groups: tuple[str, ...]
    holdout: tuple[tuple[str, str], ...] = ()

    def n_epochs(self, n_folds: int) -> int:
        """Of the whole job, for a progress bar."""
        return (n_folds + 1) * self.recipe.n_members * self.recipe.n_epochs


def fit_model(train: Dataset, plan: Plan, folder: Path, tick: Tick | None = None) -> str:
    """Train, judge out of fold, export. Returns the model's id; the folder is there whole or not at all.

    Raises TrainingError.
    """
    train = usable(train)
    check_classes(train)
    learned = learn(train, plan.recipe, plan.groups, fit, tick)
    network = network_settings(train.settings, train.psd_db.shape[1], plan.recipe)
    card = ModelCard(
        plan.name,
        train.settings,
        network,
        learned.threshold,
        learned.status_rule,
        learned.novelty_threshold,
        describe(train, plan, learned),
    )
    chosen = np.random.default_rng(0).choice(len(train), min(N_PARITY_WINDOWS, len(train)), replace=False)
    return export(learned.model, card, train.psd_db[chosen], folder)


def usable(dataset: Dataset) -> Dataset:
    """Labelled windows that can be judged."""
    return dataset.select((dataset.label >= 0) & (dataset.bad_reason == ""))


def describe(train: Dataset, plan: Plan, learned: Learned) -> dict[str, Any]:
    """The manifest's training section: enough to train the same network again and to see what it learned from."""
    return {
        "manifest": plan.manifest,
        "recipe": plan.recipe.as_tree(),
        "groups": list(plan.groups),
        "split": {"held_out": [f"{column}={value}" for column, value in plan.holdout]},
        "windows": {"ok": int((train.label == 0).sum()), "ng": int((train.label == 1).sum())},
        "machines": sorted(map(str, np.unique(train.column("machine")))),
        "fingerprint": {"windows": fingerprint(train), "runs": run_fingerprints(train.run)},
        "out_of_fold": learned.as_tree(),
    }


def fingerprint(dataset: Dataset) -> str:
    """SHA-256 over labels, runs and spectra rounded to 0.1 dB, so that a rounding error does not change it."""
    content = hashlib.sha256(np.round(dataset.psd_db * 10).astype(np.int16).tobytes())
    content.update(dataset.label.tobytes())
    content.update("\n".join(dataset.run).encode())
    return content.hexdigest()


def run_fingerprints(run: Text) -> list[str]:
    """Eight hexadecimal digits for each run learned from: a later evaluation can tell what the model has seen."""
    return sorted({hashlib.sha256(str(name).encode()).hexdigest()[:8] for name in np.unique(run)})
