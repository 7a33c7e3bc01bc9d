"""One payload, or the samples of one window, in several messages."""

from __future__ import annotations

from dataclasses import dataclass

SeriesKey = tuple[str, str]  # topic and name
PartKey = tuple[str, str, int]  # and the part's number


@dataclass(frozen=True, slots=True)
class Part:
    """What a message is of a series.

    index : from 0, or from 1 where the sender counts so
    count : of all parts; None where another part says it
    checksum : of the whole payload, in hexadecimal; "" where this part states
        none
    """

    series: str
    index: int
    count: int | None = None
    checksum: str = ""
