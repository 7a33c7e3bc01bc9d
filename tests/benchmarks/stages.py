"""The pipeline whole, and its stages one by one on the same windows. Costs are processor time: a
busy machine does not falsify it as it does the clock.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view

from monitor.evidence.cam import strongest_band
from monitor.journal.writer import Journal
from monitor.pipeline.analysis import N_AT_ONCE
from monitor.pipeline.pacing import COMMIT_S
from monitor.pipeline.pipeline import Pipeline
from monitor.pipeline.router import Rules
from monitor.pipeline.workers import Workers
from monitor.records.signal import Chunk, Float32, Message
from monitor.service import MESSAGES_PER_TURN
from monitor.signal.payload.raw import RawPayload
from monitor.signal.plausibility.check import N_FIRST
from monitor.signal.quality import assess
from monitor.signal.spectrogram import spectrogram, to_grid
from monitor.signal.windows import Windower, WindowSettings
from tests.benchmarks.workload import Workload
from tests.payloads import decode_one

RAW = RawPayload(format="raw", dtype="int16")
N_REPEATS = 5


@dataclass(frozen=True)
class PipelineRun:
    """windows_per_s : all stages and the commits, by the clock
    cpu_s : their processor time a window
    journal_s : of it, the commits
    first_cpu_s : of a window of a sensor's first messages, which are looked at closely
    """

    windows_per_s: float
    cpu_s: float
    journal_s: float
    max_residual: float
    first_cpu_s: float


def run_pipeline(workload: Workload, folder: Path, n_workers: int = 1) -> PipelineRun:
    """All messages through the pipeline into a fresh journal: the median of some runs."""
    runs = [
        _run_once(
            workload, folder / f"run-{n_workers}-{index}.journal", n_workers=n_workers
        )
        for index in range(N_REPEATS)
    ]
    return sorted(runs, key=lambda run: run.windows_per_s)[N_REPEATS // 2]


def kept_with_machines(workload: Workload, folder: Path) -> float:
    """Share of the windows a second that healthy sensors keep once their machines are described, by
    processor time: the median of runs in turn.
    """
    healthy = workload.of_healthy()
    kept = []
    for index in range(N_REPEATS):
        without, with_machines = (
            _run_once(healthy, folder / f"{name}-{index}.journal", rules).cpu_s
            for name, rules in (
                ("without", healthy.rules()),
                ("with", healthy.rules_with_machines()),
            )
        )
        kept.append(without / with_machines)
    return statistics.median(kept)


def _run_once(
    workload: Workload, path: Path, rules: Rules | None = None, n_workers: int = 1
) -> PipelineRun:
    """A sensor's first messages cost more than all later ones: they are measured by themselves."""
    journal = Journal(path)
    workers = Workers(n_workers)
    pipeline = Pipeline(rules or workload.rules(), {}, {}, 0.0, judge=workers.judge)
    n_first = N_FIRST * workload.n_sensors
    first = _work_off(workload.messages[:n_first], pipeline, journal)
    steady = _work_off(workload.messages[n_first:], pipeline, journal)
    workers.close()
    journal.close()
    return PipelineRun(
        steady.n_windows / steady.total_s,
        steady.cpu_s / steady.n_windows,
        steady.journal_s / steady.n_windows,
        max(first.max_residual, steady.max_residual),
        first.cpu_s / first.n_windows,
    )


@dataclass
class _Work:
    n_windows: int = 0
    total_s: float = 0.0  # by the clock
    cpu_s: float = 0.0
    journal_s: float = 0.0  # processor time
    max_residual: float = 0.0


