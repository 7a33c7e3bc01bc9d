"""A third kind of evidence, known to this file alone: how far the peak stands above the RMS."""

from __future__ import annotations

import numpy as np

from monitor.evidence.base import Facts
from monitor.records.evidence import Evidence, measured_residual

BIAS = 1.0  # a crest factor is never below one
THRESHOLD = 6.0


class Crest:
    """The crest factor, shared out over the cells by their power."""

    name = "crest"

    def evidence(self, facts: Facts) -> Evidence | None:
        rms = float(np.sqrt(np.mean(np.square(facts.samples, dtype=np.float64))))
        score = float(np.abs(facts.samples).max()) / rms
        power = (10.0 ** (facts.spectrum_db.astype(np.float64) / 10)).mean(axis=0)
        cells = ((score - BIAS) * power / power.sum()).astype(np.float32)
        return Evidence(
            kind=self.name,
            unit="crest factor",
            score=score,
            threshold=THRESHOLD,
            cells=cells,
            bias=BIAS,
            residual=measured_residual(cells, BIAS, score),
        )
