"""Units of acceleration and velocity, as configurations and messages spell them."""

from __future__ import annotations

MS2_PER_UNIT = {
    "m/s2": 1.0,
    "g": 9.80665,
    "mg": 9.80665e-3,
    "ug": 9.80665e-6,
    "mm/s2": 1e-3,
    "in/s2": 0.0254,
    "ft/s2": 0.3048,
    "gal": 0.01,  # cm/s², of seismometers
}

MS_PER_UNIT = {
    "m/s": 1.0,
    "mm/s": 1e-3,
    "um/s": 1e-6,
    "in/s": 0.0254,
}
SI_PER_UNIT = MS2_PER_UNIT | MS_PER_UNIT  # m/s², or m/s of a velocity
DISPLACEMENTS = ("m", "mm", "um", "nm", "in", "mil")

_SPELLINGS = {
    "m/s/s": "m/s2",
    "ms-2": "m/s2",
    "ms2": "m/s2",
    "gn": "g",
    "g_n": "g",
    "µg": "ug",
    "μg": "ug",
    "cm/s2": "gal",
    "ips": "in/s",
    "ms-1": "m/s",
    "mm/sec": "mm/s",
    "in/sec": "in/s",
    "µm/s": "um/s",
    "μm/s": "um/s",
    "µm": "um",
    "μm": "um",
    "mils": "mil",
}

NO_DISPLACEMENT = (
    "is a displacement: differentiated twice, its noise at high frequencies would drown what faults"
    " show; let the sensor send acceleration or velocity"
)


def spelled(unit: str) -> str:
    """The usual spelling of a unit: "m/s2" of "M/S²". What is unknown comes back as it is."""
    plain = unit.strip().replace("²", "2").replace("^2", "2").replace("**2", "2").lower()
    plain = _SPELLINGS.get(plain, plain)
    return plain if plain in SI_PER_UNIT or plain in DISPLACEMENTS else unit


def quantity(unit: str) -> str:
    """velocity or acceleration; the latter of counts, too."""
    return "velocity" if unit in MS_PER_UNIT else "acceleration"
