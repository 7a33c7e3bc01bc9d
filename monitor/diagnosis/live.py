"""The service's diagnosis: the channel that speaks most clearly, in words and plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from monitor.diagnosis.naming import NEEDS_HEALTHY, Diagnosis, diagnose
from monitor.diagnosis.rivals import Candidate
from monitor.records.diagnosis import Diagnosed, Question
from monitor.records.signal import Float32, Float64
from monitor.signal.envelope import envelope_spectrum
from monitor.signal.orders import SpeedProfile
from monitor.signal.welch import mean_density

MAX_BINS = 4000  # of a spectrum that is kept: more than a screen shows
SMALLEST_DENSITY = 1e-30

Band = tuple[float, float]


def answer(question: Question) -> Diagnosed:
    """The rate is shared among the channels."""
    n_channels = len(question.channels)
    found = [_of_channel(question, channel) for channel in range(n_channels)]
    best = min(range(n_channels), key=lambda channel: _rank(found[channel]))
    one = found[best]
    stretches = [stretch[best] for stretch in question.stretches]
    shown = one.named or nearest(one)
    carried = None if shown is None else _carried_by(shown, one)
    band = carried or question.map_band_hz or (0.0, question.sample_rate_hz / 2)
    envelope, envelope_hz = _envelope(stretches, question.sample_rate_hz, band, one)
    spectrum, spectrum_hz = _spectrum(stretches, question.sample_rate_hz)
    tree = {
        **_tree(one, shown),
        "asked_by": question.asked_by,
        "channel": question.channels[best],
        "healthy_ns": question.healthy and question.healthy.at_ns,
        "signal_s": sum(len(stretch) for stretch in stretches) / question.sample_rate_hz,
        "carried_hz": carried,
        "map_band_hz": question.map_band_hz,
        "envelope_band_hz": band,
        "envelope_step_hz": envelope_hz,
        "spectrum_step_hz": spectrum_hz,
    }
    text = sentence(one, carried)
    if question.asked_by and not question.no_speed and is_silent(one):
        text = f"nothing stands out: {one.why_not}"
    return Diagnosed(question.sensor, question.at_ns, text, tree, envelope, spectrum)


def _of_channel(question: Question, channel: int) -> Diagnosis:
    stretches = [stretch[channel] for stretch in question.stretches]
    rate = question.rate / len(question.channels)
    kept = () if question.healthy is None else question.healthy.stretches
    healthy = [stretch[channel] for stretch in kept]
    told = [SpeedProfile(one.at_s, one.hz) for one in question.told_speeds]
    found = diagnose(
        stretches,
        question.sample_rate_hz,
        question.machine,
        healthy=healthy,
        told=told,
        rate=rate,
    )
    unknown = tuple(
        (family, question.no_healthy if why == NEEDS_HEALTHY else why)
        for family, why in found.unknown
    )
    return replace(found, unknown=unknown, why_not=question.no_speed or found.why_not)


def _rank(found: Diagnosis) -> tuple[bool, float]:
    chances = [one.chance for one in found.candidates]
    return found.named is None, min(chances, default=1.0)


def nearest(found: Diagnosis) -> Candidate | None:
    return min(found.candidates, key=lambda one: one.chance, default=None)


def is_silent(found: Diagnosis) -> bool:
    """Whether no part is likely, and no rate of strikes stands out."""
    likely = any(one.chance <= found.rate for one in found.candidates)
    return found.levels is not None and not likely and found.repetition is None


def sentence(found: Diagnosis, carried: Band | None) -> str:
    """For an alarm's text."""
    if found.named is None:
        return f"part not named: {found.why_not}{_impulses(found)}"
    fit = found.named.fit
    lines = sum(part.points > 0 for part in fit.parts)
    where = (
        ""
        if carried is None
        else f", most of it from {carried[0]:.0f} to {carried[1]:.0f} Hz"
    )
    return (
        f"{fit.family.name}: {fit.family.symbol} at {fit.base_hz:.1f} Hz, {lines} lines add up to"
        f" {fit.score:.1f}{where}; chance of a wrong name {max(found.named.chance, 1e-9):.1g},"
        f" at most {found.rate:g}"
    )


def _impulses(found: Diagnosis) -> str:
    if found.repetition is None:
        return ""
    hz = found.repetition.hz
    return f"; impulses every {1000 / hz:.1f} ms ({hz:.1f} Hz)"


def _carried_by(shown: Candidate, found: Diagnosis) -> Band | None:
    """The band that adds most to the score, where there are several."""
    if found.levels is None or shown.fit.family.source != "envelope":
        return None
    of_bands = np.sum([part.points_by_band for part in shown.fit.parts], axis=0)
    return found.levels.bands_hz[int(np.argmax(of_bands))] if of_bands.any() else None


def _tree(found: Diagnosis, shown: Candidate | None) -> dict[str, Any]:
    others = sorted(found.candidates, key=lambda one: one.chance)
    runner_up = next((one for one in others if one is not shown), None)
    shaft, repetition, levels = found.shaft, found.repetition, found.levels
    return {
        "named": found.named.name if found.named else "",
        "nearest": shown.name if shown else "",
        "why_not": found.why_not,
        "rate": found.rate,
        "unknown": [[family.name, why] for family, why in found.unknown],
        "runner_up": None if runner_up is None else [runner_up.name, runner_up.chance],
        "repetition_hz": None if repetition is None else repetition.hz,
        "shaft_hz": None if shaft is None else shaft.hz,
        "resolution_hz": None if levels is None else levels.resolution_hz,
        "n_averaged": None if levels is None else levels.n_averaged,
        "bands_hz": [] if levels is None else list(levels.bands_hz),
        **_evidence(shown),
    }


def _evidence(shown: Candidate | None) -> dict[str, Any]:
    """The parts, which add up to the score."""
    if shown is None:
        return {"symbol": "", "base_hz": None, "score": None, "chance": None, "parts": []}
    fit = shown.fit
    parts = [
        {
            "label": part.label,
            "f_hz": part.f_hz,
            "points": part.points,
            "points_by_band": list(part.points_by_band),
        }
        for part in fit.parts
    ]
    return {
        "symbol": fit.family.symbol,
        "base_hz": fit.base_hz,
        "score": fit.score,
        "chance": shown.chance,
        "parts": parts,
    }


def _envelope(
    stretches: Sequence[Float32], rate_hz: float, band: Band, found: Diagnosis
) -> tuple[Float32, float]:
    if found.levels is None:
        return np.zeros(0, np.float32), 1.0
    step_hz = found.levels.resolution_hz
    spectrum = envelope_spectrum(stretches, rate_hz, band, step_hz)
    if spectrum is None:
        return np.zeros(0, np.float32), step_hz
    return _decibels(spectrum.density), step_hz


def _spectrum(stretches: Sequence[Float32], rate_hz: float) -> tuple[Float32, float]:
    longest_s = max(len(one) for one in stretches) / rate_hz
    step_hz = max(rate_hz / 2 / MAX_BINS, 1 / longest_s)
    density, _ = mean_density(stretches, rate_hz, step_hz)
    return _decibels(density), step_hz


def _decibels(density: Float64) -> Float32:
    shown = np.maximum(density[:MAX_BINS], SMALLEST_DENSITY)
    return np.asarray(10 * np.log10(shown), np.float32)
