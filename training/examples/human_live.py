"""Shows a clip or a camera with the map over it: red speaks for a person, blue against one.

The network sees the central square of each frame, brought to 96 × 96 pixels,
and is run by LiteRT alone. The maps come from the monitor's own code and add up
to the logit.
"""

from __future__ import annotations

import csv
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import matplotlib
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.image import AxesImage
from PIL import Image, ImageDraw, ImageFont

from monitor.evidence.cam import activation_maps
from monitor.evidence.network import open_network
from monitor.records.signal import Float32
from training import TrainingError
from training.examples.people import N_PIXELS, Pictures
from training.metrics import auc

CAMERA = "/dev/video0"
FULL_COLOUR = 0.05  # logit a cell; the strongest cells of a person in full view have more
OPAQUE = 0.55  # how far full colour hides the picture
RED, BLUE = np.array([214, 39, 40]), np.array([31, 119, 180])


@dataclass(frozen=True)
class Seen:
    """logit; contribution : shape (12, 12), logit units; bias + contribution.sum() = logit."""

    logit: float
    contribution: Float32

    @property
    def probability(self) -> float:
        return float(1 / (1 + np.exp(-self.logit)))


class Detector:
    """A kept network on one thread. Raises TrainingError of a file that holds none."""

    def __init__(self, path: Path) -> None:
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
                content = kept["network"].tobytes()
                self._weights, self._bias = kept["weights"], float(kept["bias"][0])
            self._run = open_network(content, n_threads=1).get_signature_runner()
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise TrainingError(
                f"{path}: holds no network ({error}). Let one learn first, with --data."
            ) from error

    def see(self, square: Pictures) -> Seen:
        """square : uint8, shape (side, side, 3)"""
        small = Image.fromarray(square).resize((N_PIXELS, N_PIXELS), Image.Resampling.BOX)
        image = np.asarray(small, np.float32)[None] / np.float32(255)
        output = self._run(image=image)
        logit = output["logit"].reshape(1)
        contribution, _ = activation_maps(
            output["features"], self._weights, self._bias, logit
        )
        return Seen(float(logit[0]), contribution[0])


