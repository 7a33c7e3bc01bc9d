"""What the name of a key, a column or a topic level says. Names never overrule the numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence

from monitor.signal.payload.units import MS2_PER_UNIT, spelled


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


TIME = _set("t ts time timestamp datetime date epoch utc zeit stamp t0 start begin")
SEQUENCE = _set(
    "seq sequence seqno seqnr counter cnt count n nr no msgid messageid packet packetid frameid"
    " index idx number"
)
RATE = _set("fs rate sr odr samplerate samplingrate frequency freq hz")
SPACING = _set("spacing interval dt period step delta")
IDENTITY = _set(
    "id device deviceid sensor sensorid machine machineid asset assetid node nodeid name mac serial"
    " point pointid axis alias location key host unitid equipment channel tag station uid uuid sn"
    " eui"
)
# Of a message that is one part of several: how many there are, and which it is.
COUNT = _set(
    "total totalchunks totalparts chunks parts count of num segments packets blocks pieces"
)
PART = _set(
    "chunk part index idx segment packet block piece chunkindex partindex seq no number"
)
KIND = _set("type model kind class version revision")
MACHINE = _set("machine asset device equipment node station host gateway mac plant")
# What is no waveform of acceleration, whatever numbers stand there.
CONTEXT = _set(
    "temp temperature temperatur hum humidity pressure bat battery vbat voltage volt current amp"
    " power rssi snr rpm speed load torque lat lon alt latitude longitude altitude uptime heap free"
    " rms peak crest kurtosis skew mean avg std min max gyro gyr gyroscope mag magnetometer"
    " magnetic velocity vel displacement disp fft spectrum spectra psd bins bin amplitude"
    " amplitudes magnitude magnitudes phase harmonics envelope crc checksum hash version fw"
    " firmware status state error quality level size length len total part parts ttl qos gain range"
    " sensitivity lsb threshold limit score led light lux noise db sound audio mic co2 gas ph"
    " features feature statistics stats metrics health idle cpu mem memory soc"
)
# Of what is no vibration; a volt may be an accelerometer's.
OTHER_UNITS = _set(
    "°c c degc celsius k °f f degf % %rh bar mbar pa hpa kpa mpa psi rpm 1/min min-1 a ma w kw kwh"
    " dbm lx lux ppm l/min m3/h m³/h kg n nm"
)
UNIT = _set("unit units uom einheit")
SAMPLES = _set(
    "samples sample data value values signal waveform wave raw vib vibration acc accel acceleration"
    " accelerometer measurement measurements trace traces series timeseries buffer readings adc"
    " payload v y s d"
)
GENERIC_LEVELS = SAMPLES | _set(
    "sensor sensors iot telemetry mqtt evt event events json fmt status up uplink tele state topic"
    " msg message messages out"
)
# 10^3 steps of what counts time.
TIME_UNITS = {
    "s": "s", "sec": "s", "secs": "s", "second": "s", "seconds": "s",
    "ms": "ms", "msec": "ms", "milli": "ms", "millis": "ms", "milliseconds": "ms",
    "us": "us", "usec": "us", "micros": "us", "microseconds": "us",
    "ns": "ns", "nsec": "ns", "nanos": "ns", "nanoseconds": "ns",
}  # fmt: skip
ACCELERATION_TOKENS = {
    "g": "g", "gs": "g", "mg": "mg", "ug": "ug", "gal": "gal", "ms2": "m/s2", "mps2": "m/s2",
    "mss": "m/s2", "mms2": "mm/s2", "ips2": "in/s2",
}  # fmt: skip

_TOKEN = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[A-Z]|\d+")
_AXIS = re.compile(
    r"(?:a|acc|accel|accelerometer|acceleration|vib|vibration|raw|adc|axis|value|data|lin|s)?"
    r"([xyz])(?:axis|raw|data)?"
)
_NUMBERED = re.compile(
    r"(?:ch|chan|channel|axis|sensor|d|a|in|ai|acc|vib|input|s|adc)?(\d{1,2})"
)
_DIRECTIONS = _set("horizontal vertical axial radial tangential lateral longitudinal h v")
_CAMEL_UNIT = re.compile(r"(.*[a-zXYZ])(Mg|Ug|Ms2|G)")  # accelMg
_BRACKETED = re.compile(r"[\[(/]\s*([^\])]+?)\s*[\])]?$")


def tokens(name: str) -> list[str]:
    """sampleRate_hz: sample, rate, hz"""
    return [token.lower() for token in _TOKEN.findall(name)]


def says(name: str, words: frozenset[str]) -> bool:
    """Whether the last key of a path, or one of its words, is among these."""
    last = name.rpartition(".")[2]
    found = tokens(last)
    return last.lower() in words or "".join(found) in words or bool(words & set(found))


def is_context(path: str) -> bool:
    """Any key on the way says that no waveform of acceleration is here."""
    if axis_of(path) is not None and not set(tokens(path)) & CONTEXT:
        return False
    return bool(CONTEXT & set(tokens(path)))


def is_rotation(names: Sequence[str]) -> bool:
    """gx, gy, gz: by custom a gyroscope's, and sometimes accelerations in g."""
    return all(re.fullmatch(r"g[xyz]", name.rpartition(".")[2].lower()) for name in names)


