"""Geometry of a few bearings that public benches use, each with its source."""

from __future__ import annotations

from typing import NamedTuple

CWRU = "Case Western Reserve University Bearing Data Center, apparatus and procedures"


class Geometry(NamedTuple):
    """element_mm, pitch_mm : diameters; contact_deg : contact angle"""

    n_elements: int
    element_mm: float
    pitch_mm: float
    contact_deg: float
    source: str


# A maker's bearings of one designation differ: the ratios of a data sheet go before these.
BEARINGS: dict[str, Geometry] = {
    "6203": Geometry(8, 6.746, 28.50, 0.0, CWRU),
    "6205": Geometry(9, 7.94, 39.04, 0.0, CWRU),
    "6804": Geometry(13, 3.5, 25.6, 0.0, "Nectoux et al. 2012, PRONOSTIA, IEEE PHM"),
    "NICE": Geometry(8, 5.969, 31.623, 0.0, "Bechhoefer 2013, MFPT bearing fault data set"),
    "UER204": Geometry(
        8, 7.92, 34.55, 0.0, "Wang et al. 2018, XJTU-SY, IEEE Trans. Reliability"
    ),
    "ZA-2115": Geometry(
        16, 8.407, 71.501, 15.17, "Qiu et al. 2006, J. Sound and Vibration 289"
    ),
}
