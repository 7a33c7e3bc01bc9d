"""python -m tests.benchmarks [--json] [--model NAME]: the table, and with --json one JSON line at
the end. With --live: how many sensors this machine carries, through a broker.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy

from monitor.allocator import keep_freed_memory
from monitor.evidence.model_folder import find_model
from monitor.pipeline.workers import workers_here
from monitor.signal.plausibility.check import N_FIRST
from tests.benchmarks.daemon import measure_daemon
from tests.benchmarks.live import (
    Plan,
    Trial,
    largest,
    live_figures,
    live_table,
    run_trial,
    trial_line,
)
from tests.benchmarks.stages import (
    kept_with_machines,
    kernel_limit,
    run_pipeline,
    stage_costs_s,
)
from tests.benchmarks.usual_script import run_usual_script
from tests.benchmarks.workload import make_workload

N_SENSORS = 100
N_WINDOWS = 20 + N_FIRST
N_WINDOWS_LIVE = 6  # in real time
# load a core before the start, beyond which the figures say more of the other work
BUSY = 0.5


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--json", action="store_true", help="end with one JSON line")
    parser.add_argument(
        "--model",
        default="simulator",
        help="bundled name or model folder (default simulator)",
    )
    parser.add_argument("--live", action="store_true", help="the service through Mosquitto")
    parser.add_argument(
        "--sensors",
        type=int,
        metavar="N",
        help="live: one trial with N, in place of the search",
    )
    parser.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="live: threads that judge (default: as many as the service takes)",
    )
    parser.add_argument(
        "--messages-per-window",
        type=int,
        default=1,
        metavar="N",
        help="live: short messages, N of which hold one window (default 1)",
    )
    arguments = parser.parse_args()
    keep_freed_memory()  # as the service does
    folder = find_model(arguments.model)
    if arguments.live:
        figures = measure_live(folder, arguments)
    else:
        figures = measure(folder)
        print(table(figures))
    if arguments.json:
        print(json.dumps(figures))
    return 0


def measure(folder: Path) -> dict[str, object]:
    """All figures. The peer comes first, while the machine is as idle as it will be."""
    load = os.getloadavg()[0]
    workload = make_workload(folder, N_SENSORS, N_WINDOWS)
    usual, database = run_usual_script(workload)
    with tempfile.TemporaryDirectory() as name:
        run = run_pipeline(workload, Path(name))
        n_workers = workers_here(None)
        together = run_pipeline(workload, Path(name), n_workers)
        kept = kept_with_machines(workload, Path(name))
    stages_s = stage_costs_s(workload) | {"journal": run.journal_s}
    stages_s["rest"] = max(0.0, run.cpu_s - sum(stages_s.values()))
    limit = kernel_limit(workload)
    daemon = measure_daemon(make_workload(folder, N_SENSORS, N_WINDOWS_LIVE))
    return {
        "pipeline_windows_per_s": round(run.windows_per_s, 1),
        "n_workers": n_workers,
        "workers_windows_per_s": round(together.windows_per_s, 1),
        "workers_cpu_us_per_window": round(1e6 * together.cpu_s, 1),
        "usual_script_windows_per_s": round(usual, 2),
        "times_faster": round(run.windows_per_s / usual, 1),
        "kernel_limit_windows_per_s": round(limit, 1),
        "cpu_us_per_window": round(1e6 * run.cpu_s, 1),
        "first_cpu_us_per_window": round(1e6 * run.first_cpu_s, 1),
        "kept_with_machines": round(kept, 3),
        "efficiency": round(1 / limit / run.cpu_s, 3),
        "startup_s": round(daemon.startup_s, 2),
        "rss_mb": None if daemon.rss_mb is None else round(daemon.rss_mb, 1),
        "stages_us": {name: round(1e6 * cost_s, 1) for name, cost_s in stages_s.items()},
        "max_residual": run.max_residual,
        "n_sensors": N_SENSORS,
        "n_windows": len(workload.messages) - N_FIRST * N_SENSORS,
        "model": workload.classifier.manifest.name,
        "model_mflop": workload.classifier.manifest.training.get("n_flops", 0) / 1e6,
        "usual_script_database": database,
        "n_cores": os.cpu_count(),
        "load_before": round(load, 2),
    }


def measure_live(folder: Path, arguments: argparse.Namespace) -> dict[str, object]:
    """sensors : of one trial; None: look for the largest number that holds"""
    n_sensors, n_in_window = arguments.sensors, arguments.messages_per_window
    workload = make_workload(folder, 1, 1)
    if workload.n_window % n_in_window:
        raise SystemExit(
            f"{workload.n_window} samples are not {n_in_window} equal messages."
        )

    def trial(n: int) -> Trial:
        found = run_trial(workload, Plan(n, n_in_window, arguments.workers))
        print(trial_line(found), flush=True)
        return found

    best = largest(trial) if n_sensors is None else trial(n_sensors)
    kernel_us = 1e6 / kernel_limit(workload)
    print(live_table(best, kernel_us))
    return live_figures(best, kernel_us)


def table(figures: Mapping[str, object]) -> str:
    stages_us = figures["stages_us"]
    assert isinstance(stages_us, dict)
    lines = [
        (
            f"One-second windows at the rate of model {figures['model']}"
            f" ({figures['model_mflop']:.1f} MFLOP a window)"
        ),
        "",
        f"{'stage':<14}{'µs a window':>14}{'windows/s':>14}",
        *(
            f"{name:<14}{cost:>14.1f}{1e6 / max(cost, 1e-3):>14,.0f}"
            for name, cost in stages_us.items()
        ),
        "",
        (
            f"{'whole pipeline, journal included':<46}{figures['pipeline_windows_per_s']:>12,.0f}"
            " windows/s"
        ),
        (
            f"{'with workers: ' + str(figures['n_workers']):<46}"
            f"{figures['workers_windows_per_s']:>12,.0f} windows/s"
        ),
        (
            f"{'the usual script, ' + str(figures['usual_script_database']):<46}"
            f"{figures['usual_script_windows_per_s']:>12,.1f} windows/s"
        ),
        f"{'ratio':<46}{figures['times_faster']:>12,.0f} times",
        (
            f"{'only Fourier transforms and network':<46}"
            f"{figures['kernel_limit_windows_per_s']:>12,.0f} windows/s"
        ),
        f"{'their share of the pipeline, efficiency':<46}{figures['efficiency']:>12.2f}",
        f"{'healthy sensors keep, with machines described':<46}"
        f"{figures['kept_with_machines']:>12.0%} of windows/s",
        (
            f"{'a window of a sensor’s first messages':<46}"
            f"{figures['first_cpu_us_per_window']:>12.0f} µs"
        ),
        f"{'daemon, start to READY':<46}{figures['startup_s']:>12.2f} s",
        (
            f"{'daemon, resident with ' + str(figures['n_sensors']) + ' sensors':<46}"
            f"{_or_none(figures['rss_mb'])} MiB"
        ),
    ]
    load, n_cores = figures["load_before"], figures["n_cores"]
    if isinstance(load, float) and isinstance(n_cores, int) and load > BUSY * n_cores:
        lines += [
            "",
            f"The machine was busy (load {load:.1f} on {n_cores} cores): an idle one is faster.",
        ]
    return "\n".join(lines)


def _or_none(value: object) -> str:
    return f"{value:>12.1f}" if isinstance(value, float) else f"{'no Mosquitto':>12}"


if __name__ == "__main__":
    sys.exit(main())