def axis_of(path: str) -> str | None:
    """x of acc_x_g, ch1 of ch1; None where the name is of no axis."""
    last = _without_unit(path.rpartition(".")[2])
    joined = "".join(tokens(last)) or last.lower()
    if joined in _DIRECTIONS:
        return joined
    if found := _AXIS.fullmatch(joined):
        return found[1]
    return joined if _NUMBERED.fullmatch(joined) and not joined.isdigit() else None


def _without_unit(name: str) -> str:
    """acc_x of acc_x_ms2"""
    head, _, last = name.rpartition("_")
    if head and last.lower() in ACCELERATION_TOKENS:
        return head
    found = _CAMEL_UNIT.fullmatch(name)
    return found[1] if found else name


def _told_apart(paths: Sequence[str]) -> list[str]:
    """Without the keys at their ends that all have: accX of accX.value."""
    keys = [path.split(".") for path in paths]
    while len(keys) > 1 and min(map(len, keys)) > 1 and len({one[-1] for one in keys}) == 1:
        keys = [one[:-1] for one in keys]
    return [".".join(one) for one in keys]


def are_axes(paths: Sequence[str]) -> bool:
    """All named as axes, or alike except for one letter or number."""
    paths = _told_apart(paths)
    if all(axis_of(path) for path in paths):
        return True
    names = [path.rpartition(".")[2].lower() for path in paths]
    head, tail = _common(names), _common([name[::-1] for name in names])
    middles = {name[head : len(name) - tail] for name in names}
    is_short = all(re.fullmatch(r"[xyz]|\d{1,2}|[hva]", middle) for middle in middles)
    return len(paths) > 1 and len(middles) == len(paths) and is_short


def _common(names: Sequence[str]) -> int:
    """Letters that all begin with; the shortest keeps one."""
    n = 0
    while all(n < len(name) - 1 and name[n] == names[0][n] for name in names):
        n += 1
    return n


def channel_names(paths: Sequence[str]) -> tuple[str, ...]:
    """Short names that differ."""
    paths = _told_apart(paths)
    axes = [axis_of(path) for path in paths]
    if None not in axes and len(set(axes)) == len(axes):
        return tuple(str(axis) for axis in axes)
    last = [path.rpartition(".")[2] for path in paths]
    return tuple(last) if len(set(last)) == len(last) else tuple(paths)


def unit_of(name: str) -> str | None:
    """The unit of acceleration that a name ends with: "x [g]", ax_mg, acceleration_ms2."""
    if found := _BRACKETED.search(name.strip()):
        bracketed = spelled(found[1])
        if bracketed in MS2_PER_UNIT:
            return bracketed
    last = re.split(r"[_\-.\s]+", name.strip())
    if len(last) > 1:
        joined = "".join(last[-2:]).lower()
        unit = ACCELERATION_TOKENS.get(joined, ACCELERATION_TOKENS.get(last[-1].lower()))
        if unit is not None:
            return unit
    if found := _CAMEL_UNIT.fullmatch(name):
        return ACCELERATION_TOKENS.get(found[2].lower())
    return None


def time_unit_of(name: str) -> str | None:
    """ms of timestamp_ms."""
    found = tokens(name.rpartition(".")[2])
    return next((TIME_UNITS[one] for one in reversed(found) if one in TIME_UNITS), None)
