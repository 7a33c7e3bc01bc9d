"""`camshaft-train evaluate`: judge windows that no network had seen, draw, write the report."""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from monitor.classifier import Classifier
from monitor.model_folder import Manifest as ModelManifest
from monitor.model_folder import find_model
from monitor.model_folder import load_manifest as load_model_manifest
from monitor.recordings import Manifest, load_manifest, read, runs
from monitor.records import Float32, Grid
from training import TrainingError, plots, truth
from training.dataset import NG, Dataset
from training.evaluate import Table, figures
from training.export import load_network
from training.fit import run_fingerprints, usable
from training.judge import Judged, Settings, joined, judge, judge_folds
from training.learn import Learned, cross_fit
from training.metrics import auc, balanced_accuracy, bootstrap
from training.progress import bar, read_with_bar
from training.recipe import Recipe, network_settings
from training.regions import band_region, resonance_band_hz
from training.report import interval_text, write_report
from training.splits import inner_folds, leaky, leave_one_out
from training.train import Tick, fit

DEVELOPMENT = (
    "Development figures: the recipe of model {id}, trained anew for each {column} left out. It was chosen while "
    "looking at such folds: expect a little less on machines of your own."
)
N_LEAKY_FOLDS = 4
LATENCY_REPEATS = 200
N_DRAWN = 4
SPREAD_BANDS = 1  # neighbours of a band that count as inside: a cell sees more than its own band


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="a bundled name, a name in --models-folder, or a model folder")
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="the report folder to make")
    parser.add_argument(
        "--leave-out",
        metavar="COLUMN",
        help="train the model's recipe anew without each value of this column, and judge that value",
    )
    parser.add_argument("--members", type=int, metavar="N", help="networks to average when trained anew")
    parser.add_argument("--models-folder", type=Path)
    parser.add_argument("--windows", type=int, default=50, help="first healthy windows that commission a sensor")
    parser.add_argument("--rate", type=float, default=0.1, help="false alarms per window that thresholds are set for")


def run(options: argparse.Namespace) -> int:
    folder = find_model(options.model, options.models_folder)
    model, manifest = load_model_manifest(folder), load_manifest(options.manifest)
    recipe = Recipe.from_tree(model.training["recipe"])
    if options.members is not None:
        recipe = replace(recipe, n_members=options.members)
    title, kind = f"{model.name} on {manifest.name}", f"Model {model.id}, on runs that it never saw."
    job = Job(title, kind, model, folder, manifest, recipe)
    dataset = read_with_bar(manifest, model.settings)
    dataset = dataset.select(dataset.bad_reason == "")
    settings = Settings(options.windows, options.rate)
    if options.leave_out is None:
        judged = judge_with_model(job, dataset, settings)
    else:
        job = replace(job, kind=DEVELOPMENT.format(id=model.id, column=options.leave_out))
        judged = judge_anew(job, dataset, options.leave_out, settings)
    with bar("leaky figure, for contrast", N_LEAKY_FOLDS * recipe.n_epochs) as tick:
        leaky_tree = leaky_figures(dataset, recipe, tick)
    tree = report(job, judged, leaky_tree)
    write_report(options.out, tree, pictures(job, judged, tree))
    print("\n".join(f"{name:20s} {summary(one)}" for name, one in tree["evidence"].items()))
    print(f"report: {options.out / 'report.html'}")
    return 0


def summary(evidence: dict[str, Any]) -> str:
    keys = ("auc", "mean_auc_of_folds", "mean_balanced_accuracy_of_folds")
    return "  ".join(f"{key.replace('_', ' ')} {interval_text(evidence.get(key))}" for key in keys)


@dataclass(frozen=True)
class Job:
    """kind : one sentence on what these figures are, for the report's head. folder : the model's."""

    title: str
    kind: str
    model: ModelManifest
    folder: Path
    manifest: Manifest
    recipe: Recipe

    @property
    def grid(self) -> Grid:
        return self.model.map_grid


