"""The dashboards on what the real service wrote: recordings over a real broker into a real InfluxDB."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from monitor.line_protocol import band_names, whole_cells
from monitor.records import Float32, Status, Verdict
from tests.grafana_rules import View, choices, frames, heatmap_rows, transformed
from tests.integration.conftest import MakeService
from tests.servers.influx import InfluxDatabase
from tests.servers.influx_standin import InfluxStandIn
from tests.servers.recording import T0_NS, Publisher, Recording, make_cut
from tests.servers.service import Service, influx_part
from tests.test_grafana import DASHBOARDS, PANELS

MILL = "mill 3/spindle"
SIMPLE = Recording(n_sensors=2, duration_s=20.0)
RATE_HZ = 2000
MAY_BE_EMPTY = {"Silent now", "Learning", "Idle", "Restarts"}


def milling(datasets: Path, n_windows: int = 4) -> Float32:
    """A bad run of a real milling machine, (3, n) in milli-g."""
    folder = datasets / "bosch-cnc"
    with (folder / "recordings.csv").open(newline="") as table:
        runs = [row for row in csv.DictReader(table) if row["label"] == "ng"]
    runs = [row for row in runs if row["group"] == runs[0]["group"]][:n_windows]
    parts = []
    for row in runs:
        with h5py.File(folder / row["file"]) as file:
            parts.append(np.asarray(file["vibration_data"], np.float32).T)
    return np.concatenate(parts, axis=1)
