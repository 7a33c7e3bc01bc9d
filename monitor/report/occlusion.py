"""What the logit of an alarm rests on, as the report tells it: bands, and a picture of patches."""

from __future__ import annotations

from collections.abc import Callable

from monitor.evidence.colour import fitting, full_colour
from monitor.evidence.occlusion import patch_levels
from monitor.records.evidence import Evidence
from monitor.records.occlusion import BESIDE_THE_MAP, Occlusion
from monitor.records.verdict import Verdict
from monitor.report.evidence import grey_levels, mean_db
from monitor.report.pictures import evidence_map, hz_range


def occlusion_section(
    given: tuple[Verdict, Occlusion] | None, clock: Callable[[int], str]
) -> str:
    """HTML; nothing where no alarm's window was occluded."""
    network = None if given is None else given[0].of_kind("network")
    if given is None or network is None:
        return ""
    verdict, found = given
    limit = fitting(full_colour(network), found.falls)
    lines = "".join(f"<li>{line}</li>" for line in _without(found, network))
    return (
        "<h2>What the logit rests on</h2>"
        f"<p>The window that raised an alarm, {clock(verdict.end_ns)}:</p><ul>{lines}</ul>"
        f"{_picture(verdict, found, limit)}"
        '<p class="quiet">Colour of a cell: without it the logit <b class="for-ng">falls</b> or'
        f' <b class="for-ok">rises</b>, full at ±{limit:g}. {BESIDE_THE_MAP}</p>'
    )


def _without(found: Occlusion, network: Evidence) -> list[str]:
    def called(value: float) -> str:
        words = f"{value:.2f}".replace("-", "−")
        if network.threshold is None or not network.judges:
            return words
        return f"{words} ({'NG' if value > network.threshold else 'OK'})"

    lines = [
        f"Without <b>{hz_range(band.low_hz, band.high_hz)}</b> the logit would be"
        f" {called(band.logit)}, not {called(network.score)}."
        for band in found.bands
    ]
    return lines or ["No band alone makes the logit fall."]


def _picture(verdict: Verdict, found: Occlusion, limit: float) -> str:
    levels_db, grid = None, verdict.grid
    if grid is not None and verdict.spectrum_db is not None:
        levels_db = patch_levels(verdict.spectrum_db, grid, found.grid)
    grey = grey_levels(levels_db)
    return evidence_map(found.falls, mean_db(levels_db), found.grid, limit, grey)
