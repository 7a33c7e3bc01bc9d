"""The report as HTML: nothing in it refers to anything outside.
Every text from outside is escaped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC
from html import escape

import numpy as np

from monitor.advice import AdviceBook, advice_book
from monitor.evidence.cam import main_bands
from monitor.evidence.colour import full_colour
from monitor.records.diagnosis import DIAGNOSED
from monitor.records.evidence import Evidence, Grid
from monitor.records.verdict import Verdict
from monitor.records.zones import letter
from monitor.report.diagnosis import diagnosis_section
from monitor.report.evidence import (
    band_name,
    band_steps,
    grey_levels,
    has_bias,
    level_db,
    mean_db,
)
from monitor.report.findings import Findings
from monitor.report.occlusion import occlusion_section
from monitor.report.pictures import bars, evidence_map, timeline, waveform
from monitor.times import clock

STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1020px; padding: 20px; color: #16202a; background: #fff;
  font: 15px/1.45 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
h1 { font-size: 24px; margin: 0 0 4px; }
h2 { font-size: 18px; margin: 26px 0 8px; border-bottom: 1px solid #d5dce3; }
h3 { font-size: 15px; margin: 12px 0 4px; }
svg { max-width: 100%; height: auto; display: block; }
svg text { font-size: 12px; fill: #3a4652; }
.quiet { color: #5a6876; }
.two { display: grid; grid-template-columns: 1.4fr 1fr; gap: 14px; align-items: start; }
.verdict { font-size: 19px; font-weight: 600; margin: 10px 0; padding: 8px 12px;
  background: #f3f5f7; border-left: 8px solid #2a7f62; }
.verdict.ng { border-color: #c8321f; }
.verdict.open { border-color: #a06000; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
td, th { text-align: left; padding: 2px 16px 2px 0; vertical-align: top; }
td.number, th.number { text-align: right; }
tr.total td { border-top: 2px solid #16202a; font-weight: 600; }
.text { white-space: pre-wrap; overflow-wrap: anywhere; }
.for-ng { color: #d9480f; }
.for-ok { color: #1c6fb5; }
@media (max-width: 700px) { .two { grid-template-columns: 1fr; } }
@media print {
  body { padding: 0; }
  h2 { break-after: avoid; }
  .two, svg, tr { break-inside: avoid; }
}
"""


def page(found: Findings, now_ns: int, book: AdviceBook | None = None) -> str:
    """The report as HTML without a single reference to anything outside it.

    book : where to look up what to do; None: the shipped one
    """
    machine, _, point = found.sensor.rpartition("/")
    parts = [
        f"<h1>{escape(machine)} · {escape(point)}</h1>",
        (
            f'<p class="quiet">Vibration report by Camshaft ({escape(found.instance)}),'
            f" {found.clock(found.from_ns)} to {found.clock(found.to_ns)}{_in_utc(found)}."
            f" Written {found.clock(now_ns)}.</p>"
        ),
        _verdict(found),
        timeline(found.rows, found.worst_row, found.clock),
        _worst(found),
        occlusion_section(found.occlusion, found.clock),
        diagnosis_section(found.diagnosis, found.clock),
        _advice(found),
        _what_to_do(found, book or advice_book({})),
        _events(found),
        _figures(found),
    ]
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(found.sensor)}: vibration report</title><style>{STYLE}</style></head>"
        f"<body>{''.join(parts)}</body></html>\n"
    )


def _in_utc(found: Findings) -> str:
    """The span once more, for those who compare with logs and InfluxDB."""
    if found.clock(found.to_ns).endswith(" UTC"):
        return ""
    return f" (in UTC: {clock(found.from_ns, UTC)} to {clock(found.to_ns, UTC)})"


def signed(value: float, digits: int = 3) -> str:
    return ("−" if value < 0 else "+") + f"{abs(value):.{digits}f}"


def _verdict(found: Findings) -> str:
    counts = Counter(row.status for row in found.rows)
    words = ", ".join(
        f"{n} {status.replace('_', ' ')}" for status, n in counts.most_common()
    )
    n_ng, n = counts["NG"], len(found.rows)
    n_ok = sum(row.status == "OK" and not row.is_undone for row in found.rows)
    kind = "ng" if n_ng else "ok" if n_ok == n else "open"
    said = f"{n_ng} of {n} windows are NG" if n_ng else f"None of {n} windows is NG"
    n_undone = sum(row.is_undone for row in found.rows)
    undone = (
        f" {n_undone} were judged by a commissioning that was undone." if n_undone else ""
    )
    return f'<p class="verdict {kind}">{said}.</p><p>All windows: {words}.{undone}</p>'


