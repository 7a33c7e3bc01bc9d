"""A sensor's samples as a few lines of text: the waveform in braille, the spectrum in blocks."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from monitor.records.signal import Float64

BLOCKS = " ▁▂▃▄▅▆▇█"
BRAILLE = 0x2800
# Bits of a braille sign, by column and row from below.
DOTS = ((0x40, 0x04, 0x02, 0x01), (0x80, 0x20, 0x10, 0x08))
RANGE_DB = 60.0


def waveform(samples: Float64, width: int = 48, height: int = 2) -> list[str]:
    """Lines from above, `height` of them. samples : (n,), of which 2 * width places are shown."""
    if not len(samples) or not np.isfinite(samples).any():
        return [" " * width] * height
    clean = np.nan_to_num(samples - np.nanmean(samples))
    n_places = 2 * width
    if len(clean) < n_places:
        along = np.linspace(0, len(clean) - 1, n_places)
        clean = np.interp(along, np.arange(len(clean)), clean)
    size = float(np.abs(clean).max()) or 1.0
    cells, last = np.zeros((height, width), int), float(clean[0])
    for column, part in enumerate(np.array_split(clean, n_places)):
        # From where the line before ended, so that it goes on without a break.
        ends = min(last, float(part.min())), max(last, float(part.max()))
        low, high = (_row(one, size, 4 * height) for one in ends)
        last = float(part[-1])
        for row in range(low, high + 1):
            cells[row // 4, column // 2] |= DOTS[column % 2][row % 4]
    return ["".join(chr(BRAILLE + int(cell)) for cell in line) for line in cells[::-1]]


def _row(value: float, size: float, n_rows: int) -> int:
    return min(n_rows - 1, int((value / size + 1) / 2 * n_rows))


def spectrum(samples: Float64, width: int = 48) -> str:
    """From 0 Hz to half the rate, each sign the strongest of its band, over 60 dB."""
    if len(samples) < 16 or not np.isfinite(samples).any():
        return " " * width
    clean = np.nan_to_num(samples - np.nanmean(samples))
    if not clean.any():
        return " " * width
    power = np.abs(np.fft.rfft(clean * np.hanning(len(clean))))[1:] ** 2
    edges = np.linspace(0, len(power), width + 1).astype(int)
    bands = [power[a : max(b, a + 1)].max() for a, b in pairwise(edges)]
    level = 10 * np.log10(np.array(bands) / max(bands) + 1e-30)
    steps = np.clip((level / RANGE_DB + 1) * (len(BLOCKS) - 1), 0, len(BLOCKS) - 1)
    return "".join(BLOCKS[round(float(step))] for step in steps)
