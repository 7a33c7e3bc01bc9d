"""From labelled windows to a model folder: honest figures first, then a network of everything.

The threshold and the figures in the manifest come from networks that never saw
the group they judge; the exported network then learns from all training
windows.
"""

from __future__ import annotations

import argparse
import hashlib
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from monitor.commands.arguments import check_new_folder, number, whole_number
from monitor.evidence.model_folder import load_model_manifest
from monitor.exit_codes import EXIT_OK
from monitor.recordings.manifest import load_manifest
from training import simulated
from training.dataset import Dataset, Text, class_counts
from training.export import ModelCard, export
from training.fold_model import Learned, learn, n_columns, n_fits
from training.in_parallel import HERE, Workers, opened
from training.levels import as_seen
from training.many_fits import add_jobs, fit_each
from training.network_fit import Tick, check_classes
from training.progress import bar, read_with_bar
from training.provenance import Fingerprint, Provenance, Split, read_provenance
from training.recipe import (
    ABSOLUTE,
    AUTO,
    RELATIVE,
    Recipe,
    default_epochs,
    default_recipe,
    network_settings,
    spectrogram_settings,
    within_budget,
)
from training.signal_marks import marks_text
from training.splits import held_out, inner_folds, refuse_same_signal

N_PARITY_WINDOWS = 64
# stands for a manifest: the simulated machines of monitor.simulator
SIMULATOR = "simulator"


EXAMPLES = (
    "camshaft-train fit recordings/manifest.yaml --out models/pump --holdout machine=pump-4",
)
EXIT_CODES = {
    0: "the model folder is made",
    2: "refused: recordings or options cannot be used",
    70: "a process was killed at its work",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "manifest",
        help=f"YAML file of the recordings, or {SIMULATOR!r} for simulated machines",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="the model folder to make"
    )
    parser.add_argument("--name", help="the model's name (default: the manifest's)")
    parser.add_argument(
        "--holdout",
        type=column_and_value,
        action="append",
        default=[],
        metavar="COLUMN=VALUE",
        help="recordings to leave out, for a later evaluation; may stand several times",
    )
    parser.add_argument(
        "--window-s",
        type=number(above=0, below=3600),
        metavar="S",
        help="length of a window in seconds",
    )
    parser.add_argument("--seed", type=whole_number(0, 2**32 - 1))
    parser.add_argument(
        "--members",
        type=whole_number(1),
        metavar="N",
        help="networks whose logits are averaged (default 3)",
    )
    parser.add_argument(
        "--levels",
        choices=(AUTO, ABSOLUTE, RELATIVE),
        help="what the network is shown: levels as they are, or relative to the sensor's own"
        " (default auto: by how well novelty ranks the faults)",
    )
    parser.add_argument(
        "--epochs",
        type=whole_number(1),
        metavar="N",
        help="default: by the number of windows",
    )
    add_jobs(parser)


def run(options: argparse.Namespace) -> int:
    check_new_folder(options.out)
    choices = {
        "window_s": options.window_s,
        "seed": options.seed,
        "n_members": options.members,
        "n_epochs": options.epochs,
        "levels": options.levels,
    }
    given = {key: value for key, value in choices.items() if value is not None}
    train, plan = prepare(options.manifest, options.name, tuple(options.holdout), given)
    with opened(options.jobs) as workers:
        model_id = fit_with_bar(train, plan, options.out, workers)
    manifest = load_model_manifest(options.out)
    learned_from = read_provenance(manifest)
    if learned_from.out_of_fold is not None:
        print(f"Out of fold, by networks and peers that never saw {_unseen(learned_from)}:")
        print("\n".join(learned_from.out_of_fold.beside_peers.lines()))
    if manifest.needs_baseline:
        print(
            "It sees levels relative to the sensor's own: a sensor must be commissioned first."
        )
    print(f"{plan.name} {model_id} -> {options.out}")
    return EXIT_OK


def _unseen(learned_from: Provenance) -> str:
    """What the folds left out: groups, or where these cannot tell both classes, runs."""
    found = learned_from.out_of_fold
    if found is None or not all(name.startswith("run ") for name in found.folds):
        return "the group they judge"
    return "the run they judge, but others of its machine (of new machines it says nothing)"


def column_and_value(text: str) -> tuple[str, str]:
    column, equals, value = text.partition("=")
    if not (column and equals and value):
        raise argparse.ArgumentTypeError(f"{text!r} is not COLUMN=VALUE")
    return column, value


@dataclass(frozen=True)
class Plan:
    """Everything a training job needs beside its windows. manifest : name of the recordings, for
    the record.
    """

    name: str
    manifest: str
    recipe: Recipe
    groups: tuple[str, ...]
    holdout: tuple[tuple[str, str], ...] = ()

    def n_epochs(self, n_folds: int) -> int:
        """Of the whole job, for a progress bar."""
        return n_fits(n_folds, self.recipe) * self.recipe.n_members * self.recipe.n_epochs


