"""Made-up verdicts with maps that add up, for tests of delivery and dashboards."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from monitor.records.evidence import LOGIT, Evidence, Grid
from monitor.records.signal import Float32
from monitor.records.verdict import Band, Status, Verdict

SECOND_NS = 10**9
GRID = Grid((0.0, 100.0, 250.0, 500.0, 1000.0), (0.0, 0.25, 0.5, 0.75, 1.0))


def network(
    cells: Float32, bias: float = -0.5, threshold: float | None = 0.25, **changes: Any
) -> Evidence:
    """The network's evidence with a map that adds up."""
    score = float(cells.sum(dtype=np.float64)) + bias
    values = {"score": score, "residual": 1e-7, **changes}
    return Evidence("network", LOGIT, threshold=threshold, cells=cells, bias=bias, **values)


def novelty(cells: Float32, threshold: float | None = 2.0, **changes: Any) -> Evidence:
    """Novelty's evidence with a map that adds up."""
    values = {"score": float(cells.sum(dtype=np.float64)), **changes}
    return Evidence("novelty", "novelty", threshold=threshold, cells=cells, **values)


def make_verdict(
    index: int = 0, sensor: str = "press 7/bearing", grid: Grid = GRID, **changes: Any
) -> Verdict:
    """The index-th window of a sensor, one second long at 2 kHz: NG, with all three maps."""
    rng = np.random.default_rng([index, len(sensor)])
    contribution = rng.normal(0.05, 0.2, grid.shape).astype(np.float32)
    novelty_map = rng.gamma(1.0, 0.02, grid.shape).astype(np.float32)
    verdict = Verdict(
        sensor=sensor,
        segment=1,
        first_sample=2000 * index,
        n_samples=2000,
        start_ns=1_700_000_000 * SECOND_NS + index * SECOND_NS,
        end_ns=1_700_000_001 * SECOND_NS + index * SECOND_NS,
        status=Status.NG,
        reason="network",
        evidence=(network(contribution), novelty(novelty_map)),
        band=Band(100.0, 250.0, 0.5),
        running=True,
        model_id="0123abcd",
        quality={
            "rms_ms2": 1.5,
            "peak_ms2": 4.0,
            "clipped_share": 0.0,
            "velocity_rms_mm_s": 2.1,
        },
        indicators={"rms_ms2": 1.25, "crest": 3.5, "zone": 2.0},
        context={"speed_rpm": 1480.0, "tool": "T4"},
        grid=grid,
        spectrum_db=rng.normal(-40, 10, (3, *grid.shape)).astype(np.float32),
    )
    return replace(verdict, **changes)


def score_of(verdict: Verdict, kind: str = "network") -> Any:
    """The score of one kind, None where the verdict has none."""
    found = verdict.of_kind(kind)
    return None if found is None else found.score


def threshold_of(verdict: Verdict, kind: str = "network") -> Any:
    found = verdict.of_kind(kind)
    return None if found is None else found.threshold


def bias_of(verdict: Verdict, kind: str = "network") -> Any:
    found = verdict.of_kind(kind)
    return None if found is None else found.bias


def map_of(verdict: Verdict, kind: str = "network") -> Any:
    """The map of one kind, None where the verdict has none."""
    found = verdict.of_kind(kind)
    return None if found is None else found.cells