def split_by_model(model: ModelManifest, dataset: Dataset) -> tuple[Dataset, Dataset]:
    """Windows of the runs that the model learned from, and those of all other runs."""
    known = set(model.training.get("fingerprint", {}).get("runs", []))
    seen = np.array([run_fingerprints(np.array([run]))[0] in known for run in dataset.run])
    return dataset.select(seen), dataset.select(~seen)


def judge_with_model(job: Job, dataset: Dataset, settings: Settings) -> list[Judged]:
    """The finished model on the runs it never saw. Raises TrainingError where it has seen them all."""
    train, test = split_by_model(job.model, dataset)
    if not {0, 1} <= set(test.label):
        raise TrainingError(
            f"{job.model.name} {job.model.id} learned from "
            f"{'all' if len(test) == 0 else 'most'} of these runs, what is left has not both classes: "
            "use --leave-out COLUMN to train its recipe anew without them."
        )
    learned = Learned(
        load_network(job.folder), job.model.threshold, job.model.novelty_threshold, job.model.status_rule, (), {}
    )
    return [judge("runs the model never saw", train.select(train.label >= 0), test, learned, job.recipe, settings)]


def judge_anew(job: Job, dataset: Dataset, column: str, settings: Settings) -> list[Judged]:
    """The model's recipe, trained anew for each value of the column left out."""
    folds, groups = leave_one_out(dataset, column), job.manifest.settings.groups
    n_fits = 0
    for fold in folds:
        train = dataset.select(fold.train)
        n_fits += 1 + len(inner_folds(train.select(train.label >= 0), groups))
    with bar(f"judging {job.title}", n_fits * job.recipe.n_members * job.recipe.n_epochs) as tick:
        return judge_folds(dataset, folds, job.recipe, groups, settings, tick)


def leaky_figures(dataset: Dataset, recipe: Recipe, tick: Tick | None) -> dict[str, Any]:
    """What a random split of windows would claim, by one network a fold."""
    labelled = usable(dataset)
    logit = cross_fit(labelled, leaky(labelled, N_LEAKY_FOLDS), replace(recipe, n_members=1), fit, tick)
    label = labelled.label
    return {
        "warning": "Windows of one run stand on both sides: this flatters and says nothing of a new machine.",
        "auc": bootstrap(labelled.run, lambda index: auc(label[index], logit[index])).as_tree(),
        "balanced_accuracy": bootstrap(
            labelled.run, lambda index: balanced_accuracy(label[index], logit[index] > 0)
        ).as_tree(),
    }


def report(job: Job, judged: list[Judged], leaky_tree: dict[str, Any] | None) -> dict[str, Any]:
    """Every figure, as report.json has them."""
    return {
        "title": job.title,
        "kind": job.kind,
        "model": {"name": job.model.name, "id": job.model.id, "recipe": job.recipe.as_tree()},
        "runs_on_both_sides": [],  # judging refuses any
        **figures(judged, job.manifest.settings.groups),
        "leaky": leaky_tree,
        "maps": map_section(job, judged),
        "cost": cost(job),
    }


def map_section(job: Job, judged: list[Judged]) -> dict[str, Any]:
    """Figures (a) to (f) on windows called NG of each fold; the folds' means are taken over their windows."""
    scenes = [scene for one in judged if (scene := called_ng(one, job.recipe)) is not None]
    if not scenes:
        return {}
    largest = max(scenes, key=lambda scene: len(scene.psd_db))
    section: dict[str, Any] = {
        "figures": {
            "exact map": truth.map_figures(largest, truth.exact_map),
            "Grad-CAM": truth.map_figures(largest, truth.grad_cam),
        },
        "fold": "of the fold with most windows called NG",
        "receptive_field": {"hz": job.model.receptive_field.hz, "s": job.model.receptive_field.s},
    }
    section["pointing"] = _pointing(job, judged)
    return section


def called_ng(one: Judged, recipe: Recipe) -> truth.Scene | None:
    """Faulty windows that the network called NG: those whose maps have something to show."""
    chosen = np.flatnonzero((one.logit_margin > 0) & (one.data.label == NG))
    if len(chosen) == 0:
        return None
    network = network_settings(one.data.settings, one.data.psd_db.shape[1], recipe)
    return truth.Scene(
        one.learned.model, one.data.psd_db[chosen], one.logit[chosen], one.contribution[chosen], one.reference_db,
        network.frames_per_column, one.data.run[chosen],
    )  # fmt: skip


