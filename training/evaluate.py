"""`camshaft-train evaluate`: judge windows that no network had seen, draw, write the report."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from monitor.commands.arguments import check_new_folder, number, whole_number
from monitor.evidence.model_folder import ModelManifest, find_model, load_model_manifest
from monitor.evidence.network import Classifier
from monitor.exit_codes import EXIT_NO, EXIT_OK
from monitor.recordings.manifest import RecordingSet, load_manifest
from monitor.records.evidence import Grid
from monitor.simulator.machine import Truth
from training import TrainingError, plots, simulated
from training.against_peers import advice, caution
from training.cross_fit import cross_fit
from training.dataset import NG, OK, Dataset, concatenate
from training.export import load_network
from training.fit import SIMULATOR, run_fingerprints, usable
from training.fold_model import Learned, n_fits
from training.in_parallel import opened
from training.judged_runs import Judged, Settings, joined, judge, judge_folds
from training.many_fits import FitEach, add_jobs, fit_each
from training.map_report import map_section, point_at_planted, point_at_resonances
from training.metrics import accuracy_of_score, auc, bootstrap_score, interval_text
from training.network_fit import Tick
from training.peers import TRAINED
from training.progress import bar, read_for_model, working
from training.provenance import read_provenance
from training.recipe import Recipe
from training.report import Cost, LeakyFigures, Report, ReportedModel
from training.report_figures import AgainstPeer, ScoreFigures, Table, figures
from training.report_folder import write_report
from training.signal_marks import marks_in, same_signals
from training.splits import inner_folds, leaky, leave_one_out
from training.truth import Pointing

DEVELOPMENT = (
    "Development figures: the recipe of model {id}, trained anew for each {column} left out. It was"
    " chosen while looking at such folds: expect a little less on machines of your own."
)
N_LEAKY_FOLDS = 3
LATENCY_REPEATS = 200
N_DRAWN = 4


EXAMPLES = (
    "camshaft-train evaluate models/pump recordings/manifest.yaml --out report",
    "camshaft-train evaluate cnc-milling new-mill/manifest.yaml --train recordings/manifest.yaml"
    " --out report",
    "camshaft-train evaluate models/pump recordings/manifest.yaml --leave-out machine --out report",
)
EXIT_CODES = {
    0: "the report is written",
    1: "nothing is left to judge that the model had not seen",
    2: "refused: model, recordings or options cannot be used",
    70: "a process was killed at its work",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model", help="a name in --models-folder, a bundled name, or a model folder"
    )
    parser.add_argument(
        "manifest",
        help=f"YAML file of the recordings, or {SIMULATOR!r} for simulated machines",
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="the report folder to make",
    )
    parser.add_argument(
        "--train",
        type=Path,
        metavar="MANIFEST",
        help="recordings to train the peers on (default: those of MANIFEST that the model knows)",
    )
    parser.add_argument(
        "--leave-out",
        metavar="COLUMN",
        help=(
            "train the model's recipe anew without each value of this column, and judge that value"
        ),
    )
    parser.add_argument(
        "--members",
        type=whole_number(1),
        metavar="N",
        help="networks to average when trained anew",
    )
    parser.add_argument("--models-folder", type=Path)
    parser.add_argument(
        "--windows",
        type=whole_number(1),
        default=50,
        help="first healthy windows that commission a sensor",
    )
    parser.add_argument(
        "--rate",
        type=number(above=0, below=1),
        default=0.1,
        help="false alarms per window that thresholds are set for",
    )
    add_jobs(parser)


def run(options: argparse.Namespace) -> int:
    check_new_folder(options.out)
    if options.train is not None and (options.leave_out or options.manifest == SIMULATOR):
        raise TrainingError(
            f"--train = {options.train}: goes neither with --leave-out nor with {SIMULATOR}, which"
            " have recordings to train on."
        )
    folder = find_model(options.model, options.models_folder)
    model = load_model_manifest(folder)
    recipe = read_provenance(model).recipe
    if options.members is not None:
        recipe = recipe.changed({"n_members": options.members})
    settings = Settings(options.windows, options.rate)
    try:
        if options.manifest == SIMULATOR:
            job, judged = on_simulator(model, folder, recipe, settings)
            leaky_found = None
        else:
            with opened(options.jobs) as workers:
                fit_all = partial(fit_each, workers=workers)
                job, judged, leaky_found = on_recordings(
                    model, folder, recipe, settings, options, fit_all
                )
    except NothingUnseen as error:
        print(f"camshaft-train: {error}", file=sys.stderr)
        return EXIT_NO
    with working("figures, maps and pictures"):
        found = report(job, judged, leaky_found)
        write_report(options.out, found, pictures(job, judged, found))
    print(found.kind)
    for name, score in found.figures.evidence.items():
        print(f"{name:20s} {summary(score, found.figures.against_peers.get(name))}")
    print(f"report: {options.out / 'report.html'}")
    return EXIT_OK


def on_recordings(
    model: ModelManifest,
    folder: Path,
    recipe: Recipe,
    settings: Settings,
    options: argparse.Namespace,
    fit_each: FitEach,
) -> tuple[Job, list[Judged], LeakyFigures | None]:
    """Raises NothingUnseen, TrainingError."""
    manifest = load_manifest(Path(options.manifest))
    title = f"{model.name} on {manifest.name}"
    kind = f"Model {model.id}, on runs that it never saw."
    job = Job(title, kind, model, folder, recipe, manifest.settings.groups, manifest)
    dataset = read_for_model(manifest, model)
    dataset = dataset.select(dataset.bad_reason == "")
    if options.leave_out is None:
        train = None if options.train is None else _to_train_on(options.train, model)
        judged = judge_with_model(job, dataset, settings, train)
        said = [job.kind, *renamed(model, dataset), *lacking(judged[0])]
        job = replace(job, kind=" ".join(said))
    else:
        job = replace(job, kind=DEVELOPMENT.format(id=model.id, column=options.leave_out))
        judged = judge_anew(job, dataset, options.leave_out, settings, fit_each)
    with bar("leaky figure, for contrast", N_LEAKY_FOLDS * recipe.n_epochs) as tick:
        return job, judged, leaky_figures(dataset, recipe, fit_each, tick)


def _to_train_on(path: Path, model: ModelManifest) -> Dataset:
    return usable(read_for_model(load_manifest(path), model))


def lacking(judged: Judged) -> list[str]:
    """A sentence for each thing that these recordings cannot show."""
    keep = judged.data.label >= 0
    classes, left = (
        set(judged.data.label[keep]),
        set(judged.data.label[keep & ~judged.excluded]),
    )
    found = []
    if not set(TRAINED) <= set(judged.peers):
        found.append(
            "No peers were trained: there were no recordings of both classes to train them on; name"
            " some with --train MANIFEST. The other peers have the threshold that 5 % of the"
            " first windows exceed."
        )
    for label, name in ((OK, "healthy"), (NG, "faulty")):
        if label not in classes:
            found.append(
                f"There are no {name} windows: what tells the two classes apart cannot be judged."
            )
        elif label not in left:
            found.append(
                f"All {name} windows are of runs that commission their sensor: novelty and status"
                " cannot be judged, only what is said of all windows."
            )
    if not judged.commissioned:
        found.append("No sensor has the healthy windows that it takes to judge by novelty.")
    return found


def on_simulator(
    model: ModelManifest, folder: Path, recipe: Recipe, settings: Settings
) -> tuple[Job, list[Judged]]:
    """The finished model on machines that nobody has met: drawn with another seed than those it
    learned from.
    """
    seen, new = (
        (simulated.N_MACHINES, simulated.N_WINDOWS),
        (simulated.N_TEST_MACHINES, simulated.N_TEST_WINDOWS),
    )
    with bar("simulating", seen[0] * seen[1] + new[0] * new[1]) as tick:
        train, _ = simulated.simulated_dataset(
            model.settings, *seen, recipe.seed, tick=tick
        )
        test, truths = simulated.simulated_dataset(
            model.settings, *new, simulated.TEST_SEED, tick=tick
        )
    kind = f"Model {model.id}, on simulated machines drawn anew."
    job = Job(
        f"{model.name} on new simulated machines",
        kind,
        model,
        folder,
        recipe,
        ("kind",),
        truths=tuple(truths),
    )
    return job, judge_with_model(job, concatenate(train, test), settings)


def summary(score: ScoreFigures | None, against: AgainstPeer | None) -> str:
    keys = ("auc", "mean_auc_of_folds", "mean_balanced_accuracy_of_folds")
    parts = [
        f"{key.replace('_', ' ')} {interval_text(getattr(score, key, None))}"
        for key in keys
    ]
    if against is not None:
        parts.append(f"status is better by AUC {against.status.auc}")
        parts.append(f"balanced accuracy {against.status.balanced_accuracy}")
    return "  ".join(parts)


@dataclass(frozen=True)
class Job:
    """kind : what these figures are and what they lack, in sentences, for the report's head
    folder : the model's. groups : columns
    """

    title: str
    kind: str
    model: ModelManifest
    folder: Path
    recipe: Recipe
    groups: tuple[str, ...]
    manifest: RecordingSet | None = None  # None: simulated
    truths: tuple[Truth, ...] = ()  # of simulated windows

    @property
    def grid(self) -> Grid:
        return self.model.map_grid


def split_by_model(model: ModelManifest, dataset: Dataset) -> tuple[Dataset, Dataset]:
    """Windows of the runs that the model learned from, under any name, and those of all others."""
    known = known_by_name(model, dataset) | known_by_signal(model, dataset)
    seen = np.isin(dataset.run, sorted(known))
    return dataset.select(seen), dataset.select(~seen)


def known_by_name(model: ModelManifest, dataset: Dataset) -> set[str]:
    """Runs that the model learned from."""
    known = set(read_provenance(model).fingerprint.runs)
    runs = [str(run) for run in np.unique(dataset.run)]
    return {run for run in runs if run_fingerprints(np.array([run]))[0] in known}


def known_by_signal(model: ModelManifest, dataset: Dataset) -> set[str]:
    """Runs that hold the signal of one that the model learned from, whatever that was called."""
    learned = read_provenance(model).fingerprint.signals
    signals = {str(at): marks_in(text) for at, text in enumerate(learned)}
    return {run for run, _ in same_signals(dataset.run_marks, signals)}


def renamed(model: ModelManifest, dataset: Dataset) -> list[str]:
    """A sentence on runs that the model knows by another name."""
    runs = sorted(known_by_signal(model, dataset) - known_by_name(model, dataset))
    if not runs:
        return []
    return [
        "Left out are runs that the model learned from under other names, as their signals tell:"
        f" {runs[0]!r}, the first of {len(runs)}."
    ]


class NothingUnseen(TrainingError):
    """The model has seen all that could judge it; str() is one sentence."""


def judge_with_model(
    job: Job, dataset: Dataset, settings: Settings, train_on: Dataset | None = None
) -> list[Judged]:
    """The finished model on the runs it never saw.

    train_on : for the peers; None for the runs that it did see. Raises
        NothingUnseen, TrainingError
    """
    if not (dataset.label >= 0).any():
        raise TrainingError(
            "none of these recordings is labelled: there is nothing to judge by."
        )
    seen, test = split_by_model(job.model, dataset)
    if not (test.label >= 0).any():
        raise NothingUnseen(
            f"{job.model.name} {job.model.id} learned from every labelled run of these recordings:"
            " nothing unseen is left to judge it on. --leave-out COLUMN trains its recipe anew"
            " without some of them."
        )
    train = seen if train_on is None else train_on
    learned = Learned(
        load_network(job.folder),
        job.model.threshold,
        job.model.novelty_floor or 0.0,
        job.model.status_rule,
        job.recipe.mixings[0],
        job.model.levels,
        None,
    )
    return [
        judge(
            "runs the model never saw",
            train,
            test,
            learned,
            job.recipe,
            settings,
        )
    ]


def judge_anew(
    job: Job, dataset: Dataset, column: str, settings: Settings, fit_each: FitEach
) -> list[Judged]:
    """The model's recipe, trained anew for each value of the column left out."""
    folds, groups = leave_one_out(dataset, column), job.groups
    total = 0
    for fold in folds:
        train = dataset.select(fold.train)
        total += n_fits(
            len(inner_folds(train.select(train.label >= 0), groups)), job.recipe
        )
    with bar(
        f"judging {job.title}", total * job.recipe.n_members * job.recipe.n_epochs
    ) as tick:
        return judge_folds(dataset, folds, job.recipe, groups, settings, fit_each, tick)


