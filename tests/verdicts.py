"""Made-up verdicts with maps that add up, for tests of delivery and dashboards."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from monitor.records.verdict import Band, Grid, Status, Verdict

SECOND_NS = 10**9
GRID = Grid((0.0, 100.0, 250.0, 500.0, 1000.0), (0.0, 0.25, 0.5, 0.75, 1.0))


def make_verdict(
    index: int = 0, sensor: str = "press 7/bearing", grid: Grid = GRID, **changes: Any
) -> Verdict:
    """The index-th window of a sensor, one second long at 2 kHz: NG, with all three maps."""
    rng = np.random.default_rng([index, len(sensor)])
    contribution = rng.normal(0.05, 0.2, grid.shape).astype(np.float32)
    novelty_map = rng.gamma(1.0, 0.02, grid.shape).astype(np.float32)
    logit = float(contribution.sum()) - 0.5
    verdict = Verdict(
        sensor=sensor,
        segment=1,
        first_sample=2000 * index,
        n_samples=2000,
        start_ns=1_700_000_000 * SECOND_NS + index * SECOND_NS,
        end_ns=1_700_000_001 * SECOND_NS + index * SECOND_NS,
        status=Status.NG,
        reason="network",
        logit=logit,
        probability=1 / (1 + float(np.exp(-logit))),
        bias=-0.5,
        threshold=0.25,
        residual=1e-7,
        novelty=float(novelty_map.sum()),
        novelty_threshold=2.0,
        band=Band(100.0, 250.0, 0.5),
        running=True,
        model_id="0123abcd",
        quality={"rms_ms2": 1.5, "peak_ms2": 4.0, "clipped_share": 0.0, "velocity_rms_mm_s": 2.1},
        grid=grid,
        contribution=contribution,
        novelty_map=novelty_map,
        spectrum_db=rng.normal(-40, 10, (3, *grid.shape)).astype(np.float32),
    )
    return replace(verdict, **changes)
