"""A report's folder: report.json and one self-contained report.html, whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter

from training import TrainingError
from training.against_peers import Lead
from training.export import whole_folder
from training.plain import record_of
from training.report import Report
from training.report_page import page
from training.truth import MapFigures

JSON_FILE, PAGE_FILE = "report.json", "report.html"


def write_report(folder: Path, report: Report, pictures: dict[str, bytes]) -> None:
    """pictures : title -> PNG"""
    tree = json.dumps(report.as_tree(), indent=1, allow_nan=False)
    with whole_folder(folder) as draft:
        (draft / JSON_FILE).write_text(tree + "\n", encoding="utf-8")
        (draft / PAGE_FILE).write_text(page(report, pictures), encoding="utf-8")


@dataclass(frozen=True)
class JudgedModel:
    id: str


@dataclass(frozen=True)
class JudgedMaps:
    """figures : by way to explain and fold"""

    figures: Mapping[str, MapFigures] = field(default_factory=dict)


@dataclass(frozen=True)
class JudgedAgainst:
    status: Lead


@dataclass(frozen=True)
class WrittenReport:
    """What the gates ask of a written report.

    runs_on_both_sides, against_peers : None where the report does not say
    """

    model: JudgedModel
    runs_on_both_sides: tuple[str, ...] | None = None
    maps: JudgedMaps = field(default_factory=JudgedMaps)
    against_peers: Mapping[str, JudgedAgainst] | None = None

    @property
    def status_leads(self) -> Mapping[str, Lead] | None:
        if self.against_peers is None:
            return None
        return {name: one.status for name, one in self.against_peers.items()}


_REPORT = TypeAdapter(WrittenReport)


def read_report(folder: Path) -> WrittenReport:
    """Raises TrainingError, one sentence."""
    path = folder / JSON_FILE
    if path.exists() and not path.is_file():
        raise TrainingError(f"{path} is no file.")
    try:
        tree = json.loads(path.read_bytes())
    except OSError as error:
        raise TrainingError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError):
        raise TrainingError(f"{path} is not JSON.") from None
    if not isinstance(tree, dict) or "model" not in tree:
        raise TrainingError(f"{path} is not a report of camshaft-train evaluate.")
    return record_of(_REPORT, tree, str(path))