def central_square(frame: Pictures) -> tuple[slice, slice]:
    """Rows and columns of the largest square in the middle of a frame, shape (rows, columns, 3)."""
    side = min(frame.shape[:2])
    top, left = ((n - side) // 2 for n in frame.shape[:2])
    return slice(top, top + side), slice(left, left + side)


def overlay(frame: Pictures, seen: Seen, words: str) -> Pictures:
    """The frame with the map over its central square and one line of words."""
    square = central_square(frame)
    side = frame[square].shape[0]
    strength = np.clip(seen.contribution / FULL_COLOUR, -1, 1).astype(np.float32)
    smooth = Image.fromarray(strength).resize((side, side), Image.Resampling.BILINEAR)
    each = np.asarray(smooth)[:, :, None]
    colour = np.where(each > 0, RED, BLUE)
    opaque = OPAQUE * np.abs(each)
    painted = frame.copy()
    painted[square] = (frame[square] * (1 - opaque) + colour * opaque).astype(np.uint8)
    picture = Image.fromarray(painted)
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(max(frame.shape[0] // 24, 12))
    draw.text((8, 6), words, font=font, fill="white", stroke_width=2, stroke_fill="black")
    return np.asarray(picture)


def watch(network: Path, video: str, write: Path | None, truth: Path | None) -> None:
    """Judge every frame; show it in a window, or write it. Raises TrainingError."""
    detector = Detector(network)
    known = None if truth is None else read_truth(truth)
    seen: list[Seen] = []
    judging_s, began = 0.0, time.monotonic()
    with _open(video) as clip, _sink(write, clip) as put:
        for frame in clip.frames:
            started = time.perf_counter()
            seen.append(detector.see(frame[central_square(frame)]))
            judging_s += time.perf_counter() - started
            per_s = len(seen) / (time.monotonic() - began)
            put(overlay(frame, seen[-1], _words(seen[-1], per_s)))
    if not seen:
        raise TrainingError(f"{video}: has no frames.")
    n = len(seen)
    print(
        f"{n} frames, {n / (time.monotonic() - began):.0f} frames/s in all; the network and its"
        f" map alone {n / judging_s:.0f} frames/s on one thread"
    )
    if known is not None:
        print(compare(seen, known, clip.shape))


def _words(seen: Seen, per_s: float) -> str:
    return f"person {seen.probability:.0%}   logit {seen.logit:+.1f}   {per_s:.0f} frames/s"


@dataclass(frozen=True)
class Truth:
    """Of frame i: label person, empty or edge, and a box in pixels of the frame where one is."""

    label: tuple[str, ...]
    box: tuple[tuple[float, float, float, float] | None, ...]


def read_truth(path: Path) -> Truth:
    """frame,label,x0,y0,x1,y1, a row a frame in their order. Raises TrainingError."""
    labels, boxes = [], []
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for i, row in enumerate(csv.DictReader(file)):
                if int(row["frame"]) != i:
                    raise ValueError(
                        f"row {i + 2} is of frame {row['frame']}, expected {i}"
                    )
                labels.append(row["label"])
                corners = [row[key] for key in ("x0", "y0", "x1", "y1")]
                x0, y0, x1, y1 = (float(corner or "nan") for corner in corners)
                boxes.append((x0, y0, x1, y1) if all(corners) else None)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"{path}: {error}.") from error
    return Truth(tuple(labels), tuple(boxes))


def compare(seen: list[Seen], truth: Truth, shape: tuple[int, int]) -> str:
    """What the clip's frames say; those with a person partly in view are left out.

    shape : rows and columns of a frame. Raises TrainingError where truth and
        clip differ in length.
    """
    if len(seen) != len(truth.label):
        raise TrainingError(
            f"the clip has {len(seen)} frames, its truth {len(truth.label)}."
        )
    logit = np.array([one.logit for one in seen])
    label = np.array(truth.label)
    person, empty = label == "person", label == "empty"
    kept = person | empty
    ranks = auc(person[kept].astype(np.int8), logit[kept])
    found = [
        hits(one.contribution, box, shape)
        for one, box, here in zip(seen, truth.box, person, strict=True)
        if here and box is not None
    ]
    return (
        f"person against empty: AUC {ranks:.3f}, {(logit[person] > 0).mean():.3f} of"
        f" {person.sum()} person frames found, {(logit[empty] > 0).sum()} false alarms in"
        f" {empty.sum()} empty ones; strongest cell in the person's box: {np.mean(found):.3f}"
    )


def hits(
    contribution: Float32, box: tuple[float, float, float, float], shape: tuple[int, int]
) -> bool:
    """Whether the strongest cell's middle is in a box, given in pixels of the whole frame."""
    side = min(shape)
    top, left = ((n - side) // 2 for n in shape)
    row, column = np.unravel_index(contribution.argmax(), contribution.shape)
    cell = side / contribution.shape[0]
    x, y = left + (column + 0.5) * cell, top + (row + 0.5) * cell
    return bool(box[0] <= x <= box[2] and box[1] <= y <= box[3])


@dataclass(frozen=True)
class _Clip:
    """shape : rows and columns. rate : frames/s. frames : uint8, shape (*shape, 3) each."""

    shape: tuple[int, int]
    rate: Fraction
    frames: Iterator[Pictures]


@contextmanager
def _open(video: str) -> Iterator[_Clip]:
    camera = video == "camera"
    try:
        container = av.open(CAMERA, format="v4l2") if camera else av.open(video)
    except (OSError, av.FFmpegError) as error:
        raise TrainingError(
            f"{CAMERA if camera else video}: cannot be opened ({error})."
        ) from error
    with container:
        if not container.streams.video:
            raise TrainingError(f"{video}: has no pictures.")
        stream = container.streams.video[0]
        pictures = (
            frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
            for frame in container.decode(stream)
        )
        yield _Clip(
            (stream.height, stream.width), stream.average_rate or Fraction(25), pictures
        )


@contextmanager
def _sink(write: Path | None, clip: _Clip) -> Iterator[Callable[[Pictures], None]]:
    """Takes pictures one by one: a file, or a window on the screen."""
    if write is None:
        yield _window()
        plt.close("all")
        return
    write.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(write), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=clip.rate)
        stream.pix_fmt = "yuv420p"  # halves rows and columns of its colours
        rows, columns = (n - n % 2 for n in clip.shape)
        stream.height, stream.width = rows, columns

        def put(picture: Pictures) -> None:
            even = np.ascontiguousarray(picture[:rows, :columns])
            frame = av.VideoFrame.from_ndarray(even, format="rgb24")
            container.mux(stream.encode(frame))

        yield put
        container.mux(stream.encode())


def _window() -> Callable[[Pictures], None]:
    if matplotlib.get_backend().lower() == "agg":
        raise TrainingError("there is no screen to show a clip on: say --write seen.mp4.")
    axes = plt.figure("Person or no person").add_axes((0, 0, 1, 1))
    axes.axis("off")
    shown: list[AxesImage] = []

    def put(picture: Pictures) -> None:
        if shown:
            shown[0].set_data(picture)
        else:
            shown.append(axes.imshow(picture))
        plt.pause(0.001)

    return put
