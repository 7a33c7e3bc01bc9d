"""What a Sparkplug birth certificate says of the metrics that come after it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Birth:
    """names : of metrics, by alias
    datatypes : by name
    death_number : bdSeq, which the node's death certificate repeats; None in a
        device's birth
    """

    names: Mapping[int, str]
    datatypes: Mapping[str, int]
    death_number: int | None = None
