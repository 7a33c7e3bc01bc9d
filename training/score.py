"""`camshaft-train score`: verdicts of whole recordings at full speed, by the monitor's own stages.

One row a window in a Parquet file, with the columns of a verdict. The table's
labels are carried along, not used.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from importlib.metadata import version
from pathlib import Path

from monitor.commands.arguments import check_output_file, number, whole_number
from monitor.evidence.model_folder import find_model
from monitor.evidence.network import Classifier
from monitor.evidence.novelty import MIN_WINDOWS
from monitor.exit_codes import EXIT_OK
from monitor.recordings.manifest import RecordingSet, load_manifest
from training import in_parallel
from training.in_parallel import Workers
from training.kept_parts import KeptParts, kept_parts
from training.progress import bar, check_is_of_model
from training.quiet import quiet
from training.scored_windows import Part, Scoring, parts, scored_part
from training.thresholds import DEFAULT_WINDOWS

EXAMPLES = (
    "camshaft-train score recordings/manifest.yaml --model models/pump --out verdicts.parquet",
    "camshaft-train score recordings/manifest.yaml --model models/pump --out verdicts.parquet"
    " --ray 10.0.0.5:6379",
)
EXIT_CODES = {
    0: "written",
    2: "refused: model or recordings cannot be used",
    70: "a process was killed at its work; the same command goes on from what was done",
    130: "interrupted; the same",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("manifest", type=Path)
    parser.add_argument(
        "--model",
        required=True,
        help="a name in --models-folder, a bundled name, or a model folder",
    )
    parser.add_argument("--models-folder", type=Path)
    parser.add_argument(
        "--threshold", type=number(), help="logit units (default: the model's own)"
    )
    parser.add_argument(
        "--commission",
        type=whole_number(MIN_WINDOWS),
        default=DEFAULT_WINDOWS,
        metavar="N",
        help="windows of each sensor, from its first on, that are known to be healthy: for a model"
        f" that sees levels relative to the sensor's own (default {DEFAULT_WINDOWS})",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="Parquet file to write"
    )
    where = parser.add_mutually_exclusive_group()
    in_parallel.add_jobs(
        where,
        in_parallel.n_processors(),
        "processes that judge recordings (default: one for each processor, here %(default)s)",
    )
    in_parallel.add_ray(where)


def run(options: argparse.Namespace) -> int:
    check_output_file(options.out)
    manifest = load_manifest(options.manifest)
    folder = find_model(options.model, options.models_folder)
    with quiet():
        model = Classifier(folder).manifest
    check_is_of_model(manifest, model)
    every = parts(manifest, model.needs_baseline)
    header = {
        "model": model.id,
        "threshold": str(options.threshold),
        "commission": str(options.commission),
        "version": version("camshaft"),
    }
    with kept_parts(options.out, header, every) as kept:
        n_jobs = min(options.jobs, len(kept.missing()))
        with in_parallel.opened(n_jobs, options.ray) as workers:
            scoring = Scoring(
                folder.absolute(),
                manifest.sample_rate_hz,
                manifest.channels,
                options.threshold,
                options.commission,
                workers.n_threads,
            )
            _judge(manifest, scoring, workers, kept)
        counts = kept.join(options.out)
    found = ", ".join(f"{n} {status}" for status, n in sorted(counts.items()))
    print(f"{counts.total()} windows: {found}")
    return EXIT_OK


def _judge(
    manifest: RecordingSet, scoring: Scoring, workers: Workers, kept: KeptParts
) -> None:
    """All parts that are not kept yet."""
    missing = kept.missing()
    to_do = [kept.every[number] for number in missing]
    n_left = sum(map(_n_recordings, to_do))
    n_all = len(manifest.recordings)
    if n_left < n_all:
        print(
            f"{n_all - n_left} of {n_all} recordings were judged by a run that was interrupted;"
            " this one goes on from there.",
            file=sys.stderr,
        )
    with bar(f"scoring {manifest.name}", n_left) as tick:
        for place, content in workers.each(partial(scored_part, scoring), to_do):
            kept.keep(missing[place], content)
            for _ in range(_n_recordings(to_do[place])):
                tick()


def _n_recordings(part: Part) -> int:
    return sum(len(run) for run in part)
