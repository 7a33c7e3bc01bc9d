"""A report as one self-contained HTML page."""

from __future__ import annotations

import base64
import html
from dataclasses import astuple, fields
from typing import Any

from training.against_peers import Lead
from training.alarms import DetectionDelay, SensorFalseAlarms
from training.map_report import MapSection
from training.metrics import interval_text
from training.report import LeakyFigures, Report
from training.report_figures import (
    FoldFigures,
    GroupFigures,
    RunCounts,
    ScoreFigures,
    ThresholdFigures,
)
from training.truth import MapFigures, Pointing

OURS, FIGURES = ("network", "status"), ("AUC", "balanced accuracy")
MANY = 16  # rows: a longer table is folded away
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1100px; margin: 2em auto; padding: 0 1em;
  color: #222 }
table { border-collapse: collapse; margin: .6em 0 1.4em }
td, th { padding: .25em .7em; border-bottom: 1px solid #ddd; text-align: left;
  font-variant-numeric: tabular-nums }
th { background: #f4f4f4 }
img { max-width: 100% }
.warning { background: #fff3cd; padding: .6em 1em } h2 { margin-top: 1.6em } small { color: #666 }
@media (max-width: 1000px) {
  table { display: block; overflow-x: auto } td, th { min-width: 5.5em }
}
@media (prefers-color-scheme: dark) {
  :root { color-scheme: dark }
  body { color: #ddd; background: #16191d } th { background: #262b31 }
  td, th { border-color: #3a4048 } .warning { background: #4a3d10 } small { color: #aaa }
  img { background: #fff }
}
"""
HEAD = (
    "<!doctype html><html lang=en><meta charset=utf-8>"
    '<meta name=viewport content="width=device-width, initial-scale=1">'
)


def page(report: Report, pictures: dict[str, bytes]) -> str:
    """pictures : title -> PNG"""
    title = html.escape(report.title)
    parts = [
        HEAD,
        f"<title>{title}</title><style>{STYLE}</style>",
        f"<h1>{title}</h1><p>{html.escape(report.kind)}</p>",
        *_accuracy(report),
        *_alarms(report),
        "<h2>Do the maps tell the truth?</h2>",
        _maps(report.maps),
        "<h2>Cost</h2>",
        table(["what", "value"], [[k, v] for k, v in report.cost.as_tree().items()]),
        "<h2>Pictures</h2>",
        *(_picture(title, content) for title, content in pictures.items()),
    ]
    return "\n".join(part for part in parts if part) + "</html>\n"


def _accuracy(report: Report) -> list[str]:
    found = report.figures
    peers = found.against_peers
    return [
        f"<p>{html.escape(_counts(found.windows))}</p>",
        "<h2>Evidence on windows never seen</h2>",
        _evidence_table(found.evidence),
        (
            "<h3>Network and peers on all windows</h3><p>Above, the windows that commission a"
            " sensor and all others of their runs are left out, for novelty's sake. These scores"
            " need no commissioning.</p>"
        ),
        _evidence_table(found.evidence_on_all_windows),
        _leaky(report.leaky),
        "<h3>Against simpler peers, on the same windows</h3>",
        table(
            [
                "peer",
                *(f"{ours} is better by, {what}" for ours in OURS for what in FIGURES),
            ],
            [
                [name, *_leads(one.network), *_leads(one.status)]
                for name, one in peers.items()
            ],
        ),
        "<h3>Status against simpler peers, on each machine</h3>",
        table(
            ["machine", "peer", *(f"better by, {what}" for what in FIGURES)],
            [
                [machine, name, *_leads(one)]
                for name, against in peers.items()
                for machine, one in against.status_by_machine.items()
            ],
        ),
        "<h2>Folds</h2>",
        _folds_table(found.folds),
    ]


def _alarms(report: Report) -> list[str]:
    found = report.figures
    return [
        "<h2>Thresholds, set without test labels</h2>",
        _thresholds_table(found.thresholds),
        "<h2>False alarms: promised and seen</h2>",
        _false_alarm_table(found.false_alarms),
        _groups(found.by_column),
        _detection(found.detection),
    ]


def _leads(one: Lead) -> list[str]:
    return [str(one.auc), str(one.balanced_accuracy)]


def _counts(windows: RunCounts) -> str:
    counts = f"{windows.ok} healthy and {windows.ng} faulty windows of {windows.runs} runs"
    return f"{counts}; intervals are 95 % and resample runs."


def _evidence_table(evidence: dict[str, ScoreFigures | None]) -> str:
    columns = [field.name for field in fields(ScoreFigures) if field.name != "confusion"]
    rows = [
        [name, *(interval_text(getattr(score, column, None)) for column in columns)]
        for name, score in evidence.items()
    ]
    return table(["score", *(column.replace("_", " ") for column in columns)], rows)


def _leaky(leaky: LeakyFigures | None) -> str:
    if leaky is None:
        return ""
    return (
        "<p class=warning><b>Leaky, for contrast only:</b> windows split at random give the"
        f" network an AUC of {leaky.auc} and a balanced accuracy of"
        f" {leaky.balanced_accuracy}. {html.escape(leaky.warning)}</p>"
    )


def _folds_table(folds: list[FoldFigures]) -> str:
    head = ["held out", "ok", "ng", "status rule", "mixing", "AUC", "balanced accuracy"]
    return table(head, [_fold_row(fold) for fold in folds])


def _fold_row(fold: FoldFigures) -> list[Any]:
    return [
        fold.name,
        fold.windows.ok,
        fold.windows.ng,
        fold.status_rule,
        fold.chosen_on_training_data.mixing,
        ", ".join(f"{name} {value}" for name, value in fold.auc.items()),
        ", ".join(f"{name} {value}" for name, value in fold.balanced_accuracy.items()),
    ]


def _thresholds_table(thresholds: dict[str, ThresholdFigures]) -> str:
    rows = [
        [name, str(one.balanced_accuracy), *astuple(one.confusion)]
        for name, one in thresholds.items()
    ]
    return table(
        ["threshold", "balanced accuracy", "ok→ok", "ok→ng", "ng→ok", "ng→ng"], rows
    )


def _false_alarm_table(rows: list[SensorFalseAlarms]) -> str:
    head = [
        "sensor",
        "evidence",
        "commissioned windows (runs)",
        "effective sample size",
        "stated per window",
        "healthy windows",
        "seen",
        "kept",
        "per month*",
    ]
    body = [line for row in rows for line in _false_alarm_lines(row)]
    note = (
        "<small>effective sample size: how many independent windows or runs say as much. kept: no"
        " more is seen than the"
        " interval allows. Stated intervals are 95 % and assume that later windows are like the"
        " commissioned ones. * extrapolated: 3 of 5 windows, as if healthy windows were independent"
        " of each other</small>"
    )
    return table(head, body[:2]) + (table(head, body[2:]) if len(body) > 2 else "") + note


def _false_alarm_lines(row: SensorFalseAlarms) -> list[list[Any]]:
    """One line for each kind of evidence."""
    return [
        [
            row.sensor,
            name,
            f"{row.commissioned_windows} ({row.commissioned_runs})",
            rate.effective_sample_size,
            str(rate.stated),
            row.healthy_windows,
            str(rate.seen),
            _yes_or_no(rate.kept),
            rate.per_month_extrapolated,
        ]
        for name, rate in row.evidence.items()
    ]


def _yes_or_no(kept: bool | str) -> str:
    if isinstance(kept, str):
        return kept
    return "yes" if kept else "no"


def _groups(groups: dict[str, dict[str, GroupFigures]]) -> str:
    parts = []
    for column, values in groups.items():
        rows = [
            [value, one.windows.ok, one.windows.ng, *one.auc.values()]
            for value, one in values.items()
        ]
        scores = list(next(iter(values.values())).auc)
        parts.append(
            f"<h3>AUC by {html.escape(column)}</h3>"
            + table([column, "ok", "ng", *scores], rows)
        )
    return "".join(parts)


def _detection(rows: list[DetectionDelay]) -> str:
    if not rows:
        return ""
    delays = table(_column_names(DetectionDelay), [list(astuple(row)) for row in rows])
    return "<h2>Runs to failure: since when the alarm stood</h2>" + delays


def _maps(maps: MapSection | None) -> str:
    if maps is None:
        return _map_figures_table({})
    pointing = [[name, *astuple(one)] for name, one in maps.pointing.items()]
    text = _map_figures_table(maps.figures)
    agreement = [[name, str(one.rank), str(one.first)] for name, one in maps.bands.items()]
    head = ["explanation", "rank correlation with the worth of whole bands"]
    text += table([*head, "names the band worth most first"], agreement)
    if pointing:
        text += table(["pointing at", *_column_names(Pointing)], pointing)
    field = maps.receptive_field
    return (
        f"{text}<p>One cell sees up to {field.hz:g} Hz and {field.s:g} s (dotted box in the"
        " pictures).</p>"
    )


def _map_figures_table(figures: dict[str, MapFigures]) -> str:
    head = [
        "explanation",
        "largest |sum + bias − logit|",
        "deletion beats random by",
        "… equal energy by",
        "insertion beats random by",
        "… equal energy by",
        "rank correlation after shuffling weights",
    ]
    rows = [
        [
            name,
            f"{one.additivity_residual.max:.2g}",
            str(one.deletion.more_than_random),
            str(one.deletion.more_than_equal_energy),
            str(one.insertion.more_than_random),
            str(one.insertion.more_than_equal_energy),
            f"{one.same_after_shuffling_weights:.3f}",
        ]
        for name, one in figures.items()
    ]
    return table(head, rows)


def _column_names(record: type[DetectionDelay] | type[Pointing]) -> list[str]:
    return [field.name.replace("_", " ") for field in fields(record)]


def table(head: list[str], rows: list[list[Any]]) -> str:
    cells = "".join(f"<th>{html.escape(str(cell))}" for cell in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(_text(cell))}" for cell in row) for row in rows
    )
    whole = f"<table><tr>{cells}{body}</table>"
    if len(rows) <= MANY:
        return whole
    return f"<details><summary>{len(rows)} rows</summary>{whole}</details>"


def _text(cell: Any) -> str:
    if cell is None:
        return "–"
    return f"{cell:.3g}" if isinstance(cell, float) else str(cell)


def _picture(title: str, content: bytes) -> str:
    data = base64.b64encode(content).decode()
    return (
        f'<h3>{html.escape(title)}</h3><img alt="{html.escape(title)}"'
        f' src="data:image/png;base64,{data}">'
    )
