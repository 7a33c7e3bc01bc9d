"""What a model must show before it may go into service. Pure: figures in, a sentence and a yes or no out."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

MAX_RESIDUAL = 1e-3  # logit units, the same that the monitor allows
MAX_LOSS = 0.01  # of AUC: less cannot be told from chance, more is not waved through because the hold-out is small


@dataclass(frozen=True)
class Gate:
    name: str
    passed: bool
    found: str

    def __str__(self) -> str:
        return f"{self.name}: {self.found}"

    def as_tree(self) -> dict[str, Any]:
        return asdict(self)


def leak_gate(report: dict[str, Any]) -> Gate:
    shared = report.get("runs_on_both_sides")
    if shared is None:
        return Gate("no leak", False, "the report does not say whether training and test share a run")
    return Gate("no leak", not shared, f"{len(shared)} runs stand in training and test")


def map_gate(report: dict[str, Any]) -> Gate:
    """The map adds up, and taking away what it names moves the logit more than taking away random cells does."""
    figures = report.get("maps", {}).get("figures", {}).get("exact map")
    if not figures:
        return Gate("truth of maps", False, "the report has no figures on its maps")
    residual = figures["additivity_residual"]["max"]
    better = figures["deletion"]["more_than_random"]["low"]
    if better is None:  # one run: no interval
        better = figures["deletion"]["more_than_random"]["value"]
    return Gate(
        "truth of maps",
        residual < MAX_RESIDUAL and better > 0,
        f"residual {residual:.2g} (limit {MAX_RESIDUAL:g}), deletion beats random by {better:.3g} (over 0 wanted)",
    )


def not_worse_gate(difference: dict[str, Any]) -> Gate:
    """Neither worse beyond chance nor worse by over MAX_LOSS.

    difference : AUC of the candidate less that of the model in service, paired, with its interval by run
    """
    low, high = difference["low"], difference["high"]
    if high is None:
        return Gate("not worse than in service", False, "the hold-out is too small to compare on")
    return Gate(
        "not worse than in service",
        high >= 0 and difference["value"] >= -MAX_LOSS,
        f"AUC differs by {difference['value']:+.4f} ({low:+.4f} to {high:+.4f}) on the frozen hold-out",
    )