def _worst(found: Findings) -> str:
    verdict, grid, evidence = found.worst, found.worst.grid, found.worst.leading
    title = (
        "The window that speaks loudest for NG"
        if verdict.status.value == "NG"
        else "The window nearest to NG"
    )
    head = (
        f"<h2>{title}</h2><p>{found.clock(verdict.end_ns)}, row {found.worst_row}:"
        f" {_status_words(verdict)}.</p>"
    )
    if evidence is None:
        return head + "<p>There is no map of this window: it could not be judged.</p>"
    if grid is None:
        return head + "<p>The map of this window was not kept (journal.maps).</p>"
    limit, levels = full_colour(evidence), grey_levels(verdict.spectrum_db)
    wave = "" if found.samples is None else waveform(found.samples[0][0], found.samples[1])
    steps = band_steps(evidence, grid)
    left = wave + evidence_map(
        evidence.cells, mean_db(verdict.spectrum_db), grid, limit, levels
    )
    right = bars(steps, evidence.unit, evidence.threshold) + _sum_words(evidence)
    both = (
        "<div"
        f' class="two"><div>{left}{_scale(evidence, limit, levels)}</div><div>{right}</div></div>'
    )
    return head + both + _before(found, evidence, limit, levels)


def _scale(evidence: Evidence, limit: float, levels: tuple[float, float]) -> str:
    low, high = (f"{level:.0f}".replace("-", "−") for level in levels)
    return (
        '<p class="quiet">Colour of a cell: <b class="for-ng">orange</b> speaks for NG, <b'
        f' class="for-ok">blue</b> for OK, full at ±{limit:g} {evidence.unit}; grey is the'
        f" spectrum, {low} to {high} dB re 1 (m/s²)²/Hz.</p>"
    )


def _before(
    found: Findings, evidence: Evidence, limit: float, levels: tuple[float, float]
) -> str:
    """The last OK window, drawn with the same limits."""
    verdict = found.last_ok
    same = None if verdict is None else verdict.of_kind(evidence.kind)
    if verdict is None or verdict.grid is None or same is None:
        return (
            '<p class="quiet">The journal holds no earlier OK window of this model to compare'
            " with.</p>"
        )
    picture = evidence_map(
        same.cells, mean_db(verdict.spectrum_db), verdict.grid, limit, levels
    )
    when = found.clock(verdict.end_ns)
    return f"<h3>For comparison: the last OK window before it, {when}</h3>{picture}"


def _sum_words(evidence: Evidence) -> str:
    bands = float(evidence.cells.sum(dtype=np.float64))
    bias = f"bias {signed(evidence.bias)} and " if has_bias(evidence) else ""
    verdict = ""
    if evidence.threshold is not None:
        above = "above" if evidence.score > evidence.threshold else "not above"
        verdict = f", {above} its threshold {evidence.threshold:.3f}"
    return (
        f"<p><b>{bias}all bands {signed(bands)} = {evidence.unit}"
        f" {signed(evidence.score)}{verdict}.</b></p>"
    )


def _status_words(verdict: Verdict) -> str:
    chance = "" if verdict.probability is None else f", P(NG) {verdict.probability:.3f}"
    why = f" ({verdict.reason.replace('_', ' ')})" if verdict.reason else ""
    return f"{verdict.status.value.replace('_', ' ')}{escape(why)}{chance}"


def _advice(found: Findings) -> str:
    grid, evidence = found.worst.grid, found.worst.leading
    if grid is None or evidence is None:
        return ""
    items = [*_band_advice(found, evidence, grid), _time_advice(evidence, grid)]
    items.append(
        "Compare these frequencies with the machine's own: shaft speed and its multiples, gear"
        " mesh, blade passing, bearing defect rates. A bearing defect often shows as bursts that"
        " ring a resonance well above its defect rate."
    )
    entries = "".join(f"<li>{item}</li>" for item in items if item)
    return f"<h2>What to look at</h2><ul>{entries}</ul>"