def leaky_figures(
    dataset: Dataset, recipe: Recipe, fit_each: FitEach, tick: Tick | None
) -> LeakyFigures | None:
    """What a random split of windows would claim, by one network a fold. None where a fold would
    lack a class.
    """
    labelled = usable(dataset)
    folds = leaky(labelled, N_LEAKY_FOLDS)
    if not all({OK, NG} <= set(labelled.label[fold.train]) for fold in folds):
        return None
    single = replace(recipe, n_members=1)
    logit = cross_fit(labelled, folds, single, fit_each, tick).logit
    label = labelled.label
    return LeakyFigures(
        warning=(
            "Windows of one run stand on both sides: this flatters and says nothing of a new"
            " machine."
        ),
        auc=bootstrap_score(labelled.run, label, logit, auc),
        balanced_accuracy=bootstrap_score(labelled.run, label, logit, accuracy_of_score),
    )


def report(job: Job, judged: list[Judged], leaky_found: LeakyFigures | None) -> Report:
    found = figures(judged, job.groups)
    wins = advice("status", found.status_leads)
    data = (
        joined(judged, lambda one: one.data.label),
        joined(judged, lambda one: one.data.run),
    )
    said = (wins, job.kind, caution(*data))
    return Report(
        title=job.title,
        kind=" ".join(filter(None, said)),
        model=ReportedModel(job.model.name, job.model.id, job.recipe),
        runs_on_both_sides=[],  # judging refuses any
        figures=found,
        leaky=leaky_found,
        maps=map_section(judged, job.recipe, job.model, pointing_figures(job, judged)),
        cost=cost(job),
    )


