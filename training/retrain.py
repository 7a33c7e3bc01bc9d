"""`camshaft-train retrain`: the job for the timer.

Trains on recordings and labelled windows of the journal, judges on a frozen
hold-out, and promotes only if every gate holds; else it leaves a report that
says which did not.

    name: cnc-milling                 # the model's name in the registry
    manifest: recordings.yaml
    journal: /var/lib/camshaft/camshaft.journal
    models_folder: /var/lib/camshaft/models
    holdout: [machine=M02]            # never trained on
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, field_validator

from monitor.commands.arguments import check_writable
from monitor.config_file import read_yaml
from monitor.evidence.model_folder import find_model, load_model_manifest
from monitor.recordings.manifest import RecordingSet, load_manifest
from monitor.refusals import sentences
from monitor.settings import ConfigError, Settings
from training import TrainingError, evaluate, registry
from training.dataset import NG, OK, Dataset, concatenate
from training.export import load_network
from training.fit import Plan, column_and_value, fit_with_bar, sound
from training.gates import Gate, leak_gate, map_gate, not_worse_gate, peer_gate
from training.judged_runs import Judged
from training.judged_runs import Settings as JudgeSettings
from training.labelled_windows import labelled_dataset
from training.leaks import HeldOut, runs_on_both_sides
from training.levels import as_seen
from training.metrics import auc, bootstrap
from training.network import predict
from training.progress import read_for_model
from training.provenance import read_provenance
from training.report_folder import write_report
from training.splits import held_out, refuse_same_signal

REPORTS = "reports"


class RetrainSettings(Settings):
    """Paths are taken from the file's folder. recipe : choices that differ from those of the model
    in service.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    manifest: Path
    journal: Path | None = None
    models_folder: Path
    holdout: tuple[str, ...] = Field(min_length=1)
    recipe: dict[str, Any] = Field(default_factory=dict)

    @field_validator("holdout")
    @classmethod
    def _pairs(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            try:
                column_and_value(text)
            except argparse.ArgumentTypeError as error:
                raise ValueError(str(error)) from error
        return value


EXAMPLES = ("camshaft-train retrain -c /etc/camshaft/retrain.yaml",)
EXIT_CODES = {
    0: "every gate holds: the candidate is in service",
    1: "a gate refused it: the model in service stays",
    2: "refused: settings, journal or recordings cannot be used",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-c", "--config", type=Path, required=True, metavar="FILE")


def run(options: argparse.Namespace) -> int:
    gates, model_id, folder = retrain(load_settings(options.config))
    for gate in gates:
        print(f"{'holds ' if gate.passed else 'FAILED'} {gate}")
    passed = all(gate.passed for gate in gates)
    print(
        f"candidate {model_id}: {'promoted' if passed else 'refused'}; report:"
        f" {folder / 'report.html'}"
    )
    return 0 if passed else 1


def load_settings(path: Path) -> RetrainSettings:
    """Raises ConfigError, one sentence a line."""
    try:
        settings = RetrainSettings.model_validate(read_yaml(path))
    except ValidationError as error:
        raise ConfigError(sentences(error)) from error
    places = {
        key: path.parent / getattr(settings, key) for key in ("manifest", "models_folder")
    }
    if settings.journal is not None:
        places["journal"] = path.parent / settings.journal
    return settings.model_copy(update=places)


def retrain(settings: RetrainSettings) -> tuple[list[Gate], str, Path]:
    """Gates, the candidate's id, and the folder of its report."""
    check_writable(settings.models_folder / settings.name / REPORTS, "models_folder")
    service = model_in_service(settings)
    in_service = load_model_manifest(service)
    recipe = read_provenance(in_service).recipe.changed(settings.recipe)
    manifest = load_manifest(settings.manifest)
    dataset = sound(read_for_model(manifest, in_service))
    pairs = [column_and_value(text) for text in settings.holdout]
    train, test = _set_aside(dataset, pairs, settings)
    train, note = _with_journal(train, settings, pairs, manifest)
    plan = Plan(
        settings.name, manifest.name, recipe, manifest.settings.groups, tuple(pairs)
    )
    model_id, place = _published(train, plan, settings.models_folder)
    kind = f"Frozen hold-out: {', '.join(settings.holdout)}. {note}"
    title = f"{settings.name} {model_id}"
    job = evaluate.Job(
        title,
        kind,
        load_model_manifest(place),
        place,
        recipe,
        manifest.settings.groups,
        manifest,
    )
    judged = evaluate.judge_with_model(job, concatenate(train, test), JudgeSettings())
    report = evaluate.report(job, judged, None)
    report = replace(report, runs_on_both_sides=runs_on_both_sides(train, test, pairs))
    gates = [
        leak_gate(report.runs_on_both_sides),
        map_gate({} if report.maps is None else report.maps.figures),
        peer_gate(report.figures.status_leads),
        _compare(judged[0], service),
    ]
    report = replace(report, gates=gates, replaces=in_service.id)
    folder = settings.models_folder / settings.name / REPORTS / model_id
    if not folder.exists():
        write_report(folder, report, evaluate.pictures(job, judged, report))
    if all(gate.passed for gate in gates):
        _promote(settings, model_id)
    return gates, model_id, folder


def _published(train: Dataset, plan: Plan, models_folder: Path) -> tuple[str, Path]:
    """The candidate's id, and its folder in the registry."""
    with tempfile.TemporaryDirectory(prefix="camshaft-candidate-") as scratch:
        candidate = Path(scratch) / "model"
        model_id = fit_with_bar(train, plan, candidate)
        return model_id, registry.publish(candidate, models_folder)


def _promote(settings: RetrainSettings, model_id: str) -> None:
    if registry.in_service(settings.models_folder, settings.name) != model_id:
        registry.promote(settings.models_folder, settings.name, model_id)


def _set_aside(
    dataset: Dataset, pairs: list[tuple[str, str]], settings: RetrainSettings
) -> tuple[Dataset, Dataset]:
    """What is trained on, and the hold-out."""
    aside = held_out(dataset, pairs)
    test = dataset.select(aside)
    refuse_same_signal("holdout", dataset.select(~aside), test)
    if not {OK, NG} <= set(test.label):
        raise TrainingError(
            f"holdout = {', '.join(settings.holdout)}: its windows are of one class; a candidate is"
            " judged on both."
        )
    return dataset.select(~aside), test


def model_in_service(settings: RetrainSettings) -> Path:
    """The registry's, else the bundled one of this name. Raises ModelError."""
    if registry.in_service(settings.models_folder, settings.name) is not None:
        return settings.models_folder / settings.name / registry.CURRENT
    return find_model(settings.name)


def _with_journal(
    train: Dataset,
    settings: RetrainSettings,
    pairs: list[tuple[str, str]],
    manifest: RecordingSet,
) -> tuple[Dataset, str]:
    """Training windows and those that people labelled, and a sentence on them. What is held out
    stays out, by whatever way it comes.
    """
    if settings.journal is None:
        return train, ""
    aside = HeldOut(pairs, manifest.recordings)
    taken = labelled_dataset(settings.journal, train.settings, train.psd_db.shape[1], aside)
    left = ", ".join(f"{n} {reason}" for reason, n in taken.left_out.items())
    n_taken = 0 if taken.dataset is None else len(taken.dataset)
    note = (
        f"{n_taken} labelled windows from the journal"
        + (f"; left out: {left}" if left else "")
        + "."
    )
    return train if taken.dataset is None else concatenate(train, taken.dataset), note


def _compare(judged: Judged, service: Path) -> Gate:
    """Candidate against the model in service on the hold-out's windows, paired, by run."""
    manifest = load_model_manifest(service)
    shown = as_seen(judged.data, manifest.levels, manifest.map_grid.shape[1])
    theirs, _ = predict(load_network(service), shown.psd_db)
    label, run, ours = judged.data.label, judged.data.run, judged.logit
    difference = bootstrap(
        run, lambda index: auc(label[index], ours[index]) - auc(label[index], theirs[index])
    )
    return not_worse_gate(difference)
