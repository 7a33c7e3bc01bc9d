"""python -m tests.benchmarks.journal_size [--json] [--sensors N] [--windows N]: what a window costs
in the journal, by table and index, and how quickly it is written.

Real recordings (milling machines of bosch-cnc) where $CAMSHAFT_DATASETS has
them, else simulated machines; through the real pipeline and writer. The network
judges every window, and novelty too once a sensor is commissioned, by its first
windows.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy

import numpy as np

from monitor.commissioner import Commissioner
from monitor.config import JournalSettings, MapsKept
from monitor.config_sensors import SensorSettings, Subscription
from monitor.evidence.model_folder import find_model
from monitor.evidence.network import Classifier
from monitor.journal.commissioning import CommissioningStore, Request
from monitor.journal.writer import Journal
from monitor.pipeline.analysis import Analyser
from monitor.pipeline.pipeline import Pipeline
from monitor.pipeline.router import Rules
from monitor.recordings.manifest import load_manifest
from monitor.recordings.recording import read
from monitor.records.signal import Float32, Message
from monitor.signal.payload.raw import RawPayload
from monitor.simulator.machine import SimulatedMachine
from tests.paths import MANIFESTS

MODEL = "cnc-milling"  # 48 bands, 40 columns, three channels
SCALE = 9.80665e-3  # m/s² a count: the recordings are whole thousandths of g
TOPIC = "vibration/{machine}/{point}/waveform"
START_NS = 1_767_225_600 * 10**9  # 2026-01-01
N_COMMISSIONED = 30
N_SIMULATED = 60  # windows of each simulated machine
MAPS: tuple[MapsKept, ...] = ("all", "changes")
TABLES = "SELECT name, sum(pgsize) FROM dbstat GROUP BY name ORDER BY 2 DESC"


@dataclass(frozen=True)
class Size:
    """bytes_by_table : a window, of every table and index. kept_bytes : a kept window"""

    bytes_by_table: Mapping[str, float]
    n_windows: int
    n_maps: int
    n_kept: int
    kept_bytes: float
    kept_share: float  # of float32 samples' bytes
    journal_us: float

    @property
    def window_bytes(self) -> float:
        """All of a window but its raw samples."""
        return sum(self.bytes_by_table.values()) - self.bytes_by_table.get(
            "kept_window", 0.0
        )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.journal_size")
    parser.add_argument("--json", action="store_true", help="end with one JSON line")
    parser.add_argument("--sensors", type=int, default=100)
    parser.add_argument("--windows", type=int, default=1000)
    arguments = parser.parse_args()
    signals, source = recorded() or simulated()
    sizes = {}
    for maps in MAPS:
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / "journal"
            sizes[maps] = measure(path, signals, arguments.sensors, arguments.windows, maps)
        print(table(maps, sizes[maps], source))
    if arguments.json:
        print(json.dumps({maps: dict(size.bytes_by_table) for maps, size in sizes.items()}))
    return 0


def recorded() -> tuple[list[Float32], str] | None:
    """Each machine's recordings, joined; None where there are none."""
    if not os.environ.get("CAMSHAFT_DATASETS"):
        return None
    found: dict[str, list[Float32]] = {}
    for recording in load_manifest(MANIFESTS / "bosch-cnc.yaml").recordings:
        found.setdefault(recording.machine, []).append(read(recording))
    return [
        np.concatenate(parts, axis=1) for parts in found.values()
    ], "recordings of bosch-cnc"


def simulated() -> tuple[list[Float32], str]:
    settings = Classifier(find_model(MODEL)).manifest.settings
    machines = [
        SimulatedMachine(kind, 1, sample_rate_hz=settings.sample_rate_hz, n_channels=3)
        for kind in ("healthy", "bearing")
    ]
    return [
        machine.block(N_SIMULATED * settings.n_window) for machine in machines
    ], "simulation"