def pointing_figures(job: Job, judged: list[Judged]) -> dict[str, Pointing]:
    """Where the evidence ought to lie: planted faults, or what spectral kurtosis finds in bearings
    run to failure.
    """
    if job.truths:
        return point_at_planted(judged[0], job.truths, job.model)
    if job.manifest is None or job.manifest.settings.labels is None:
        return {}
    return point_at_resonances(judged, job.manifest, job.grid)


def cost(job: Job) -> Cost:
    classifier = Classifier(job.folder)
    settings = job.model.settings
    window = np.full(
        (1, job.model.n_channels, settings.n_bands, settings.n_frames), -60, np.float32
    )
    classifier.predict(window)
    start = time.perf_counter()
    for _ in range(LATENCY_REPEATS):
        classifier.predict(window)
    spent_s = time.perf_counter() - start
    learned_from = read_provenance(job.model)
    return Cost(
        n_parameters=learned_from.n_parameters,
        mflop_per_window=round(learned_from.n_flops / 1e6, 2),
        ms_per_window=round(1e3 * spent_s / LATENCY_REPEATS, 3),
    )


def pictures(job: Job, judged: list[Judged], found: Report) -> dict[str, bytes]:
    """Title -> PNG."""
    table = Table(judged)
    drawn = {
        "Ranking": plots.rankings(table.label, table.scores),
        "Scores about their thresholds": plots.distributions(
            table.label,
            {name: table.scores[name] for name in ("network", "novelty", "status")},
        ),
        "Calibration": plots.calibration(found.figures.calibration_curve),
    }
    if found.maps is not None:
        drawn["Deletion and insertion"] = plots.deletion(found.maps.figures)
    drawn["Maps of the windows with the highest logits, one of each run"] = _map_picture(
        job, judged
    )
    lives = _lives(judged) if found.figures.detection else []
    if lives:
        drawn["Status score over life"] = plots.life(lives)
    return drawn


