"""What Camshaft says of one window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from monitor.records.context import Context
from monitor.records.evidence import Evidence, Grid
from monitor.records.signal import Float32


class Status(StrEnum):
    """What Camshaft says of one window. Only OK and NG are judgements of the machine."""

    OK = "OK"
    NG = "NG"
    BAD_DATA = "BAD_DATA"  # could not be judged, never OK; the reason says why
    IDLE = "IDLE"  # the machine does not run
    LEARNING = "LEARNING"  # neither a model nor a commissioned baseline yet
    NO_DATA = "NO_DATA"  # the sensor fell silent


@dataclass(frozen=True, slots=True)
class Band:
    """The band that carries most of the positive evidence, and its share of it (0 to 1)."""

    low_hz: float
    high_hz: float
    share: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What Camshaft says of one window.

    evidence : all kinds that there are for this sensor; none where it could not
        be judged
    context : speed, load, tool and the like, as they were told last
    indicators : condition indicators by name, units in the names
        (signal.indicators)
    geometry_id : what its spectrum depends on (records.geometry)
    commissioning_id : the commissioning whose limits it was judged by, if any
    grid : of the spectrum and of every map; None where the window could not be
        judged, or where the journal did not keep its maps
    spectrum_db : float32, shape (n_channels, n_f, n_t), dB re 1 (m/s²)²/Hz
    keeps_maps : whether the journal is to keep grid, spectrum and maps; trends count them anyhow
    """

    sensor: str  # "machine/point"
    segment: int
    first_sample: int
    n_samples: int
    start_ns: int
    end_ns: int
    status: Status
    reason: str = ""
    evidence: tuple[Evidence, ...] = ()
    band: Band | None = None
    alarm: str = "clear"  # clear, raised
    running: bool | None = None
    model_id: str = ""
    geometry_id: str = ""
    commissioning_id: int | None = None
    continuity: str = "verified"
    quality: Mapping[str, float] = field(default_factory=dict)
    context: Context = field(default_factory=dict)
    indicators: Mapping[str, float] = field(default_factory=dict)
    grid: Grid | None = None
    spectrum_db: Float32 | None = None
    keeps_maps: bool = True

    @property
    def machine(self) -> str:
        return self.sensor.rpartition("/")[0]

    @property
    def point(self) -> str:
        return self.sensor.rpartition("/")[2]

    @property
    def leading(self) -> Evidence | None:
        """The evidence that made the verdict: the first that its reason names, else the first."""
        return leading(self.evidence, self.reason)

    @property
    def probability(self) -> float | None:
        """P(NG) by the first evidence that has one."""
        known = (
            found.probability for found in self.evidence if found.probability is not None
        )
        return next(known, None)

    @property
    def residual(self) -> float | None:
        """The largest residual of the maps; None without evidence."""
        return max((found.residual for found in self.evidence), default=None)

    def of_kind(self, kind: str) -> Evidence | None:
        return next((found for found in self.evidence if found.kind == kind), None)


def leading(evidence: Sequence[Evidence], reason: str) -> Evidence | None:
    """reason : of the verdict; the kinds that spoke for NG, joined by +, where any did."""
    spoke = reason.split("+")
    named = (found for found in evidence if found.kind in spoke)
    return next(named, evidence[0] if evidence else None)
