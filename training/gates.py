"""What a model must show before it may go into service. Pure: figures in, a sentence and a yes or
no out.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

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

    def as_tree(self) -> dict[str, Any]:
        return asdict(self)


def leak_gate(report: dict[str, Any]) -> Gate:
    shared = report.get("runs_on_both_sides")
    if shared is None:
        return Gate(
            "no leak", False, "the report does not say whether training and test share a run"
        )
    return Gate("no leak", not shared, f"{len(shared)} runs stand in training and test")


def map_gate(report: dict[str, Any]) -> Gate:
    """Maps add up, and taking away what they name moves the logit more than taking away other
    cells, in every fold.

    Other cells: random ones, and such as stand as far from the healthy level.
    """
    figures = [
        one
        for name, one in report.get("maps", {}).get("figures", {}).items()
        if name.startswith("exact map")
    ]
    if not figures:
        return Gate("truth of maps", False, "the report has no figures on its maps")
    residual = max(one["additivity_residual"]["max"] for one in figures)
    leads = {
        name: min(_lower_end(one["deletion"][f"more_than_{name}"]) for one in figures)
        for name in ("random", "equal_energy")
    }
    found = ", ".join(
        f"{name.replace('_', ' ')} cells by {lead:.3g}" for name, lead in leads.items()
    )
    return Gate(
        "truth of maps",
        residual < MAX_RESIDUAL and min(leads.values()) > 0,
        f"residual {residual:.2g} (limit {MAX_RESIDUAL:g}), deletion beats {found} (over 0 wanted)",
    )


def _lower_end(interval: dict[str, float | None]) -> float:
    """The value itself where one run gives no interval."""
    low, value = interval["low"], interval["value"]
    return float(low if low is not None else value if value is not None else "nan")


def not_worse_gate(difference: dict[str, Any]) -> Gate:
    """Neither worse beyond chance nor worse by over MAX_LOSS.

    difference : AUC of the candidate less that of the model in service, paired, with its interval
        by run
    """
    low, high = difference["low"], difference["high"]
    if high is None:
        return Gate("not worse than in service", False, "the hold-out is too small to compare on")
    return Gate(
        "not worse than in service",
        high >= 0 and difference["value"] >= -MAX_LOSS,
        f"AUC differs by {difference['value']:+.4f} ({low:+.4f} to {high:+.4f}) on the frozen"
        " hold-out",
    )
