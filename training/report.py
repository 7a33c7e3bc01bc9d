"""report.json and one self-contained report.html, whole or not at all."""

from __future__ import annotations

import base64
import html
import json
from pathlib import Path
from typing import Any

from training.export import whole_folder

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
"""


def write_report(folder: Path, tree: dict[str, Any], pictures: dict[str, bytes]) -> None:
    """tree : plain values. pictures : title -> PNG"""
    with whole_folder(folder) as draft:
        (draft / "report.json").write_text(
            json.dumps(tree, indent=1, allow_nan=False) + "\n", encoding="utf-8"
        )
        (draft / "report.html").write_text(_page(tree, pictures), encoding="utf-8")


def interval_text(tree: Any) -> str:
    """0.971 (0.940 to 0.990), or a dash."""
    if not isinstance(tree, dict) or tree.get("value") is None:
        return "–"
    if tree.get("low") is None:
        return f"{tree['value']:.3f}"
    return f"{tree['value']:.3f} ({tree['low']:.3f} to {tree['high']:.3f})"


def _page(tree: dict[str, Any], pictures: dict[str, bytes]) -> str:
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8>",
        f"<title>{html.escape(tree['title'])}</title><style>{STYLE}</style>",
        f"<h1>{html.escape(tree['title'])}</h1><p>{html.escape(tree['kind'])}</p>",
        f"<p>{html.escape(_counts(tree))}</p>",
        "<h2>Evidence on windows never seen</h2>",
        _evidence_table(tree["evidence"]),
        (
            "<h3>Network and peers on all windows</h3><p>Above, the windows that commission a"
            " sensor and all others of their runs are left out, for novelty's sake. These scores"
            " need no commissioning.</p>"
        ),
        _evidence_table(tree["evidence_on_all_windows"]),
        _leaky(tree.get("leaky")),
        "<h3>Network against simpler peers, difference in AUC on the same windows</h3>",
        _table(
            ["peer", "network is better by"],
            [[k, interval_text(v)] for k, v in tree["network_against_peers"].items()],
        ),
        "<h2>Folds</h2>",
        _folds_table(tree["folds"]),
        "<h2>Thresholds, set without test labels</h2>",
        _thresholds_table(tree["thresholds"]),
        "<h2>False alarms: promised and seen</h2>",
        _false_alarm_table(tree["false_alarms"]),
        _groups(tree["by_column"]),
        _detection(tree["detection"]),
        "<h2>Do the maps tell the truth?</h2>",
        _maps(tree.get("maps", {})),
        "<h2>Cost</h2>",
        _table(["what", "value"], [[k, v] for k, v in tree["cost"].items()]),
        "<h2>Pictures</h2>",
        *(_picture(title, content) for title, content in pictures.items()),
    ]
    return "\n".join(part for part in parts if part) + "</html>\n"


def _counts(tree: dict[str, Any]) -> str:
    windows = tree["windows"]
    counts = f"{windows['ok']} healthy and {windows['ng']} faulty windows of {windows['runs']} runs"
    return f"{counts}; intervals are 95 % and resample runs."


def _evidence_table(evidence: dict[str, Any]) -> str:
    columns = (
        "auc",
        "mean_auc_of_folds",
        "average_precision",
        "balanced_accuracy",
        "mean_balanced_accuracy_of_folds",
        "run_auc",
        "run_balanced_accuracy",
    )
    rows = [
        [name, *(interval_text(figures.get(column)) for column in columns)]
        for name, figures in evidence.items()
    ]
    return _table(["score", *(column.replace("_", " ") for column in columns)], rows)


def _leaky(leaky: dict[str, Any] | None) -> str:
    if leaky is None:
        return ""
    return (
        "<p class=warning><b>Leaky, for contrast only:</b> windows split at random give the"
        f" network an AUC of {interval_text(leaky['auc'])} and a balanced accuracy of"
        f" {interval_text(leaky['balanced_accuracy'])}. {html.escape(leaky['warning'])}</p>"
    )


def _folds_table(folds: list[dict[str, Any]]) -> str:
    rows = []
    for fold in folds:
        auc = ", ".join(f"{name} {value}" for name, value in fold["auc"].items())
        accuracy = ", ".join(f"{name} {value}" for name, value in fold["balanced_accuracy"].items())
        windows, mixing = fold["windows"], fold["chosen_on_training_data"]["mixing"]
        rows.append(
            [fold["name"], windows["ok"], windows["ng"], fold["status_rule"], mixing, auc, accuracy]
        )
    return _table(
        ["held out", "ok", "ng", "status rule", "mixing", "AUC", "balanced accuracy"], rows
    )


def _thresholds_table(thresholds: dict[str, Any]) -> str:
    rows = [
        [name, interval_text(one["balanced_accuracy"]), *one["confusion"].values()]
        for name, one in thresholds.items()
    ]
    return _table(["threshold", "balanced accuracy", "ok→ok", "ok→ng", "ng→ok", "ng→ng"], rows)


def _false_alarm_table(rows: list[dict[str, Any]]) -> str:
    head = [
        "sensor",
        "evidence",
        "commissioned windows (runs)",
        "worth",
        "stated per window",
        "healthy windows",
        "seen",
        "kept",
        "per month*",
    ]
    body = [
        [
            row["sensor"],
            name,
            f"{row['commissioned_windows']} ({row['commissioned_runs']})",
            row[name]["worth_windows"],
            interval_text(row[name]["stated"]),
            row["healthy_windows"],
            interval_text(row[name]["seen"]),
            {True: "yes", False: "no"}.get(row[name]["kept"], row[name]["kept"]),
            row[name]["per_month_extrapolated"],
        ]
        for row in rows
        for name in ("network", "novelty")
        if name in row
    ]
    note = (
        "<small>worth: of how many independent windows or runs. kept: no more is seen than the"
        " interval allows. Stated intervals are 95 % and assume that later windows are like the"
        " commissioned ones. * extrapolated: 3 of 5 windows, as if healthy windows were independent"
        " of each other</small>"
    )
    return _table(head, body[:2]) + (_table(head, body[2:]) if len(body) > 2 else "") + note


def _groups(groups: dict[str, Any]) -> str:
    parts = []
    for column, values in groups.items():
        rows = [
            [value, one["windows"]["ok"], one["windows"]["ng"], *one["auc"].values()]
            for value, one in values.items()
        ]
        scores = list(next(iter(values.values()))["auc"])
        parts.append(
            f"<h3>AUC by {html.escape(column)}</h3>" + _table([column, "ok", "ng", *scores], rows)
        )
    return "".join(parts)


def _detection(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return ""
    return "<h2>Runs to failure: since when the alarm stood</h2>" + _table(
        [name.replace("_", " ") for name in rows[0]], [list(row.values()) for row in rows]
    )


def _maps(maps: dict[str, Any]) -> str:
    rows = []
    for name, one in maps.get("figures", {}).items():
        deletion, insertion = one["deletion"], one["insertion"]
        rows.append(
            [
                name,
                f"{one['additivity_residual']['max']:.2g}",
                interval_text(deletion["more_than_random"]),
                interval_text(deletion["more_than_equal_energy"]),
                interval_text(insertion["more_than_random"]),
                interval_text(insertion["more_than_equal_energy"]),
                f"{one['same_after_shuffling_weights']:.3f}",
            ]
        )
    head = [
        "explanation",
        "largest |sum + bias − logit|",
        "deletion beats random by",
        "… equal energy by",
        "insertion beats random by",
        "… equal energy by",
        "rank correlation after shuffling weights",
    ]
    pointing = [[name, *one.values()] for name, one in maps.get("pointing", {}).items()]
    text = _table(head, rows)
    if pointing:
        text += _table(
            [
                "pointing at",
                *(key.replace("_", " ") for key in next(iter(maps["pointing"].values()))),
            ],
            pointing,
        )
    if "receptive_field" in maps:
        field = maps["receptive_field"]
        text += (
            f"<p>One cell sees up to {field['hz']:g} Hz and {field['s']:g} s (dotted box in the"
            " pictures).</p>"
        )
    return text


def _table(head: list[str], rows: list[list[Any]]) -> str:
    cells = "".join(f"<th>{html.escape(str(cell))}" for cell in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(_text(cell))}" for cell in row) for row in rows
    )
    table = f"<table><tr>{cells}{body}</table>"
    return (
        table
        if len(rows) <= MANY
        else f"<details><summary>{len(rows)} rows</summary>{table}</details>"
    )


def _text(cell: Any) -> str:
    return "–" if cell is None else f"{cell:.3g}" if isinstance(cell, float) else str(cell)


def _picture(title: str, content: bytes) -> str:
    data = base64.b64encode(content).decode()
    return (
        f'<h3>{html.escape(title)}</h3><img alt="{html.escape(title)}"'
        f' src="data:image/png;base64,{data}">'
    )
