"""A sample rate that stands beside a signal under a usual name: `fs`, `sr`, `Sampling Rate`."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any

import numpy as np

from monitor.recordings.formats.base import RATE_TOLERANCE, Rate

NAMES = frozenset(
    {"fs", "sr", "samplerate", "samplingrate", "samplefrequency", "samplingfrequency"}
    | {"samplefreq", "samplingfreq", "samplespersecond", "abtastrate", "abtastfrequenz"}
)
HZ_PER_UNIT = {"hz": 1.0, "s/s": 1.0, "sps": 1.0, "1/s": 1.0, "khz": 1e3, "mhz": 1e6}
UNSAID = (1.0, 1e3)  # a number alone may count kilohertz, and 25.600 be in thousands

_UNIT = re.compile(r"[ _\[(]*(hz|khz|mhz)[\])]?$")
_NOT_A_LETTER = re.compile(r"[^a-z]")
_THOUSANDS = re.compile(r"\d{1,3}[.,]\d{3}")
# Sampling rate: 2000 Hz
_LINE = re.compile(
    r"[#%/\s\"]*([A-Za-z][A-Za-z _()\[\]-]{1,40}?)\"?\s*[:=;,\t]\s*\"?"
    r"(\d+(?:[.,]\d+)?(?:[eE][+-]?\d+)?)\s*(Hz|kHz|MHz|S/s|sps|1/s)?[\s\";,]*",
    re.IGNORECASE,
)


def is_rate_name(name: str) -> bool:
    plain, _ = _plain_and_unit(name)
    return plain in NAMES


def rate_beside(named: Iterable[tuple[str, Any]], declared_hz: float) -> Rate | None:
    """By the first number that stands alone under a usual name.

    named : name, and an array or what else stands there
    declared_hz : tells hertz from kilohertz where the name does not
    """
    for name, value in named:
        plain, unit = _plain_and_unit(name)
        found = np.asarray(value)
        if plain in NAMES and found.size == 1 and found.dtype.kind in "iuf":
            factors = (HZ_PER_UNIT[unit],) if unit else UNSAID
            return _rate(name, float(found.ravel()[0]), factors, declared_hz)
    return None


def rate_in_lines(lines: Iterable[str], declared_hz: float) -> Rate | None:
    """By the first of the lines before a table of numbers that states one."""
    for line in lines:
        found = _LINE.fullmatch(line.strip())
        if found and is_rate_name(found[1]):
            _, unit = _plain_and_unit(found[1])
            value = float(found[2].replace(",", "."))
            unit = found[3].lower() if found[3] else unit
            is_open = not unit or _THOUSANDS.fullmatch(found[2])
            once = HZ_PER_UNIT.get(unit, 1.0)
            factors = tuple(once * one for one in UNSAID) if is_open else (once,)
            return _rate(found[1], value, factors, declared_hz)
    return None


def _plain_and_unit(name: str) -> tuple[str, str]:
    """ "Sampling_Rate [Hz]" is samplingrate in hz."""
    lower = name.strip().lower()
    found = _UNIT.search(lower)
    unit = found[1] if found and found.start() else ""
    return _NOT_A_LETTER.sub("", lower[: found.start()] if unit and found else lower), unit


def _rate(
    name: str, value: float, factors: tuple[float, ...], declared_hz: float
) -> Rate | None:
    if not (math.isfinite(value) and value > 0):
        return None
    hz = min(
        (value * factor for factor in factors),
        key=lambda one: abs(math.log(one / declared_hz)),
    )
    return Rate(hz, RATE_TOLERANCE, f" by its {name.strip()!r}")
