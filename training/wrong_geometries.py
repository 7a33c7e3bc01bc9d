"""How often a part is named that is not there: bearings drawn at random, in real recordings.

    python -m training.wrong_geometries MANIFEST --machines FILE

Each recording is diagnosed with many bearings that were never near it. A name
is *coincident* where its rate lies within the tolerance of one that the true
machine has: nothing in the signal could tell the two apart.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from monitor.config_file import load_machines
from monitor.config_machines import machine_at
from monitor.diagnosis.families import families
from monitor.diagnosis.levels import Levels, envelope_levels
from monitor.diagnosis.naming import judge
from monitor.diagnosis.shaft import Shaft, find_shaft
from monitor.recordings.manifest import load_manifest
from monitor.recordings.recording import read
from monitor.records.machine import Bearing, Machine, ratios_of
from training.diagnose import with_speed
from training.diagnosed import share


def bearings(n: int, seed: int) -> list[Bearing]:
    """Usual ones: 6 to 16 elements, from a tenth to three tenths of the pitch circle."""
    draw = np.random.default_rng(seed)
    drawn: list[Bearing] = []
    while len(drawn) < n:
        n_elements, size = int(draw.integers(6, 17)), draw.uniform(0.1, 0.3)
        if size < math.sin(math.pi / n_elements):
            drawn.append(Bearing("foreign", ratios_of(n_elements, size, 1.0, 0.0), 1.0))
    return drawn


def wrong_names(
    levels: Levels, machine: Machine, shaft: Shaft, foreign: list[Bearing]
) -> Iterator[tuple[bool, bool]]:
    """For each foreign bearing whether a part of it is named, and whether that is coincident."""
    true = [
        one
        for one in families(machine, shaft.hz, shaft.tolerance)
        if one.source == "envelope"
    ]
    for bearing in foreign:
        found = judge(
            replace(machine, bearings=(bearing,)), shaft, {"envelope": levels}
        ).named
        hz = 0.0 if found is None else found.fit.base_hz
        met = [one for one in true if abs(hz / one.base_hz - 1) <= 2 * one.tolerance]
        yield found is not None, bool(met)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--machines", type=Path, required=True)
    parser.add_argument("--bearings", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    machines, foreign = (
        load_machines(options.machines),
        bearings(options.bearings, options.seed),
    )
    named = coincident = total = 0
    for recording in load_manifest(options.manifest).recordings:
        machine = with_speed(machine_at(machines, recording.sensor), recording)
        if machine is None or machine.speed is None:
            continue
        samples, rate_hz = [read(recording)[0]], recording.files.rate_hz
        shaft = find_shaft(samples, rate_hz, machine.speed)
        levels = None if shaft is None else envelope_levels(samples, rate_hz, shaft.hz)
        if shaft is None or levels is None:
            continue
        met = list(wrong_names(levels, machine, shaft, foreign))
        n_named, n_coincident = sum(one for one, _ in met), sum(both for _, both in met)
        print(f"{recording.name}: {n_named} of {len(met)} named, {n_coincident} coincident")
        named, coincident, total = (
            named + n_named,
            coincident + n_coincident,
            total + len(met),
        )
    print(f"named: {share(named, total)}")
    print(f"of them not coincident: {share(named - coincident, total)}")


if __name__ == "__main__":
    main()
