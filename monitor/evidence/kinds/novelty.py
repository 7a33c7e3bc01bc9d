"""Novelty's evidence: how unlike its own commissioned self a sensor sounds, cell by cell."""

from __future__ import annotations

import numpy as np

from monitor.evidence import limits
from monitor.evidence.base import Facts, register
from monitor.evidence.novelty import novelty_map
from monitor.records.evidence import Evidence


class Novelty:
    name = "novelty"

    def evidence(self, facts: Facts) -> Evidence | None:
        """None where the sensor has no baseline of this geometry."""
        own = facts.own
        if own is None:
            return None
        cells = novelty_map(facts.spectrum_db[None], own.baseline)[0]
        return Evidence(
            kind=self.name,
            unit="novelty",
            score=float(cells.sum(dtype=np.float64)),
            threshold=limits.novelty_threshold(own, facts.manifest),
            cells=cells,
        )


register(Novelty())
