"""From evidence to a status."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from monitor.evidence.cam import strongest_band
from monitor.records.evidence import Evidence, Grid
from monitor.records.verdict import Band, Status, leading

# a map that misses its score by more explains nothing: then no verdict either
MAX_RESIDUAL = 1e-3


@dataclass(frozen=True, slots=True)
class Finding:
    """What the evidence on one window comes to.

    residual : of a map that does not add up, where that is the reason for
        BAD_DATA
    """

    status: Status
    reason: str
    evidence: tuple[Evidence, ...] = ()
    band: Band | None = None
    residual: float | None = None

    @property
    def was_judged(self) -> bool:
        return self.status in (Status.OK, Status.NG, Status.LEARNING)


def conclude(evidence: Sequence[Evidence], status_rule: str, grid: Grid) -> Finding:
    """Status, reason and strongest band of one window that could be judged.

    status_rule : "either", or the kind that alone makes the status where it is
        there
    """
    for found in evidence:
        if not found.residual < MAX_RESIDUAL:  # also where it is no number
            return Finding(Status.BAD_DATA, "map_mismatch", residual=found.residual)
    heard = who_decides(evidence, status_rule)
    status, reason = decide(heard)
    strongest = leading(heard, reason)
    band = (
        strongest_band(strongest.cells, grid.f_edges_hz) if strongest is not None else None
    )
    return Finding(status, reason, heard, band)


def who_decides(evidence: Sequence[Evidence], status_rule: str) -> tuple[Evidence, ...]:
    """Evidence of another kind than the rule's is shown, but does not make the status."""
    if not any(found.kind == status_rule for found in evidence):
        return tuple(evidence)
    return tuple(
        found if found.kind == status_rule else replace(found, decides=False)
        for found in evidence
    )


def decide(evidence: Sequence[Evidence]) -> tuple[Status, str]:
    """Status and reason. Any kind of evidence alone makes NG; none hides another.

    The reason of NG names the kinds that spoke, joined by +: network, novelty,
    network+novelty.
    """
    spoke = [found.kind for found in evidence if found.speaks_for_ng]
    if spoke:
        return Status.NG, "+".join(spoke)
    if not any(found.judges for found in evidence):
        return Status.LEARNING, "not_commissioned"
    return Status.OK, ""