def _map_picture(job: Job, judged: list[Judged]) -> bytes:
    psd_db = joined(judged, lambda one: one.data.psd_db.mean(axis=1))
    contribution = joined(judged, lambda one: one.contribution)
    margin, run = (
        joined(judged, lambda one: one.logit_margin),
        joined(judged, lambda one: one.data.run),
    )
    label = joined(judged, lambda one: one.data.label)
    order = np.argsort(-np.where(label >= 0, margin, -np.inf), kind="stable")
    order = order[label[order] >= 0]
    first = [
        int(order[np.flatnonzero(run[order] == name)[0]])
        for name in dict.fromkeys(run[order])
    ][:N_DRAWN]
    titles = [f"{run[i]}\n{('ok', 'ng')[label[i]]}, margin {margin[i]:+.2f}" for i in first]
    field = (job.model.receptive_field.hz, job.model.receptive_field.s)
    return plots.maps(
        psd_db[first],
        contribution[first],
        job.grid,
        titles,
        field,
        job.model.settings.delta_t_s,
    )


def _lives(judged: list[Judged]) -> list[tuple[str, Any, Any]]:
    return [
        (str(run), one.data.start_s[inside] / 3600, one.status_score[inside])
        for one in judged
        for run in np.unique(one.data.run)
        if len(inside := np.flatnonzero(one.data.run == run)) > 1
    ]
