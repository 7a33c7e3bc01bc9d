"""What a model must show before it may go into service. Pure: figures in, a sentence and a yes or
no out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from training.against_peers import Lead
from training.metrics import Interval
from training.truth import MapFigures

MAX_RESIDUAL = 1e-3  # logit units, the same that the monitor allows
# of AUC: less cannot be told from chance, more is not waved through because the hold-out is small
MAX_LOSS = 0.01


@dataclass(frozen=True)
class Gate:
    name: str
    passed: bool
    found: str

    def __str__(self) -> str:
        return f"{self.name}: {self.found}"


def leak_gate(shared: Sequence[str] | None) -> Gate:
    """shared : runs that stand in training and test; None where the report does not say"""
    if shared is None:
        return Gate(
            "no leak",
            False,
            "the report does not say whether training and test share a run",
        )
    return Gate("no leak", not shared, f"{len(shared)} runs stand in training and test")


def map_gate(maps: Mapping[str, MapFigures]) -> Gate:
    """Maps add up, and taking away what they name moves the logit more than taking away other
    cells, in every fold.

    Other cells: random ones, and such as stand as far from the healthy level.
    maps : by way to explain; those of exact maps count
    """
    exact = [one for name, one in maps.items() if name.startswith("exact map")]
    if not exact:
        return Gate("truth of maps", False, "the report has no figures on its maps")
    residual = max(one.additivity_residual.max for one in exact)
    random = min(_lower_end(one.deletion.more_than_random) for one in exact)
    equal_energy = min(_lower_end(one.deletion.more_than_equal_energy) for one in exact)
    return Gate(
        "truth of maps",
        residual < MAX_RESIDUAL and random > 0 and equal_energy > 0,
        f"residual {residual:.2g} (limit {MAX_RESIDUAL:g}), deletion beats random cells by"
        f" {random:.3g}, equal energy cells by {equal_energy:.3g} (over 0 wanted)",
    )


def peer_gate(found: Mapping[str, Lead] | None) -> Gate:
    """No simple peer tells the windows apart better than the status does, beyond chance.

    found : by how much the status is better than each peer; None where the
        report does not say
    """
    if found is None:
        return Gate(
            "simple peers", False, "the report has no simple peers beside the status"
        )
    ahead = [name for name, one in found.items() if one.is_behind]
    said = f"{', '.join(ahead)} {'is' if len(ahead) == 1 else 'are'} better than the status"
    return Gate(
        "simple peers", not ahead, said if ahead else "none is better than the status"
    )


def _lower_end(interval: Interval) -> float:
    """The value itself where one run gives no interval."""
    return interval.value if np.isnan(interval.low) else interval.low


def not_worse_gate(difference: Interval) -> Gate:
    """Neither worse beyond chance nor worse by over MAX_LOSS.

    difference : AUC of the candidate less that of the model in service, paired,
        with its interval by run
    """
    value, low, high = difference.value, difference.low, difference.high
    if np.isnan(high):
        return Gate(
            "not worse than in service", False, "the hold-out is too small to compare on"
        )
    return Gate(
        "not worse than in service",
        high >= 0 and value >= -MAX_LOSS,
        f"AUC differs by {value:+.4f} ({low:+.4f} to {high:+.4f}) on the frozen hold-out",
    )
