"""All of a report, as report.json has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from training.gates import Gate
from training.map_report import MapSection
from training.metrics import Interval
from training.plain import plain
from training.recipe import Recipe
from training.report_figures import Figures


@dataclass(frozen=True)
class ReportedModel:
    name: str
    id: str
    recipe: Recipe


@dataclass(frozen=True)
class LeakyFigures:
    """What a random split of windows would claim. warning : why that flatters"""

    warning: str
    auc: Interval
    balanced_accuracy: Interval


@dataclass(frozen=True)
class Cost:
    """Size and speed of the exported network, one thread, one window at a time."""

    n_parameters: int | None
    mflop_per_window: float
    ms_per_window: float

    def as_tree(self) -> dict[str, Any]:
        return {
            "parameters": self.n_parameters,
            "MFLOP per window": self.mflop_per_window,
            "network, ms per window": self.ms_per_window,
        }


@dataclass(frozen=True)
class Report:
    """kind : one sentence on what these figures are
    runs_on_both_sides : of training and test
    leaky : None where nothing was trained anew. maps : None where no faulty
        window was called NG
    gates, replaces : of a retraining: what was demanded, and the id of the
        model in service
    """

    title: str
    kind: str
    model: ReportedModel
    runs_on_both_sides: list[str]
    figures: Figures
    leaky: LeakyFigures | None
    maps: MapSection | None
    cost: Cost
    gates: list[Gate] | None = None
    replaces: str | None = None

    def as_tree(self) -> dict[str, Any]:
        """Plain values for JSON."""
        tree = {
            "title": self.title,
            "kind": self.kind,
            "model": plain(self.model),
            "runs_on_both_sides": self.runs_on_both_sides,
            **self.figures.as_tree(),
            "leaky": plain(self.leaky),
            "maps": {} if self.maps is None else plain(self.maps),
            "cost": self.cost.as_tree(),
        }
        if self.gates is not None:
            tree["gates"] = plain(self.gates)
            tree["replaces"] = self.replaces
        return tree