def _what_to_do(found: Findings, book: AdviceBook) -> str:
    """Of the failure mode that a label names, else of what a diagnosis or an alarm's text names."""
    if not any(row.status == "NG" for row in found.rows):
        return ""
    modes = [label.label.failure_mode for label in reversed(found.labels)]
    kinds = ("alarm_raised", DIAGNOSED)
    texts = [event.text for event in reversed(found.events) if event.kind in kinds]
    advice = book.of_text(*modes, *texts)
    steps = [f"Check: {text}" for text in advice.check] + list(advice.do)
    items = "".join(f"<li>{escape(text)}</li>" for text in steps)
    source = (
        f'<p class="quiet">Source: {escape(advice.source)}.</p>' if advice.source else ""
    )
    return f"<h2>What to do: {escape(advice.title)}</h2><ol>{items}</ol>{source}"


def _band_advice(found: Findings, evidence: Evidence, grid: Grid) -> Iterator[str]:
    now, before = mean_db(found.worst.spectrum_db), None
    if found.last_ok is not None and found.last_ok.grid == grid:
        before = mean_db(found.last_ok.spectrum_db)
    bands = main_bands(evidence.cells)
    if not bands:
        yield "Nothing in this window speaks for NG."
    for first, last, share in bands:
        text = f"<b>{band_name(grid, first, last)}</b> holds {share:.0%} of the evidence for NG"
        if now is not None and before is not None:
            change_db = level_db(now[first : last + 1]) - level_db(before[first : last + 1])
            text += (
                f"; its level is {abs(change_db):.1f} dB {'above' if change_db >= 0 else 'below'}"
                " the last OK window"
            )
        yield text + "."


def _time_advice(evidence: Evidence, grid: Grid) -> str:
    positive = np.sort(np.maximum(evidence.cells, 0.0).sum(axis=0, dtype=np.float64))[::-1]
    if positive.sum() <= 0:
        return ""
    n_half = int(np.searchsorted(np.cumsum(positive), positive.sum() / 2)) + 1
    n = grid.shape[1]
    words = "it comes in bursts" if n_half <= n / 4 else "it is there most of the time"
    return (
        f"Half of the evidence for NG lies in {n_half} of the window's {n} columns of time:"
        f" {words}."
    )


def _events(found: Findings) -> str:
    rows = [
        (event.at_ns, event.kind.replace("_", " "), event.text)
        for event in found.events
        if event.kind != "label"
    ]
    words = {row.row_id: row.end_ns for row in found.rows}
    rows += [
        (words[label.row_id], f"label on row {label.row_id}", label.label.text)
        for label in found.labels
    ]
    if not rows:
        return "<h2>Events and labels</h2><p>None in this span.</p>"
    lines = (
        f"<tr><td>{found.clock(at)}</td><td>{escape(kind)}</td>"
        f'<td class="text">{escape(text)}</td></tr>'
        for at, kind, text in sorted(rows)
    )
    return f"<h2>Events and labels</h2><table>{''.join(lines)}</table>"


def _figures(found: Findings) -> str:
    verdict, grid, evidence = found.worst, found.worst.grid, found.worst.leading
    models = ", ".join(
        sorted({row.model_id or "none (novelty alone)" for row in found.rows})
    )
    pairs = [
        ("Models in this span", models),
        ("Sensor", found.sensor),
        ("Continuity", verdict.continuity),
    ]
    pairs += [
        (f"Quality: {name}", f"{value:.4g}") for name, value in verdict.quality.items()
    ]
    pairs += [
        (f"Condition: {name}", _figure(name, one)) for name, one in found.indicators.items()
    ]
    if verdict.residual is not None:
        pairs.append(("Residual: |bias + map − logit|", f"{verdict.residual:.1e}"))
    table = "".join(
        f'<tr><td>{escape(k)}</td><td class="text">{escape(v)}</td></tr>' for k, v in pairs
    )
    head = f"<h2>Numbers</h2><table>{table}</table>"
    if grid is None or evidence is None:
        return head
    table = _table(band_steps(evidence, grid), evidence)
    return f"{head}<h3>What each band adds, row {found.worst_row}</h3>{table}"


def _figure(name: str, value: float) -> str:
    return letter(value) if name == "zone" else f"{value:.4g}"


def _table(steps: Iterable[tuple[str, float]], evidence: Evidence) -> str:
    so_far = 0.0
    lines = [("band", f"adds to the {evidence.unit}", "sum so far")]
    for name, value in steps:
        so_far += value
        lines.append((name, signed(value, 4), signed(so_far, 4)))
    rows = [
        f'<td>{a}</td><td class="number">{b}</td><td class="number">{c}</td>'
        for a, b, c in lines
    ]
    total = f'<td>{evidence.unit}</td><td></td><td class="number">{signed(evidence.score, 4)}</td>'
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return f'<table>{body}<tr class="total">{total}</tr></table>'
