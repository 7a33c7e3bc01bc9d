"""`camshaft-train diagnose`: the broken part of each recording, or why there is none.

A column of the table that names the true part makes a table of right and wrong
names.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from monitor.commands.arguments import check_new_folder, number
from monitor.config_file import load_machines
from monitor.config_machines import MachineSettings, machine_at
from monitor.diagnosis.levels import equal_bands
from monitor.diagnosis.naming import RATE, Diagnosis, diagnose
from monitor.exit_codes import EXIT_OK
from monitor.recordings.manifest import RecordingSet, load_manifest
from monitor.recordings.recording import Recording, RecordingError, read
from monitor.records.machine import Machine, ShaftSpeed
from monitor.records.signal import Float32
from training.diagnosed import BandNames, Diagnosed, confusion, counts_of
from training.diagnosis_page import MAX_PICTURES, page, picture
from training.export import whole_folder
from training.map_band import map_band_hz
from training.plain import plain
from training.progress import bar

EXAMPLES = (
    "camshaft-train diagnose recordings/manifest.yaml --machines machines.yaml --out diagnosis",
    "camshaft-train diagnose recordings/manifest.yaml --machines camshaft.yaml --truth part"
    " --out diagnosis",
)
EXIT_CODES = {
    0: "written, whatever was named",
    2: "refused: recordings or machines cannot be used",
}
SPEED_COLUMN = "speed_rpm"
USUAL_TOLERANCE = 0.002  # of a speed that the table states, where the machine has none


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("manifest", type=Path)
    parser.add_argument(
        "--machines",
        type=Path,
        required=True,
        metavar="FILE",
        help="YAML with the section machines: the service's configuration, or that section alone",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="where to write the page"
    )
    parser.add_argument(
        "--truth",
        metavar="COLUMN",
        help="column of the table that names the broken part, if any",
    )
    parser.add_argument(
        "--rate",
        type=number(above=0, below=1),
        default=RATE,
        help=f"of wrong names where nothing is broken (default {RATE:g})",
    )
    parser.add_argument(
        "--grown",
        action="store_true",
        help="judge also what has grown since the recordings of the sensor that are labelled ok",
    )
    parser.add_argument(
        "--compare-bands",
        action="store_true",
        help="name by each fixed band alone and by the band of the novelty map, too",
    )


def run(options: argparse.Namespace) -> int:
    check_new_folder(options.out)
    machines = load_machines(options.machines)
    manifest = load_manifest(options.manifest)
    if options.truth is not None:
        manifest.recordings[0].value(options.truth)
    rows: list[Diagnosed] = []
    pictures: dict[int, bytes] = {}
    with bar(f"diagnosing {manifest.name}", len(manifest.recordings)) as tick:
        for recording in manifest.recordings:
            row, found = _diagnosed(recording, manifest, machines, options)
            if found.levels is not None and len(pictures) < MAX_PICTURES:
                pictures[len(rows)] = picture(found)
            rows.append(row)
            tick()
    tree = {"recordings": plain(rows), "confusion": plain(confusion(rows))}
    with whole_folder(options.out) as draft:
        (draft / "diagnosis.json").write_text(
            json.dumps(tree, indent=1) + "\n", encoding="utf-8"
        )
        (draft / "diagnosis.html").write_text(
            page(manifest.name, rows, pictures, options.rate), encoding="utf-8"
        )
    for line in counts_of(rows):
        print(line)
    return EXIT_OK


def _diagnosed(
    recording: Recording,
    manifest: RecordingSet,
    machines: Sequence[MachineSettings],
    options: argparse.Namespace,
) -> tuple[Diagnosed, Diagnosis]:
    """The channel that speaks most clearly; the rate is shared among the channels."""
    signal, rate_hz = read(recording), recording.files.rate_hz
    machine = with_speed(machine_at(tuple(machines), recording.sensor), recording)
    healthy = list(_healthy(manifest, recording, options))
    share = options.rate / len(signal)
    found = [
        diagnose(
            [samples],
            rate_hz,
            machine,
            healthy=[one[channel] for one in healthy] if options.grown else (),
            rate=share,
        )
        for channel, samples in enumerate(signal)
    ]
    best = min(range(len(found)), key=lambda channel: _rank(found[channel]))
    bands = BandNames("", "", None)
    if options.compare_bands and machine is not None:
        of_channel = [one[best] for one in healthy]
        bands = _by_band(signal[best], of_channel, rate_hz, machine, options.rate)
    truth = recording.value(options.truth) if options.truth else None
    row = Diagnosed.of(recording.name, truth, found[best], recording.channels[best], bands)
    return row, found[best]


def _rank(found: Diagnosis) -> tuple[bool, float]:
    chances = [one.chance for one in found.candidates]
    return found.named is None, min(chances, default=1.0)


def with_speed(machine: Machine | None, recording: Recording) -> Machine | None:
    """The table's speed goes before the machine's; its tolerance does not."""
    text = recording.extra.get(SPEED_COLUMN, "")
    if machine is None or not text:
        return machine
    try:
        hz = float(text) / 60
    except ValueError:
        hz = 0.0
    if not 0 < hz < 1e6:
        raise RecordingError(
            f"row {recording.row}: {SPEED_COLUMN} = {text!r} must be a number above 0 (1/min)."
        )
    tolerance = USUAL_TOLERANCE if machine.speed is None else machine.speed.tolerance
    speed = ShaftSpeed(hz * (1 - tolerance), hz * (1 + tolerance))
    return machine.at(speed)


def _healthy(
    manifest: RecordingSet, recording: Recording, options: argparse.Namespace
) -> Iterator[Float32]:
    """The other recordings of the sensor that are labelled ok."""
    if not (options.grown or options.compare_bands):
        return
    for other in manifest.recordings:
        if (
            other.sensor == recording.sensor
            and other.label == "ok"
            and other is not recording
        ):
            yield read(other)


def _by_band(
    samples: Float32, healthy: list[Float32], rate_hz: float, machine: Machine, rate: float
) -> BandNames:
    """By the likeliest of the fixed bands, each alone, and by the map's band."""
    fixed = equal_bands(rate_hz)
    alone = [
        diagnose([samples], rate_hz, machine, bands_hz=[band], rate=rate / len(fixed))
        for band in fixed
    ]
    best = min(alone, key=_rank)
    band = map_band_hz(samples, healthy, rate_hz)
    by_map = (
        None
        if band is None
        else diagnose([samples], rate_hz, machine, bands_hz=[band], rate=rate)
    )
    return BandNames(_part(best), "" if by_map is None else _part(by_map), band)


def _part(found: Diagnosis) -> str:
    return found.named.fit.family.part if found.named else "not named"