def measure(
    path: Path, signals: list[Float32], n_sensors: int, n_windows: int, maps: MapsKept
) -> Size:
    rules = _rules(maps)
    (analyser,) = rules.analysers
    journal, pipeline = Journal(path), Pipeline(rules, {}, {}, 0.0)
    commissioner = Commissioner(path, lambda _: analyser.geometry)
    _wish(path, n_sensors)
    journal_s = 0.0
    for turn in _turns(signals, n_sensors, n_windows, analyser.settings.n_window):
        pipeline.process(turn, turn[-1].received_ns, 0.0)
        batch = pipeline.take_batch(with_tails=False)
        begun_s = time.perf_counter()
        journal.commit(batch)
        journal_s += time.perf_counter() - begun_s
        if (active := commissioner.step(START_NS)) is not None:
            pipeline.commission(active)
    journal.close()
    return _size(path, journal_s / (n_sensors * n_windows))


def _rules(maps: MapsKept) -> Rules:
    classifier = Classifier(find_model(MODEL))
    settings = classifier.manifest.settings
    rule = SensorSettings(
        sample_rate_hz=settings.sample_rate_hz,
        channels=("x", "y", "z"),
        unit="counts",
        scale=SCALE,
        model=MODEL,
    )
    subscription = Subscription(
        topic=TOPIC, payload=RawPayload(format="raw", dtype="int16")
    )
    analysers = (Analyser(rule, classifier),)
    return Rules((subscription,), analysers, JournalSettings(maps=maps), 4 << 20, None)


def _wish(path: Path, n_sensors: int) -> None:
    """That every sensor be commissioned by its first windows."""
    store = CommissioningStore(path)
    for index in range(n_sensors):
        wish = Request(_name(index), N_COMMISSIONED, after_row=0, even_so="a measurement")
        store.request(wish, START_NS)
    store.close()


def _turns(
    signals: list[Float32], n_sensors: int, n_windows: int, n_window: int
) -> Iterator[list[Message]]:
    """Each window a message; a turn has one of every sensor. No two windows are the same."""
    counts = [
        np.rint(signal.T / SCALE).clip(-32768, 32767).astype("<i2") for signal in signals
    ]
    window_ns = n_window * 500_000  # at 2 kHz
    for index in range(n_windows):
        turn = []
        for sensor in range(n_sensors):
            recorded = counts[sensor % len(counts)]
            first = (index * n_window + sensor * 7919) % (len(recorded) - n_window)
            machine, _, point = _name(sensor).partition("/")
            start_ns = START_NS + index * window_ns
            turn.append(
                Message(
                    topic=TOPIC.format(machine=machine, point=point),
                    payload=recorded[first : first + n_window].tobytes(),
                    received_ns=start_ns + window_ns,
                    properties={"sequence": str(index), "start_time_ns": str(start_ns)},
                )
            )
        yield turn


def _name(sensor: int) -> str:
    return f"milling-{sensor:03}/spindle"


def _size(path: Path, journal_s: float) -> Size:
    link = sqlite3.connect(path)
    (n_windows,) = link.execute("SELECT count(*) FROM verdict").fetchone()
    (n_maps,) = link.execute("SELECT count(*) FROM map").fetchone()
    n_kept, raw = link.execute(
        "SELECT count(*), total(3 * 4 * n_samples) FROM kept_window JOIN verdict USING (row_id)"
    ).fetchone()
    sizes = {name: size / n_windows for name, size in link.execute(TABLES)}
    link.close()
    kept = sizes.get("kept_window", 0.0) * n_windows
    return Size(
        {name: size for name, size in sizes.items() if size >= 0.05},
        n_windows,
        n_maps,
        n_kept,
        kept / max(1, n_kept),
        kept / max(1.0, raw),
        1e6 * journal_s,
    )


def table(maps: MapsKept, size: Size, source: str) -> str:
    lines = [
        f"maps: {maps}; {size.n_windows:,} windows of {source}, {size.n_maps:,} maps kept",
        "",
        *(
            f"{name:<40}{cost:>10.1f} B a window"
            for name, cost in size.bytes_by_table.items()
        ),
        f"{'a window, without raw samples':<40}{size.window_bytes:>10.1f} B",
        f"{'a kept window':<40}{size.kept_bytes:>10.1f} B ({size.kept_share:.0%} of float32)",
        f"{'writing':<40}{size.journal_us:>10.1f} µs a window",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