def _pointing(job: Job, judged: list[Judged]) -> dict[str, Any]:
    """Bearings run to failure: evidence inside the band that spectral kurtosis finds in their last snapshots."""
    found = {}
    for one in judged:
        for sensor in np.unique(one.data.sensor):
            chosen = np.flatnonzero((one.data.sensor == sensor) & (one.data.label == NG))
            snapshots = _snapshots(job.manifest, str(sensor))
            if len(chosen) == 0 or not snapshots:
                continue
            band_hz = resonance_band_hz(snapshots, job.manifest.sample_rate_hz)
            region = band_region(band_hz, job.grid, len(chosen), SPREAD_BANDS)
            name = f"{sensor}, {band_hz[0]:.0f} to {band_hz[1]:.0f} Hz"
            found[name] = truth.pointing(one.contribution[chosen], region)
    return found


def _snapshots(manifest: Manifest, sensor: str) -> list[Float32]:
    """The signals of a sensor's NG recordings, if they are snapshots of a bearing run to failure."""
    if manifest.settings.labels is None:
        return []
    return [read(one) for run in runs(manifest) for one in run if one.sensor == sensor and one.label == "ng"]


def cost(job: Job) -> dict[str, Any]:
    """Size and speed of the exported network, one thread, one window at a time."""
    classifier = Classifier(job.folder)
    settings = job.model.settings
    window = np.full((1, job.model.n_channels, settings.n_bands, settings.n_frames), -60, np.float32)
    classifier.predict(window)
    start = time.perf_counter()
    for _ in range(LATENCY_REPEATS):
        classifier.predict(window)
    spent_s = time.perf_counter() - start
    return {
        "parameters": job.model.training.get("n_parameters"),
        "MFLOP per window": round(job.model.training.get("n_flops", 0) / 1e6, 2),
        "network, ms per window": round(1e3 * spent_s / LATENCY_REPEATS, 3),
    }


def pictures(job: Job, judged: list[Judged], tree: dict[str, Any]) -> dict[str, bytes]:
    table = Table(judged)
    drawn = {
        "Ranking": plots.rankings(table.label, table.scores),
        "Scores about their thresholds": plots.distributions(
            table.label, {name: table.scores[name] for name in ("network", "novelty", "status")}
        ),
        "Calibration": plots.calibration(tree["calibration_curve"]),
    }
    if tree["maps"]:
        drawn["Deletion and insertion"] = plots.deletion(tree["maps"]["figures"])
    drawn["Maps of the windows with the highest logits, one of each run"] = _map_picture(job, judged)
    lives = _lives(judged) if tree["detection"] else []
    if lives:
        drawn["Status score over life"] = plots.life(lives)
    return drawn


def _map_picture(job: Job, judged: list[Judged]) -> bytes:
    psd_db = joined(judged, lambda one: one.data.psd_db.mean(axis=1))
    contribution = joined(judged, lambda one: one.contribution)
    margin, run = joined(judged, lambda one: one.logit_margin), joined(judged, lambda one: one.data.run)
    label = joined(judged, lambda one: one.data.label)
    order = np.argsort(-np.where(label >= 0, margin, -np.inf), kind="stable")
    first = [int(order[np.flatnonzero(run[order] == name)[0]]) for name in dict.fromkeys(run[order])][:N_DRAWN]
    titles = [f"{run[i]}\n{('ok', 'ng')[label[i]]}, margin {margin[i]:+.2f}" for i in first]
    field = (job.model.receptive_field.hz, job.model.receptive_field.s)
    return plots.maps(psd_db[first], contribution[first], job.grid, titles, field, job.model.settings.delta_t_s)


def _lives(judged: list[Judged]) -> list[tuple[str, Any, Any]]:
    return [
        (str(run), one.data.start_s[inside] / 3600, one.status_score[inside])
        for one in judged
        for run in np.unique(one.data.run)
        if len(inside := np.flatnonzero(one.data.run == run)) > 1
    ]
