"""The contract of every kind of evidence, and the list of kinds.

A kind is one file in `monitor/evidence/kinds/` that registers itself: nothing
else names it. Its evidence is judged, stored, sent to InfluxDB, drawn on the
page and put into the report, for all of these iterate over a verdict's
evidence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from monitor.config_sensors import SensorSettings
from monitor.evidence.model_folder import ModelManifest
from monitor.records.commissioned import Commissioned
from monitor.records.evidence import Evidence, Grid
from monitor.records.signal import Float32


@dataclass(frozen=True, slots=True)
class NetworkOutput:
    """What the network says of one window.

    contribution : float32, shape (n_f, n_t), logit units
    residual : |contribution.sum() + bias - logit|
    """

    logit: float
    contribution: Float32
    residual: float


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a kind may look at: one window that can be judged, and what is known of its sensor.

    samples : float32, shape (n_channels, n_window), m/s²
    spectrum_db : float32, shape (n_channels, n_f, n_t), on the grid
    network, manifest : None for a sensor without a model
    own : None for a sensor that was not commissioned with this geometry
    """

    samples: Float32
    spectrum_db: Float32
    grid: Grid
    network: NetworkOutput | None
    rule: SensorSettings
    manifest: ModelManifest | None
    own: Commissioned | None


class Kind(Protocol):
    """One kind of evidence.

    name : stored in the journal, and part of names in InfluxDB: lower-case
        letters, digits and _
    """

    name: str

    def evidence(self, facts: Facts) -> Evidence | None:
        """None where there is none of this kind. Must add up: cells.sum() + bias == score.

        Called once for each judged window, in the pipeline's thread: no I/O, no
        clock.
        """
        ...


KINDS: dict[str, Kind] = {}  # in the order in which they speak


def register(kind: Kind) -> None:
    """Judge by this kind, too. Raises ValueError for a name that cannot be one, or stands twice."""
    is_word = (
        kind.name.isascii() and kind.name.replace("_", "").isalnum() and kind.name.islower()
    )
    if not is_word or kind.name in KINDS:
        raise ValueError(
            f"kind = {kind.name!r}: must be a new name of letters, digits and _"
        )
    KINDS[kind.name] = kind
