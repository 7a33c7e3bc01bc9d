"""Square windows of photos, with or without a person: read, and varied while a network learns.

The file is one npz without pickles: `jpeg` holds all pictures one after
another, `end` where each ends; `label`, `split` and `photo` say of each window
what it is; `box` and `box_of` where people are.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from monitor.records.signal import Float32
from training import TrainingError

N_PIXELS = 96
SPLITS = ("train", "validation", "test")
KEYS = ("jpeg", "end", "label", "split", "photo", "photo_has_people", "box", "box_of")
MAX_WINDOWS = 200_000

# What learning may change in a picture: people stay people.
MAX_SHIFT = 8  # pixels, each way
MAX_GAIN = 0.25  # brightness of a window, times 1 ± this
MAX_TINT = 0.06  # of each colour beside it

Pictures = NDArray[np.uint8]


@dataclass(frozen=True)
class People:
    """image : uint8, shape (n, 96, 96, 3). label : shape (n,), 1 is a person. photo : shape (n,).

    of_people_photo : shape (n,), whether people are elsewhere in the photo that
        a window is of.
    boxes : one array (n_boxes, 4) a window, x0, y0, x1, y1 in its pixels, a
        person in each
    """

    image: Pictures
    label: NDArray[np.int8]
    photo: NDArray[np.str_]
    of_people_photo: NDArray[np.bool_]
    boxes: tuple[Float32, ...]

    def __len__(self) -> int:
        return len(self.label)


def load(path: Path) -> dict[str, People]:
    """The three splits. Raises TrainingError of a file that is not such a set."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            found = {key: arrays[key] for key in KEYS}
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        EOFError,
        zipfile.BadZipFile,
    ) as error:
        raise TrainingError(
            f"{path}: must be an npz file with {', '.join(KEYS)} ({error})."
        ) from error
    _check(path, found)
    return {split: _select(path, found, found["split"] == split) for split in SPLITS}


def varied(image: Pictures, random: np.random.Generator) -> Float32:
    """Pictures as a network learns from them: mirrored or not, moved, brighter or darker.

    image : uint8, shape (n, 96, 96, 3). Returns float32 of the same shape, 0 to
        1.
    """
    n = len(image)
    margin = ((0, 0), (MAX_SHIFT, MAX_SHIFT), (MAX_SHIFT, MAX_SHIFT), (0, 0))
    padded = np.pad(image, margin, mode="edge")
    rows, columns = random.integers(0, 2 * MAX_SHIFT + 1, (2, n))
    mirrored = random.random(n) < 0.5
    gain = random.uniform(1 - MAX_GAIN, 1 + MAX_GAIN, (n, 1, 1, 1))
    tint = random.uniform(1 - MAX_TINT, 1 + MAX_TINT, (n, 1, 1, 3))
    scale = (gain * tint / 255).astype(np.float32)
    pictures = np.empty(image.shape, np.float32)
    # One by one: a third of the time that it takes with all of them at once.
    for i, (row, column) in enumerate(zip(rows, columns, strict=True)):
        moved = padded[i, row : row + N_PIXELS, column : column + N_PIXELS]
        np.multiply(moved[:, ::-1] if mirrored[i] else moved, scale[i], out=pictures[i])
    return np.minimum(pictures, np.float32(1), out=pictures)


def plain(image: Pictures) -> Float32:
    """Pictures as a network judges them, 0 to 1."""
    return image.astype(np.float32) / np.float32(255)


def _check(path: Path, found: dict[str, NDArray[Any]]) -> None:
    n = len(found["end"])
    if not 0 < n <= MAX_WINDOWS:
        raise TrainingError(f"{path}: {n} windows, must be 1 to {MAX_WINDOWS}.")
    short = [
        key
        for key in ("label", "split", "photo", "photo_has_people")
        if len(found[key]) != n
    ]
    if short:
        raise TrainingError(
            f"{path}: {short[0]} must have one entry for each of {n} windows."
        )
    ends = np.concatenate([[0], found["end"]])
    if (np.diff(ends) <= 0).any() or ends[-1] > len(found["jpeg"]):
        raise TrainingError(f"{path}: end must rise and stay within jpeg.")
    if found["box"].shape != (len(found["box_of"]), 4):
        raise TrainingError(
            f"{path}: box must have four columns and a row for each box_of."
        )


def _select(
    path: Path, found: dict[str, NDArray[Any]], chosen: NDArray[np.bool_]
) -> People:
    index = np.flatnonzero(chosen)
    if not len(index):
        raise TrainingError(
            f"{path}: has no windows whose split is one of {', '.join(SPLITS)}."
        )
    starts = np.concatenate([[0], found["end"][:-1]])
    content = found["jpeg"].astype(np.uint8).tobytes()
    pictures = [_decode(path, content[starts[i] : found["end"][i]], int(i)) for i in index]
    return People(
        np.stack(pictures),
        found["label"][index].astype(np.int8),
        found["photo"][index],
        found["photo_has_people"][index].astype(bool),
        tuple(found["box"][found["box_of"] == i].astype(np.float32) for i in index),
    )


def _decode(path: Path, content: bytes, i: int) -> Pictures:
    try:
        with Image.open(io.BytesIO(content), formats=("JPEG",)) as picture:
            # The size stands in the header: nothing large is ever unpacked.
            if picture.size != (N_PIXELS, N_PIXELS):
                raise TrainingError(
                    f"{path}: window {i} is {picture.size[0]} × {picture.size[1]} pixels,"
                    f" must be {N_PIXELS} × {N_PIXELS}."
                )
            return np.asarray(picture.convert("RGB"))
    except (OSError, UnidentifiedImageError, SyntaxError) as error:
        raise TrainingError(
            f"{path}: window {i} is not a JPEG picture ({error})."
        ) from error
