"""What a file holds and says of itself, and what all readers share."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_FILE_BYTES = 2 << 30  # of a file, and of what comes out of one that is compressed
RATE_TOLERANCE = 1e-3  # of a rate that a header states
N_SHOWN = 8  # names in a sentence


class FileError(Exception):
    """The file holds nothing we can use; str() says why, without the file's name."""


@dataclass(frozen=True, slots=True)
class Rate:
    """As a file states it.

    tolerance : relative, within which it confirms a declared rate
    source : " by its column 't'"; "" for the header
    """

    hz: float
    tolerance: float = RATE_TOLERANCE
    source: str = ""


@dataclass(frozen=True, slots=True)
class Stored:
    """What a file holds under a key.

    array : the file's own number type and axes, read-only
    units : of the channels, as the file spells them; () where it says none
    n_stated : samples in time that its header promises where fewer are there
    breaks : samples that do not follow the one before them in time
    understood : how it was read, where a file could be read in several ways
    """

    array: NDArray[Any]
    rate: Rate | None = None
    units: tuple[str, ...] = ()
    n_stated: int | None = None
    breaks: tuple[int, ...] = ()
    understood: str = ""


def check_size(n_bytes: int, what: str = "would be") -> None:
    """Raises FileError where more would come into memory than we take."""
    if n_bytes > MAX_FILE_BYTES:
        raise FileError(
            f"{what} {n_bytes} bytes in memory, at most {MAX_FILE_BYTES} are read"
        )


def pick(names: Iterable[str], key: str | None) -> str:
    """The one name that a key means: a pattern such as "*_DE_time" may stand for exactly one."""
    found = sorted(names)
    if key in found:
        return key
    matching = (
        found if key is None else [name for name in found if fnmatch.fnmatchcase(name, key)]
    )
    if len(matching) != 1:
        raise FileError(
            f"must hold exactly one array for key = {key!r}, found {len(matching)} among"
            f" {found[:N_SHOWN]}"
        )
    return matching[0]


def stack(
    vectors: Mapping[str, NDArray[Any]] | Sequence[tuple[str, NDArray[Any]]],
) -> NDArray[Any]:
    """(n, n_channels) of one vector a channel, by name; 1 x n and n x 1 are vectors too."""
    named = list(vectors.items() if isinstance(vectors, Mapping) else vectors)
    for name, vector in named:
        if vector.size != max(vector.shape, default=0):
            raise FileError(
                f"has shape {vector.shape} under {name!r}: where a key names each channel, each is"
                " one row of numbers"
            )
    lengths = {vector.size: name for name, vector in named}
    if len(lengths) > 1:
        (n_one, one), (n_other, other) = list(lengths.items())[:2]
        raise FileError(f"has {n_one} samples under {one!r} and {n_other} under {other!r}")
    return np.column_stack([vector.ravel() for _, vector in named])
