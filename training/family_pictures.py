"""One small picture of each family of lines, from simulated machines: for docs/diagnose.md.

python -m training.family_pictures docs/families

Grey is the machine when it was well, blue with the part broken; dashes are
where the named part has its lines. Both are at equal steps of the shaft's angle.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from monitor.diagnosis.naming import Diagnosis, diagnose
from monitor.diagnosis.rivals import Candidate
from monitor.diagnosis.shaft import Shaft, in_turns
from monitor.records.signal import Float32, Float64
from monitor.signal.envelope import envelope_spectrum
from monitor.signal.welch import mean_density
from monitor.simulator.known import PARTS, KnownMachine, Part

SECONDS = 10
SEEDS = range(20)  # the first machine whose part is named is drawn
WIDTH, HEIGHT = 560, 150
LEFT, TOP, BOTTOM = 8, 20, 18
DEEPEST_DB, HIGHEST_DB = -10.0, 40.0
BINS_PER_TURN = 40
MORE_ORDERS = 1.5  # to the right of the last line
N_LABELS = 4  # more stand on each other


def picture(part: Part) -> str:
    """The first simulated machine of which it is named.

    Raises ValueError where it is named of none.
    """
    for seed in SEEDS:
        machine = KnownMachine(part, seed, onset_s=SECONDS)
        n, rate_hz = round(SECONDS * machine.sample_rate_hz), machine.sample_rate_hz
        well, broken = machine.block(n)[0], machine.block(n)[0]
        found = diagnose([broken], rate_hz, machine.machine, healthy=[well])
        if found.named and found.shaft and found.named.fit.family.part == part:
            return _drawn(found, found.named, found.shaft, well, broken, rate_hz)
    raise ValueError(f"{part}: named of none of {len(SEEDS)} machines.")


def _drawn(
    found: Diagnosis,
    named: Candidate,
    shaft: Shaft,
    well: Float32,
    broken: Float32,
    rate_hz: float,
) -> str:
    lines = [line for line in named.fit.family.lines if line.weight == 1.0]
    orders = [
        (line.multiple * named.fit.base_hz + line.offset_hz) / shaft.hz for line in lines
    ]
    last = max(orders) + MORE_ORDERS
    band = _band(found, named)
    curves = [_level_db(samples, rate_hz, shaft, band) for samples in (well, broken)]
    kept = round(last * BINS_PER_TURN)
    where = (
        "plain spectrum" if band is None else f"envelope, {band[0]:.0f} to {band[1]:.0f} Hz"
    )
    body = [
        _path(curves[0][:kept], "#9aa0a6"),
        _path(curves[1][:kept], "#1f6fb2"),
        *(
            mark
            for index, (line, order) in enumerate(zip(lines, orders, strict=True))
            for mark in _marked(line.label, order / last, index < N_LABELS)
        ),
        *_turns(last),
        f'<text x="{WIDTH - LEFT}" y="{TOP + 10}" text-anchor="end">{where}</text>',
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"'
        f' width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="10"'
        f' fill="#333333">\n<title>{named.fit.family.part}</title>\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>\n'
        + "\n".join(body)
        + "\n</svg>\n"
    )


def _band(found: Diagnosis, named: Candidate) -> tuple[float, float] | None:
    """That carries most of the name; None for what is looked for in the plain spectrum."""
    if named.fit.family.source == "grown spectrum" or found.levels is None:
        return None
    of_bands = np.sum([part.points_by_band for part in named.fit.parts], axis=0)
    return found.levels.bands_hz[int(of_bands.argmax())]


def _level_db(
    samples: Float32, rate_hz: float, shaft: Shaft, band: tuple[float, float] | None
) -> Float64:
    """Decibels above the spectrum's median, in steps of a 1 / BINS_PER_TURN of an order."""
    turned = in_turns([samples], rate_hz, Shaft(shaft.hz, 0.01, True), shaft.hz)
    steady = [samples] if turned is None else turned[0]
    delta_hz = shaft.hz / BINS_PER_TURN
    if band is None:
        density, _ = mean_density(steady, rate_hz, delta_hz)
    else:
        spectrum = envelope_spectrum(steady, rate_hz, band, delta_hz)
        density = np.zeros(2) if spectrum is None else spectrum.density
    level_db = 10 * np.log10(np.maximum(density, 1e-30))
    around = level_db[BINS_PER_TURN // 2 : 12 * BINS_PER_TURN]
    return np.asarray(level_db - np.median(around))


def _path(level_db: Float64, colour: str) -> str:
    shown = np.clip(level_db, DEEPEST_DB, HIGHEST_DB)
    x = LEFT + (WIDTH - 2 * LEFT) * np.arange(len(shown)) / len(shown)
    high = HEIGHT - TOP - BOTTOM
    y = TOP + high * (HIGHEST_DB - shown) / (HIGHEST_DB - DEEPEST_DB)
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1"/>'


def _marked(label: str, share: float, is_labelled: bool) -> Iterator[str]:
    x = LEFT + (WIDTH - 2 * LEFT) * share
    yield (
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"'
        ' stroke="#c0392b" stroke-dasharray="3 3"/>'
    )
    if is_labelled:
        yield f'<text x="{x:.1f}" y="{TOP - 6}" text-anchor="middle">{label}</text>'


def _turns(last: float) -> Iterator[str]:
    """The axis, in orders of the shaft."""
    step = next(step for step in (1, 2, 5, 10) if last / step <= 12)
    for order in range(0, int(last) + 1, step):
        x = LEFT + (WIDTH - 2 * LEFT) * order / last
        yield f'<text x="{x:.1f}" y="{HEIGHT - 5}" text-anchor="middle">{order}×</text>'


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for part in PARTS[1:]:
        path = folder / f"{part.replace(' ', '-')}.svg"
        path.write_text(picture(part), encoding="utf-8")
        print(path)


if __name__ == "__main__":
    main()
