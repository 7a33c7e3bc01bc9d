"""A sensor's geometry: all that its spectra depend on beside the machine itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any


@dataclass(frozen=True)
class Geometry:
    """Two spectra compare only where all of this is the same.

    n_window, n_fft, hop : samples
    channels : their names, in order
    ms2_per_number : m/s² that one stored number stands for, unit and scale
        together; one for all channels, or one for each
    f_edges_hz, t_edges_s : of the grid
    """

    sample_rate_hz: float
    n_window: int
    n_fft: int
    hop: int
    taper: str
    channels: tuple[str, ...]
    ms2_per_number: float | tuple[float, ...]
    f_edges_hz: tuple[float, ...]
    t_edges_s: tuple[float, ...]
    quantity: str = "acceleration"  # that the sensor sends

    @cached_property
    def id(self) -> str:
        """Short, and the same for equal geometries in every process."""
        return hashlib.sha256(self.as_json().encode()).hexdigest()[:12]

    def as_json(self) -> str:
        tree = asdict(self)
        if self.quantity == "acceleration":
            del tree["quantity"]  # as before there was another
        return json.dumps(tree, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Geometry:
        tree = json.loads(text)
        found: dict[str, Any] = {
            key: tuple(one) if isinstance(one, list) else one for key, one in tree.items()
        }
        return cls(**found)

    def difference(self, new: Geometry) -> str:
        """What is different in the new one, for people: "window 1 s, now 0.5 s"."""
        return "; ".join(
            f"{what} {old}, now {now}" for what, old, now in _differences(self, new)
        )


def _differences(old: Geometry, new: Geometry) -> Iterator[tuple[str, str, str]]:
    named = (
        ("sample rate", f"{old.sample_rate_hz:g} Hz", f"{new.sample_rate_hz:g} Hz"),
        ("window", _seconds(old, old.n_window), _seconds(new, new.n_window)),
        ("channels", ", ".join(old.channels), ", ".join(new.channels)),
        ("quantity", old.quantity, new.quantity),
        ("m/s² a number", _scale(old), _scale(new)),
        ("frame", _seconds(old, old.n_fft), _seconds(new, new.n_fft)),
        ("hop", _seconds(old, old.hop), _seconds(new, new.hop)),
        ("taper", old.taper, new.taper),
    )
    found = [one for one in named if one[1] != one[2]]
    yield from found
    if not found and old != new:
        yield "bands", _bands(old), _bands(new)


def _scale(geometry: Geometry) -> str:
    scale = geometry.ms2_per_number
    each = scale if isinstance(scale, tuple) else (scale,)
    return ", ".join(f"{one:g}" for one in each)


def _seconds(geometry: Geometry, n_samples: int) -> str:
    return f"{n_samples / geometry.sample_rate_hz:g} s"


def _bands(geometry: Geometry) -> str:
    edges = geometry.f_edges_hz
    n_columns = len(geometry.t_edges_s) - 1
    return f"{len(edges) - 1} of {edges[0]:g} to {edges[-1]:g} Hz in {n_columns} columns"
