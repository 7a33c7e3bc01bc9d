"""Units of acceleration, as configurations and messages spell them."""

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

_SPELLINGS = {
    "m/s/s": "m/s2",
    "ms-2": "m/s2",
    "ms2": "m/s2",
    "gn": "g",
    "g_n": "g",
    "µg": "ug",
    "μg": "ug",
    "cm/s2": "gal",
}


def spelled(unit: str) -> str:
    """The usual spelling of a unit: "m/s2" of "M/S²". What is unknown comes back as it is."""
    plain = unit.strip().replace("²", "2").replace("^2", "2").replace("**2", "2").lower()
    plain = _SPELLINGS.get(plain, plain)
    return plain if plain in MS2_PER_UNIT else unit
