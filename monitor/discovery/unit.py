"""The unit of the samples: by what names and messages say, and by gravity on a sensor at rest.

Gravity is 1 g whatever a sensor counts in, within the few per cent by which
cheap ones are off. Units that lie closer together than that are not told apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from monitor.discovery import words
from monitor.discovery.notes import Choice, Notes
from monitor.discovery.streams import Stream
from monitor.records.signal import Float64
from monitor.signal.payload.units import MS2_PER_UNIT, SI_PER_UNIT, spelled

G = 9.80665
OFFSET = 0.05  # by which a cheap sensor's gravity is off
NEAR = 0.02
NEAR_OF_MG = 0.008  # 1 g in cm/s² is 2 % less
REST = 0.5  # of gravity: at rest, vibration is less
STEADY = 0.03
OF_GRAVITY = {unit: G / ms2 for unit, ms2 in MS2_PER_UNIT.items()}
# What common chips count for 1 g.
COUNTS_PER_G = (*(2.0**k for k in range(5, 19)), 64e3, 128e3, 256e3)
COARSE = ("g", "m/s2")  # units that no sensor counts whole
FEW_COUNTS = 8.0
# Gravity times so much is read where numbers of this unit are called another.
CALLED_WRONG = ((G, "m/s2"), (1 / G, "g"), (1e3, "mg"), (1e-3, "g"), (1e3 * G, "mg"))
LOUDEST_MS2, QUIETEST_MS2 = 5e4, 1e-6


@dataclass(frozen=True, slots=True)
class UnitFound:
    unit: str
    scale: float | None = None

    @property
    def ms2(self) -> float:
        return (self.scale or 1.0) * MS2_PER_UNIT.get(self.unit, 1.0)


def apart(streams: Sequence[Stream]) -> list[list[Stream]]:
    """Streams of one shape, apart where gravity shows that they count in different units."""
    found: dict[UnitFound | None, list[Stream]] = {}
    for stream in streams:
        nearest = _by_gravity(_gravity(stream), _is_whole([stream]))[:1]
        found.setdefault(nearest[0] if nearest else None, []).append(stream)
    shown = [unit for unit in found if unit is not None]
    return list(found.values()) if len(shown) > 1 else [list(streams)]


def unit_of(
    streams: Sequence[Stream],
    names: Sequence[str],
    is_stated: bool,
    notes: Notes,
    is_alone: bool = True,
) -> UnitFound | None:
    """names : of keys, columns and topics that may end with a unit. None where it is asked for.

    is_stated : the messages say it, and the decoder heeds it
    is_alone : no streams of the shape have another unit
    """
    if is_stated:
        return _stated(streams, notes)
    levels = [_gravity(stream) for stream in streams]
    gravity = float(np.median([one for one in levels if one])) if any(levels) else None
    is_whole = _is_whole(streams)
    n_channels = len(streams[0].samples[0])
    found = _by_gravity(gravity, is_whole)
    settled = _settled(found, gravity, n_channels, is_whole)
    if (answer := notes.answer("unit")) is not None and (is_alone or settled is None):
        return _answered(answer, notes)
    named = {one for name in names if (one := words.unit_of(name)) is not None}
    if len(named) == 1:
        name = named.pop()
        if (
            is_whole
            and name in COARSE
            and any(_are_many(one.samples[:4]) for one in streams)
        ):
            _ask_counts("names", name, gravity, notes)
            return None
        return _by_name(name, gravity, found, streams, notes)
    if settled is not None:
        what = "the axes add up to" if n_channels > 1 else "the mean is"
        whose = "" if is_alone else f"{streams[0].sensor}: "
        notes.say(
            "unit", f"{whose}{settled.unit}: at rest {what} {gravity:.4g}, which is 1 g"
        )
        return settled
    whose = "" if is_alone else f"{', '.join(one.sensor for one in streams[:3])}: "
    _ask(found, gravity, is_whole, whose, notes)
    return None


def _is_whole(streams: Sequence[Stream]) -> bool:
    return all(
        np.all(one == np.round(one)) for stream in streams for one in stream.samples[:4]
    )


def _stated(streams: Sequence[Stream], notes: Notes) -> UnitFound | None:
    """What messages say of themselves, unless whole numbers or gravity deny it."""
    for stream in streams:
        gravity_ms2 = _gravity(stream)
        whole = next((one for one in COARSE if _is_whole_in(stream, one)), None)
        if whole is not None:
            gravity = gravity_ms2 and gravity_ms2 / MS2_PER_UNIT[whole]
            _ask_counts("messages", whole, gravity, notes)
            return None
        meant = _meant(gravity_ms2, len(stream.samples[0]))
        if meant:
            text = f"{stream.sensor}: by the unit that messages say, {gravity_ms2:.4g} m/s² at rest"
            notes.ask("unit", f"{text}; gravity is 9.81. Which is it?", [Choice(meant)])
            return None
    return UnitFound("m/s2")


def _meant(gravity_ms2: float | None, n_channels: int) -> str:
    """The unit in which numbers that are called another are 1 g. "" where it may be as called."""
    if gravity_ms2 is None:
        return ""
    for factor, unit in CALLED_WRONG:
        limit = OFFSET if n_channels > 2 else NEAR_OF_MG
        if abs(gravity_ms2 / G / factor - 1) < limit and (n_channels > 2 or factor > 1):
            return unit
    return ""


def _ask_counts(whose: str, unit: str, gravity: float | None, notes: Notes) -> None:
    """No sensor is so coarse that it counts whole g."""
    text = f"The {whose} say {unit}, yet all samples are whole numbers"
    if gravity is not None:
        text += f", and at rest they add up to {gravity:.4g}"
    choices = [Choice(_spelled(one), "by gravity") for one in _by_gravity(gravity, True)]
    notes.ask("unit", f"{text}: of how much is one (g 0.000061, say)?", choices)


def _is_whole_in(stream: Stream, unit: str) -> bool:
    """Whether samples in m/s² are whole numbers of a unit, as counts are. A few may be stuck."""
    counts = [one / MS2_PER_UNIT[unit] for one in stream.samples[:4]]
    return _are_many(counts) and all(
        np.allclose(one, np.round(one), rtol=1e-6, atol=1e-6) for one in counts
    )


def _are_many(counts: Sequence[Float64]) -> bool:
    return any(bool(np.any(np.abs(one) > FEW_COUNTS)) for one in counts)


def _by_name(
    unit: str,
    gravity: float | None,
    found: Sequence[UnitFound],
    streams: Sequence[Stream],
    notes: Notes,
) -> UnitFound | None:
    """What a name says, unless gravity or the level denies it."""
    rms = max(float(np.std(one)) for stream in streams for one in stream.samples)
    rms_ms2 = rms * MS2_PER_UNIT[unit]
    is_denied = (
        bool(found) and all(one.unit != unit for one in found) and gravity is not None
    )
    if is_denied or not (rms_ms2 == 0 or QUIETEST_MS2 < rms_ms2 < LOUDEST_MS2):
        why = (
            f"at rest the axes add up to {gravity:.4g}"
            if is_denied
            else f"{rms_ms2:.2g} m/s² RMS"
        )
        choices = [
            Choice(unit, "by its name"),
            *(Choice(_spelled(one), "gravity") for one in found),
        ]
        notes.ask("unit", f"Names say {unit}, yet {why}: which unit?", choices)
        return None
    more = ""
    if gravity is not None and abs(gravity / OF_GRAVITY[unit] - 1) < 2 * OFFSET:
        more = f", and at rest the axes add up to {gravity:.4g}"
    notes.say("unit", f"{unit}, by its name{more}")
    return UnitFound(unit)


def _answered(answer: str, notes: Notes) -> UnitFound | None:
    """ "g", or "counts 0.01": with so much of it a number."""
    name, _, factor = answer.strip().partition(" ")
    unit = spelled(name)
    try:
        scale = float(factor) if factor.strip() else None
    except ValueError:
        scale = None
    if unit in SI_PER_UNIT or (unit == "counts" and scale):
        notes.say("unit", f"{answer}, as answered")
        return UnitFound(unit, scale)
    notes.ask(
        "unit again", f"{answer!r} is no unit: {', '.join(SI_PER_UNIT)}, or counts 0.01?"
    )
    return None


def _gravity(stream: Stream) -> float | None:
    """The length of the mean vector, where it is steady and vibration is small beside it."""
    whole = [one for one in stream.samples if np.isfinite(one).all()]
    if not whole or sum(one.shape[1] for one in whole) < 50:
        return None
    everything = np.concatenate(whole, axis=1)
    mean, spread = everything.mean(axis=1), everything.std(axis=1)
    size = float(np.linalg.norm(mean))
    if size == 0 or float(spread.max()) > REST * size:
        return None
    n = max(1, everything.shape[1] // 8)
    parts = [everything[:, k : k + n].mean(axis=1) for k in range(0, 8 * n, n)]
    error = max(float(np.linalg.norm(part - mean)) for part in parts if len(part))
    noise = 4 * float(np.linalg.norm(spread)) / np.sqrt(n)
    return size if error < STEADY * size + noise else None


def _by_gravity(gravity: float | None, is_whole: bool) -> list[UnitFound]:
    """The units that would make it 1 g, the nearest first."""
    if gravity is None:
        return []
    off = {
        UnitFound(unit): abs(gravity / size - 1)
        for unit, size in OF_GRAVITY.items()
        if not (is_whole and size < 10)
    }
    if is_whole:
        off |= {UnitFound("g", 1 / size): abs(gravity / size - 1) for size in COUNTS_PER_G}
    near = [unit for unit in off if off[unit] < OFFSET]
    return sorted(near, key=lambda unit: off[unit])


def _settled(
    found: Sequence[UnitFound], gravity: float | None, n_channels: int, is_whole: bool
) -> UnitFound | None:
    """What gravity alone decides. Whole numbers may count anything; few sensors speak of feet; and
    of less than three axes an offset of 1 is nothing special, while one of 9.81
    is.
    """
    if not found or gravity is None or is_whole:
        return None
    best = found[0]
    off = abs(gravity / OF_GRAVITY[best.unit] - 1)
    if best.unit == "m/s2":
        return best if off < (OFFSET if n_channels > 2 else NEAR) else None
    if n_channels < 3 or best.unit not in ("g", "mg"):
        return None
    return best if best.unit == "g" or off < NEAR_OF_MG else None


def _ask(
    found: Sequence[UnitFound],
    gravity: float | None,
    is_whole: bool,
    whose: str,
    notes: Notes,
) -> None:
    text = "What is the unit of the samples?"
    if gravity is not None:
        text = f"At rest the axes add up to {gravity:.4g}. {text}"
    elif is_whole:
        text += " They are whole numbers: counts 0.01, say, for m/s² a count; or g 0.000061"
    choices = [Choice(_spelled(unit), "by gravity") for unit in found]
    others = ("m/s2", "g", "mg") if not is_whole else ("mg",)
    rest = [Choice(unit) for unit in others if all(one.value != unit for one in choices)]
    notes.ask("unit", whose + text, [*choices, *rest])


def _spelled(found: UnitFound) -> str:
    return found.unit if found.scale is None else f"{found.unit} {found.scale:.6g}"
