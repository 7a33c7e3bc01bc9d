"""Novelty's evidence: how unlike its own commissioned self a sensor sounds, cell by cell."""

from __future__ import annotations

import numpy as np

from monitor.evidence import limits
from monitor.evidence.base import Facts, register
from monitor.evidence.novelty import novelty_map
from monitor.records.commissioned import Commissioned
from monitor.records.evidence import Evidence


class Novelty:
    name = "novelty"

    def evidence(self, facts: Facts) -> Evidence | None:
        """None where the sensor has no baseline on this grid."""
        own = facts.own
        if own is None or not _same_geometry(own, facts):
            return None
        cells = novelty_map(facts.spectrum_db[None], own.baseline)[0]
        return Evidence(
            kind=self.name,
            unit="novelty",
            score=float(cells.sum(dtype=np.float64)),
            threshold=limits.novelty_threshold(own, facts.manifest),
            cells=cells,
        )


def _same_geometry(own: Commissioned, facts: Facts) -> bool:
    n_channels = facts.spectrum_db.shape[0]
    same_bands = own.f_edges_hz == facts.grid.f_edges_hz
    return same_bands and own.baseline.mean_db.shape[0] == n_channels


register(Novelty())
