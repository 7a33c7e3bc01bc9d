"""`camshaft-train inspect`: what is in the recordings,
and whether the files give the labels away.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from monitor.commands.arguments import check_output_file
from monitor.exit_codes import EXIT_OK
from monitor.recordings.formats.base import Rate
from monitor.recordings.manifest import RecordingSet, load_manifest
from monitor.recordings.recording import Recording, read
from monitor.records.signal import Float64
from monitor.text import printable
from training.metrics import auc
from training.progress import bar
from training.recipe import default_recipe, spectrogram_settings
from training.signal_marks import Marks, marks_of_one, same_signals

SEPARATES = 0.995  # AUC of one trivial feature over recordings
MAX_WAYS = 12  # to read the files, that are shown
FEW = 10  # recordings of a class: with fewer, one feature separates them by chance


@dataclass(frozen=True)
class Facts:
    """What can be said of one recording without any model. levels in m/s², one value a channel.

    rate, units, understood : as its file states them, and how it was read
    marks : what tells its signal under any name
    """

    recording: Recording
    n_samples: int
    dtype: str
    rate: Rate | None
    units: tuple[str, ...]
    understood: str
    rms_ms2: Float64
    mean_ms2: Float64
    peak_ms2: float
    step_ms2: float  # smallest difference between two values: the quantisation
    top_share: float  # samples at the highest magnitude: clipping
    flat: bool
    marks: Marks


EXAMPLES = (
    "camshaft-train inspect recordings/manifest.yaml",
    "camshaft-train inspect recordings/manifest.yaml --out plant.png",
)
EXIT_CODES = {
    0: "read, with or without warnings",
    2: "refused: a recording cannot be used",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("manifest", type=Path)
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="draw mean spectra and levels into this PNG file",
    )


def run(options: argparse.Namespace) -> int:
    if options.out is not None:
        check_output_file(options.out)
    manifest = load_manifest(options.manifest)
    with bar(f"reading {manifest.name}", len(manifest.recordings)) as tick:
        facts = [_look(recording, tick) for recording in manifest.recordings]
    console = Console(width=None)
    for line in understood(manifest, facts):
        console.print(line, soft_wrap=True, markup=False, highlight=False)
    console.print(overview(manifest, facts))
    for warning in warnings_of(manifest, facts):
        console.print(f"[yellow]warning:[/] {warning}", soft_wrap=True)
    if options.out is not None:
        options.out.write_bytes(picture(manifest))
        print(f"drawn: {options.out}")
    return EXIT_OK


def _look(recording: Recording, tick: Callable[[], None]) -> Facts:
    samples = read(recording).astype(np.float64)  # refuses what cannot be used, by its row
    stored = recording.stored
    tick()
    magnitude = np.abs(samples - samples.mean(axis=1, keepdims=True))
    steps = np.diff(np.unique(samples[0]))
    return Facts(
        recording=recording,
        n_samples=samples.shape[1],
        dtype=str(stored.array.dtype),
        rate=stored.rate,
        units=stored.units,
        understood=stored.understood,
        rms_ms2=samples.std(axis=1),
        mean_ms2=samples.mean(axis=1),
        peak_ms2=float(magnitude.max()),
        step_ms2=float(steps.min()) if len(steps) else 0.0,
        top_share=float((np.abs(samples) >= np.abs(samples).max() * 0.9999).mean()),
        flat=bool((samples.std(axis=1) == 0).any()),
        marks=marks_of_one(samples.astype(np.float32)),
    )


def understood(manifest: RecordingSet, facts: list[Facts]) -> list[str]:
    """How the table and the files were read, one line for each way, and what the files say."""
    ways: dict[tuple[str, str], list[Facts]] = defaultdict(list)
    for one in facts:
        files = one.recording.files
        ways[
            files.format, one.understood or f"key {one.recording.key or 'not needed'}"
        ].append(one)
    lines = [f"table {text}" for text in manifest.understood]
    for (name, text), some in list(ways.items())[:MAX_WAYS]:
        n_recordings = "1 recording" if len(some) == 1 else f"{len(some)} recordings"
        lines.append(f"{n_recordings} as {name}: {text}")
        lines += [f"  {_stated_rate(some)}", f"  {_stated_unit(some)}"]
    if len(ways) > MAX_WAYS:
        lines.append(f"and in {len(ways) - MAX_WAYS} other ways")
    return [printable(line) for line in lines]  # names in a file are a stranger's words


def _stated_rate(some: list[Facts]) -> str:
    declared = _listed({f"{one.recording.sample_rate_hz:g}" for one in some})
    stated = sorted({one.rate.hz for one in some if one.rate is not None})
    if not stated:
        return f"rate {declared} Hz by the manifest; the files say none"
    source = (
        next(one.rate.source for one in some if one.rate is not None) or " by the header"
    )
    span = f"{stated[0]:.6g}" + (f" to {stated[-1]:.6g}" if len(stated) > 1 else "")
    return f"rate {declared} Hz by the manifest, {span} Hz{source}"


def _stated_unit(some: list[Facts]) -> str:
    files = some[0].recording.files
    scale = "" if files.scale == 1.0 else f", times {files.scale},"
    stated = _listed({unit for one in some for unit in one.units if unit})
    said = f"{stated} by the files" if stated else "the files say none"
    return f"unit {files.unit}{scale} by the manifest; {said}"


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names))


def overview(manifest: RecordingSet, facts: list[Facts]) -> Table:
    """One row for each machine and label."""
    table = Table(
        title=(
            f"{manifest.name}: {manifest.sample_rate_hz:g} Hz, channels"
            f" {', '.join(manifest.channels)}"
        )
    )
    for column in (
        "machine",
        "label",
        "recordings",
        "runs",
        "hours",
        "RMS m/s² (median)",
        "peak m/s²",
        "stored as",
    ):
        table.add_column(column)
    grouped: dict[tuple[str, str], list[Facts]] = defaultdict(list)
    for one in facts:
        grouped[one.recording.machine, one.recording.label].append(one)
    for (machine, label), some in grouped.items():
        table.add_row(machine, label, *_overview_cells(some, manifest.sample_rate_hz))
    return table


def _overview_cells(some: list[Facts], sample_rate_hz: float) -> list[str]:
    """recordings, runs, hours, RMS of each channel, peak, number types"""
    hours = sum(one.n_samples for one in some) / sample_rate_hz / 3600
    rms_ms2 = np.median([one.rms_ms2 for one in some], axis=0)
    return [
        str(len(some)),
        str(len({one.recording.group for one in some})),
        f"{hours:.3g}",
        ", ".join(f"{value:.3g}" for value in rms_ms2),
        f"{max(one.peak_ms2 for one in some):.3g}",
        ", ".join(sorted({one.dtype for one in some})),
    ]


def warnings_of(manifest: RecordingSet, facts: list[Facts]) -> list[str]:
    """Ways in which the files, not the machine, may give the label away; and what a network could
    not learn from.
    """
    labelled = [one for one in facts if one.recording.label != "unlabelled"]
    found = [
        *_differing(labelled, "number type", lambda one: one.dtype),
        *_differing(labelled, "length", lambda one: one.n_samples),
        *_differing(
            labelled, "stored sample rate", lambda one: one.recording.sample_rate_hz
        ),
        *_differing(labelled, "file name suffix", lambda one: one.recording.path.suffix),
        *_runs_with_both(labelled),
        *_same_signals(facts),
        *_separating(labelled),
    ]
    for label in ("ok", "ng"):
        if not any(one.recording.label == label for one in labelled):
            found.append(
                f"no recording is labelled {label}: a network needs both classes, novelty needs ok"
                " alone."
            )
    if unscaled := [one for one in facts if _is_unscaled(one)]:
        first = unscaled[0].recording
        found.append(
            f"{len(unscaled)} recordings, the first in row {first.row} ({first.name}), are whole"
            f" numbers whose full scale is taken for 1 {first.files.unit}: files.scale says what it"
            " is worth."
        )
    for what, wrong in (
        ("is constant in a channel", [one for one in facts if one.flat]),
        (
            "sits at its highest value for over 1 % of its samples: clipped?",
            [one for one in facts if one.top_share > 0.01],
        ),
    ):
        if wrong:
            first = wrong[0].recording
            found.append(
                f"{len(wrong)} recordings, the first in row {first.row} ({first.name}), {what}"
            )
    found += _runs_and_machines(manifest, labelled)
    if len({_run(one) for one in labelled}) == 1:
        found.append("all recordings are of one run: nothing can be held out.")
    return found


def _runs_and_machines(manifest: RecordingSet, labelled: list[Facts]) -> list[str]:
    """What is not known of what belongs together."""
    found, column = [], manifest.settings.names["group"]
    if len(labelled) > 1 and not any(
        one.recording.extra.get(column) or one.recording.snapshot is not None
        for one in labelled
    ):
        found.append(
            f"the table names no group ({column}): each file is taken for a run of its own. Give"
            " files of one run the same group, or one judges what another taught."
        )
    machines = {one.recording.machine for one in labelled}
    if len(machines) == 1 and len(labelled) > 1:
        found.append(
            f"all are of one machine, {machines.pop()!r}: no figure will say how a model does on"
            " another."
        )
    return found


def _is_unscaled(one: Facts) -> bool:
    """A sound file of whole numbers has no unit, and hardly a full scale of 1."""
    files = one.recording.files
    is_sound = files.format in ("wav", "flac")
    is_coded = is_sound and not one.understood.startswith(("FLOAT", "DOUBLE"))
    return is_coded and files.scale == 1.0 and files.unit != "counts"


def _differing(
    labelled: list[Facts], what: str, value: Callable[[Facts], Any]
) -> list[str]:
    by_label = {
        name: {value(one) for one in labelled if one.recording.label == name}
        for name in ("ok", "ng")
    }
    if not by_label["ok"] or not by_label["ng"] or by_label["ok"] == by_label["ng"]:
        return []
    shown = "; ".join(
        f"{name} has {', '.join(map(str, sorted(some)[:5]))}"
        for name, some in by_label.items()
    )
    return [f"the {what} differs between the classes and may give the label away: {shown}."]


def _run(one: Facts) -> str:
    return f"{one.recording.sensor}/{one.recording.group}"


def _runs_with_both(labelled: list[Facts]) -> list[str]:
    labels: dict[str, set[str]] = defaultdict(set)
    for one in labelled:
        labels[_run(one)].add(one.recording.label)
    both = [run for run, some in labels.items() if len(some) == 2]
    if not both:
        return []
    return [
        f"{len(both)} runs, {both[0]!r} the first, have both labels: right for a run to failure,"
        " else a mistake."
    ]


def _same_signals(facts: list[Facts]) -> list[str]:
    """Copies under other names, and stretches that overlap."""
    by_row = {f"{at}": one for at, one in enumerate(facts)}
    marks = {name: one.marks for name, one in by_row.items()}
    pairs = sorted((int(one), int(other)) for one, other in same_signals(marks, marks))
    if not pairs:
        return []
    first, second = (facts[at].recording for at in pairs[0])
    n_more = len(pairs) // 2 - 1
    more = f", as do {n_more} more pairs of rows" if n_more else ""
    return [
        f"rows {first.row} ({first.name}, {first.label}) and {second.row} ({second.name},"
        f" {second.label}) hold the same signal, at least in part{more}: none can be trained on"
        " while the other judges."
    ]


def _level(channel: int, one: Facts) -> float:
    return float(one.rms_ms2[channel])


def _constant_part(channel: int, one: Facts) -> float:
    return float(one.mean_ms2[channel])


def _separating(labelled: list[Facts]) -> list[str]:
    """One trivial feature that tells the classes apart by itself."""
    label = np.array([1 if one.recording.label == "ng" else 0 for one in labelled], np.int8)
    if min((label == 0).sum(), (label == 1).sum()) < FEW:
        return []
    features: dict[str, Callable[[Facts], float]] = {
        "quantisation": lambda one: one.step_ms2
    }
    for index, channel in enumerate(labelled[0].recording.channels):
        features[f"level of {channel}"] = partial(_level, index)
        features[f"constant part of {channel}"] = partial(_constant_part, index)
    found = []
    for name, feature in features.items():
        reached = auc(label, np.array([feature(one) for one in labelled]))
        if max(reached, 1 - reached) >= SEPARATES:
            found.append(
                f"{name} alone separates the classes (AUC {max(reached, 1 - reached):.3f}): is it"
                " the machine?"
            )
    return found


def picture(manifest: RecordingSet) -> bytes:
    """Mean spectrum of each class, and the level of each window, by machine."""
    from training.plots import overview_picture
    from training.progress import read_with_bar

    settings = spectrogram_settings(manifest.sample_rate_hz, default_recipe(manifest))
    dataset = read_with_bar(manifest, settings)
    return overview_picture(
        dataset.psd_db.mean(axis=3),
        dataset.label,
        dataset.column("machine"),
        settings.band_edges_hz,
    )
