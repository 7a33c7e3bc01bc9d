"""Diagnoses as one self-contained HTML page."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from monitor.diagnosis.naming import Diagnosis
from training.diagnosed import Diagnosed, confusion, counts_of
from training.plots import png
from training.report_page import HEAD, STYLE, table

MAX_PICTURES = 60


def page(
    name: str, rows: Sequence[Diagnosed], pictures: Mapping[int, bytes], rate: float
) -> str:
    """pictures : PNG, by the row's place"""
    title = html.escape(f"Diagnosis of {name}")
    parts = [
        HEAD,
        f"<title>{title}</title><style>{STYLE}</style><h1>{title}</h1>",
        f"<p>A name is given where chance alone would give it in less than {rate:g} of spectra in"
        " which nothing is broken.</p>",
        *(f"<p>{html.escape(line)}</p>" for line in counts_of(rows)),
        _confusion(rows),
        _overview(rows),
        *(
            _section(row, pictures.get(index))
            for index, row in enumerate(rows[:MAX_PICTURES])
        ),
    ]
    return "\n".join(part for part in parts if part) + "</html>\n"


def picture(found: Diagnosis) -> bytes:
    """The envelopes' levels, all bands together, with the lines of what is named or nearest."""
    assert found.levels is not None
    levels = found.levels
    f_hz = np.arange(len(levels.usable)) * levels.resolution_hz
    figure = Figure(figsize=(10, 2.4))
    axes = figure.subplots()
    axes.plot(f_hz, levels.total, color="0.4", linewidth=0.8)
    axes.fill_between(
        f_hz, 0, 1, where=~levels.usable, transform=axes.get_xaxis_transform(), color="0.9"
    )
    ranked = sorted(found.candidates, key=lambda one: one.chance)
    nearest = found.named or next(iter(ranked), None)
    if nearest is not None and nearest.fit.family.source == "envelope":
        for part in nearest.fit.parts:
            axes.axvline(part.f_hz, color="#d62728", linewidth=0.7, alpha=0.7)
        axes.set_xlim(0, min(f_hz[-1], 1.3 * max(part.f_hz for part in nearest.fit.parts)))
        axes.set_title(f"red: {nearest.name}; grey: the shaft's own lines", fontsize=9)
    axes.set_xlabel("Hz (envelope)")
    axes.set_ylabel("dB beyond 8")
    return png(figure)


def _confusion(rows: Sequence[Diagnosed]) -> str:
    found = confusion(rows)
    if found is None:
        return ""
    names = sorted({name for counts in found.counts.values() for name in counts})
    cells = [
        [truth, *(counts.get(name, 0) for name in names)]
        for truth, counts in found.counts.items()
    ]
    return "<h2>True part, and what was named</h2>" + table(["true part", *names], cells)


def _overview(rows: Sequence[Diagnosed]) -> str:
    head = ["recording", "true part", "named", "nearest", "chance", "runner-up", "chance"]
    head += ["best fixed band", "map's band"]
    cells = [
        [
            row.name,
            row.truth,
            row.part,
            row.nearest,
            row.chance,
            row.runner_up,
            row.runner_up_chance,
            row.bands.fixed or None,
            row.bands.by_map or None,
        ]
        for row in rows
    ]
    return "<h2>Recordings</h2>" + table(head, cells)


def _section(row: Diagnosed, image: bytes | None) -> str:
    lines = [[one.label, one.f_hz, one.level_db, one.points] for one in row.lines]
    lines.append(["sum", None, None, row.score])
    parts = [
        f"<h3>{html.escape(row.name)}</h3><p>{html.escape(sentence(row))}</p>",
        table(["line", "Hz", "dB beyond 8", "points"], lines) if row.lines else "",
        _image(image),
        f"<p><small>{html.escape('; '.join(row.unknown))}</small></p>"
        if row.unknown
        else "",
    ]
    return "\n".join(part for part in parts if part)


def sentence(row: Diagnosed) -> str:
    """What a maintenance engineer reads."""
    said = f"Not named: {row.why_not}."
    if not row.why_not and row.base_hz is not None:
        standing = sum(one.level_db > 0 for one in row.lines)
        said = f"{row.nearest}: {row.base_hz:.1f} Hz, {standing} lines stand out"
        if row.band_hz is not None:
            low, high = row.band_hz
            said += f", carried most by {low:.0f} to {high:.0f} Hz"
        said += f"; by chance in {row.chance:.1g} of spectra."
    if row.repetition_hz is not None:
        said += f" Impulses every {1000 / row.repetition_hz:.2f} ms stand out."
    if row.shaft_hz is not None:
        said += f" Shaft: {row.shaft_hz:.2f} Hz."
    if row.resolution_hz is not None:
        said += f" Envelope: {row.n_averaged} segments, {row.resolution_hz:.2f} Hz apart."
    return said


def _image(content: bytes | None) -> str:
    if content is None:
        return ""
    return f"<img alt='envelope' src='data:image/png;base64,{base64.b64encode(content).decode()}'>"