def _work_off(messages: Sequence[Message], pipeline: Pipeline, journal: Journal) -> _Work:
    """As the service does when messages never end."""
    work = _Work()
    cpu_s, start_s = time.process_time(), time.perf_counter()
    committed_s = start_s
    for first in range(0, len(messages), MESSAGES_PER_TURN):
        turn = messages[first : first + MESSAGES_PER_TURN]
        pipeline.process(turn, turn[-1].received_ns, 0.0)
        is_last = first + MESSAGES_PER_TURN >= len(messages)
        if is_last or time.perf_counter() - committed_s >= COMMIT_S:
            _commit(pipeline, journal, work)
            committed_s = time.perf_counter()
    work.cpu_s = time.process_time() - cpu_s
    work.total_s = time.perf_counter() - start_s
    if work.n_windows != len(messages):
        raise AssertionError(
            f"{len(messages)} windows went in, {work.n_windows} verdicts came out."
        )
    return work


def _commit(pipeline: Pipeline, journal: Journal, work: _Work) -> None:
    batch = pipeline.take_batch(with_tails=False)
    start_s = time.process_time()
    journal.commit(batch)
    work.journal_s += time.process_time() - start_s
    work.n_windows += len(batch.verdicts)
    residuals = (verdict.residual or 0.0 for verdict in batch.verdicts)
    work.max_residual = max(work.max_residual, *residuals)


def stage_costs_s(workload: Workload) -> dict[str, float]:
    """Seconds a window that each stage takes by itself, in batches as large as the pipeline's."""
    manifest = workload.classifier.manifest
    settings, grid = manifest.settings, manifest.map_grid
    messages = workload.messages[:N_AT_ONCE]
    samples = np.resize(
        workload.samples(), (N_AT_ONCE, manifest.n_channels, settings.n_window)
    )
    psd_db = spectrogram(samples, settings)
    _, contribution, _ = workload.classifier.explain(psd_db)
    chunks = [
        decode_one(message, RAW, "machine/point", workload.rule) for message in messages
    ]

    def bands() -> None:
        for cells in contribution:
            strongest_band(cells, grid.f_edges_hz)

    stages: dict[str, Callable[[], object]] = {
        "decode": lambda: [
            decode_one(message, RAW, "machine/point", workload.rule) for message in messages
        ],
        "window": lambda: _cut(chunks, settings.n_window),
        "quality": lambda: assess(samples, None),
        "spectrogram": lambda: to_grid(spectrogram(samples, settings), grid.shape[1]),
        "network": lambda: workload.classifier.explain(psd_db),
        "map": bands,
    }
    return {name: _median_s(stage) / N_AT_ONCE for name, stage in stages.items()}


def kernel_limit(workload: Workload) -> float:
    """Windows a second of processor time if only the float32 Fourier transforms and the network
    with its maps ran, tapered frames lying ready.
    """
    settings = workload.classifier.manifest.settings
    samples = workload.samples()
    psd_db = spectrogram(samples, settings)
    frames = _frames(samples, settings.n_fft, settings.hop)
    transform_s = (
        _median_s(lambda: scipy.fft.rfft(frames)) * settings.n_frames / len(frames)
    )
    network_s = _median_s(lambda: workload.classifier.explain(psd_db)) / len(psd_db)
    n_channels = len(workload.rule.channels)
    return 1 / (n_channels * transform_s + network_s)


def _frames(samples: Float32, n_fft: int, hop: int) -> Float32:
    """The frames of a few windows' first channels, shape (n, n_fft): few enough to stay in the
    cache.
    """
    frames = sliding_window_view(samples[:4, 0], n_fft, axis=-1)[:, ::hop]
    return np.ascontiguousarray(frames.reshape(-1, n_fft))


def _cut(chunks: list[Chunk], n_window: int) -> int:
    """Each chunk is the next window of a sensor of its own, as in the whole run."""
    n = 0
    for chunk in chunks:
        windower = Windower(
            "machine/point", WindowSettings("continuous", n_window, n_window)
        )
        windower.push(chunk)
        while windower.cut() is not None:
            n += 1
    return n


def _median_s(work: Callable[[], object], n: int = 7) -> float:
    work()
    durations = []
    for _ in range(n):
        start_s = time.process_time()
        work()
        durations.append(time.process_time() - start_s)
    return statistics.median(durations)