def prepare(
    source: str,
    name: str | None,
    holdout: tuple[tuple[str, str], ...],
    given: dict[str, Any],
) -> tuple[Dataset, Plan]:
    """Sound windows to train on, unlabelled ones among them, and the plan for them.

    given : choices of the recipe that are not its defaults
    """
    if source == SIMULATOR:
        recipe = simulated.RECIPE.changed(given)
        with bar("simulating", simulated.N_MACHINES * simulated.N_WINDOWS) as tick:
            dataset, _ = simulated.simulated_dataset(
                simulated.SETTINGS,
                simulated.N_MACHINES,
                simulated.N_WINDOWS,
                recipe.seed,
                tick=tick,
            )
        return sound(dataset), Plan(name or SIMULATOR, SIMULATOR, recipe, ("machine",))
    manifest = load_manifest(Path(source))
    recipe = default_recipe(manifest).changed(given)
    settings = spectrogram_settings(manifest.sample_rate_hz, recipe)
    if "n_maps" not in given:
        recipe = within_budget(recipe, settings, len(manifest.channels))
    dataset = read_with_bar(manifest, settings)
    if holdout:
        aside = held_out(dataset, list(holdout))
        refuse_same_signal("hold-out", dataset.select(~aside), dataset.select(aside))
        dataset = dataset.select(~aside)
    train = sound(dataset)
    labelled = usable(train)
    check_classes(labelled)
    if "n_epochs" not in given:
        recipe = replace(recipe, n_epochs=default_epochs(len(labelled)))
    return train, Plan(
        name or manifest.name, manifest.name, recipe, manifest.settings.groups, holdout
    )


def fit_with_bar(train: Dataset, plan: Plan, folder: Path, workers: Workers = HERE) -> str:
    labelled = usable(train)
    check_classes(labelled)
    n_epochs = plan.n_epochs(len(inner_folds(labelled, plan.groups)))
    with bar(f"training {plan.name}", n_epochs) as tick:
        return fit_model(train, plan, folder, tick, workers)


def fit_model(
    train: Dataset,
    plan: Plan,
    folder: Path,
    tick: Tick | None = None,
    workers: Workers = HERE,
) -> str:
    """Train on windows that can be judged, judge out of fold, export. Returns the model's id.

    train : unlabelled windows may commission their sensor, no more The folder
        is there whole or not at all. Raises TrainingError.
    """
    check_classes(usable(train))
    fit_all = partial(fit_each, workers=workers)
    learned = learn(train, plan.recipe, plan.groups, fit_all, tick)
    shown = usable(as_seen(train, learned.levels, n_columns(train, plan.recipe)))
    train = usable(train)
    network = network_settings(train.settings, train.psd_db.shape[1], plan.recipe)
    card = ModelCard(
        plan.name,
        train.settings,
        network,
        learned.threshold,
        learned.status_rule,
        learned.novelty_floor,
        provenance(train, plan, learned),
        learned.levels,
    )
    chosen = np.random.default_rng(0).choice(
        len(train), min(N_PARITY_WINDOWS, len(train)), replace=False
    )
    return export(learned.model, card, shown.psd_db[chosen], folder)


def sound(dataset: Dataset) -> Dataset:
    """Windows that can be judged, labelled or not."""
    return dataset.select(dataset.bad_reason == "")


def usable(dataset: Dataset) -> Dataset:
    """Labelled windows that can be judged."""
    return dataset.select((dataset.label >= 0) & (dataset.bad_reason == ""))


def provenance(train: Dataset, plan: Plan, learned: Learned) -> Provenance:
    return Provenance(
        manifest=plan.manifest,
        recipe=plan.recipe,
        groups=plan.groups,
        split=Split(tuple(f"{column}={value}" for column, value in plan.holdout)),
        windows=class_counts(train.label),
        machines=tuple(sorted(map(str, np.unique(train.column("machine"))))),
        fingerprint=Fingerprint(
            fingerprint(train),
            tuple(run_fingerprints(train.run)),
            tuple(map(marks_text, train.run_marks.values())),
        ),
        out_of_fold=learned.out_of_fold,
    )


def fingerprint(dataset: Dataset) -> str:
    """SHA-256 over labels, runs and spectra rounded to 0.1 dB, so that a rounding error seldom
    changes it. Of millions of cells some lie so close to a boundary that
    another processor's do.
    """
    content = hashlib.sha256(np.round(dataset.psd_db * 10).astype(np.int16).tobytes())
    content.update(dataset.label.tobytes())
    content.update("\n".join(dataset.run).encode())
    return content.hexdigest()


def run_fingerprints(run: Text) -> list[str]:
    """Eight hexadecimal digits for each run learned from: a later evaluation can tell what the
    model has seen.
    """
    return sorted(
        {hashlib.sha256(str(name).encode()).hexdigest()[:8] for name in np.unique(run)}
    )
