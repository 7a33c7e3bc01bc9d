"""Person or no person, live: the same kind of network on colour pictures, and a map of who it saw.

    python -m training.examples.human --data people.npz
    python -m training.examples.human --video clip.mp4 --write seen.mp4

The first command learns, judges windows of other photographers' pictures once,
and keeps the network; the second shows it frame by frame (`--video camera` for
a camera). Five convolutions, global average pooling, one linear unit (Zhou et
al. 2016): logit = bias + sum of the 12 × 12 cells. Three such networks are
averaged, each of a picture and of its mirror image; so are their maps.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from monitor.evidence.cam import activation_maps
from monitor.exit_codes import EXIT_OK, EXIT_REFUSED
from monitor.records.signal import Float32
from training import TrainingError
from training.examples import human_live, people
from training.examples.people import N_PIXELS, People
from training.export import to_litert
from training.metrics import Interval, auc, bootstrap, bootstrap_score
from training.network import (
    FIRST_BIAS,
    FIRST_WEIGHT,
    FusedBatchNormalization,
    keras,
    make_repeatable,
)
from training.plots import png
from training.progress import bar


@dataclass(frozen=True)
class Stage:
    """A convolution of n_maps maps and size × size pixels, and the pooling behind it."""

    n_maps: int
    size: int
    stride: int
    pool: int


# 96 × 96 pixels become 48 × 48, 24 × 24, and from there on 12 × 12 cells.
STAGES = (
    Stage(16, 5, 2, 2),
    Stage(32, 3, 1, 2),
    Stage(32, 3, 1, 1),
    Stage(48, 3, 1, 1),
    Stage(64, 3, 1, 1),
)
N_MEMBERS = 3
N_BATCH = 128
N_EPOCHS = 34
LEARNING_RATE = 4e-3
WEIGHT_DECAY = 0.05
# cost of activity in the feature maps, so that evidence stands where people are
SPARSITY = 0.1
N_SHOWN = 6  # people found, and as many windows that were called wrong
N_THUMBNAIL = 12  # pixels on each side of what the simple peer sees

Figure = Callable[[NDArray[np.int8], Float32], float]


def build() -> keras.Model:
    """A fresh member: outputs logit (n, 1) and features (n, 12, 12, 64)."""
    layers = keras.layers
    image = keras.Input((N_PIXELS, N_PIXELS, 3), name="image")
    x = layers.Rescaling(2.0, -1.0)(image)
    for i, stage in enumerate(STAGES):
        last = i == len(STAGES) - 1
        x = layers.Conv2D(
            stage.n_maps, stage.size, strides=stage.stride, padding="same", use_bias=False
        )(x)
        x = FusedBatchNormalization(momentum=0.9)(x)
        x = layers.ReLU(name="features" if last else None)(x)
        if stage.pool > 1:
            x = layers.MaxPooling2D(stage.pool)(x)
    return _with_head(image, x)


def average(members: Sequence[keras.Model]) -> keras.Model:
    """One network whose logit and map are the means of the members', each of a picture and of its
    mirror image.

    All their feature maps lie side by side, those of the mirror image turned
    back, so the mean map still adds up to the mean logit.
    """
    image = keras.Input((N_PIXELS, N_PIXELS, 3), name="image")
    mirrored = _mirrored(image)
    views: list[Any] = []
    for member in members:
        views += [member(image)["features"], _mirrored(member(mirrored)["features"])]
    model = _with_head(image, keras.layers.Concatenate(name="features")(views))
    heads = [member.get_layer("head").get_weights() for member in members]
    both = np.repeat([weights for weights, _ in heads], 2, axis=0)
    bias = np.mean([bias for _, bias in heads], axis=0)
    model.get_layer("head").set_weights([np.concatenate(both) / len(views), bias])
    return model


def _mirrored(pictures: Any) -> Any:
    return keras.ops.flip(pictures, axis=2)


def _with_head(image: Any, features: Any) -> keras.Model:
    layers = keras.layers
    mean = layers.GlobalAveragePooling2D(name="gap")(features)
    # At first every map speaks for a person and the bias against one.
    logit = layers.Dense(
        1,
        kernel_initializer=keras.initializers.RandomUniform(0.0, FIRST_WEIGHT),
        bias_initializer=keras.initializers.Constant(FIRST_BIAS),
        name="head",
    )(mean)
    return keras.Model(image, {"logit": logit, "features": features})


def n_flops() -> int:
    """Of one picture: two for each multiplication in a convolution, all members, both ways."""
    total, n_pixels, n_in = 0, N_PIXELS, 3
    for stage in STAGES:
        n_pixels //= stage.stride
        total += 2 * n_pixels**2 * stage.size**2 * n_in * stage.n_maps
        n_pixels, n_in = n_pixels // stage.pool, stage.n_maps
    return total * N_MEMBERS * 2


def fit(
    train: People,
    seed: int,
    n_epochs: int = N_EPOCHS,
    tick: Callable[[], None] | None = None,
) -> keras.Model:
    """The average of N_MEMBERS networks, each of a seed of its own. tick : after each epoch"""
    first = seed * N_MEMBERS
    return average([fit_member(train, first + i, n_epochs, tick) for i in range(N_MEMBERS)])


def fit_member(
    train: People, seed: int, n_epochs: int, tick: Callable[[], None] | None = None
) -> keras.Model:
    """Learns for a fixed number of epochs, tried with whole albums left out: in pictures of the
    same albums the best epoch would say little.
    """
    make_repeatable(seed)
    model = build()
    activity = keras.ops.mean(model.output["features"], axis=(1, 2, 3))
    learner = keras.Model(model.input, [model.output["logit"], activity])
    n_steps = -(-len(train) // N_BATCH) * n_epochs
    schedule = keras.optimizers.schedules.CosineDecay(LEARNING_RATE, n_steps)
    learner.compile(
        keras.optimizers.AdamW(schedule, weight_decay=WEIGHT_DECAY),
        [
            keras.losses.BinaryCrossentropy(from_logits=True),
            keras.losses.MeanAbsoluteError(),
        ],
        loss_weights=[1.0, SPARSITY],
    )
    random = np.random.default_rng(seed)
    for _ in range(n_epochs):
        order = random.permutation(len(train))
        for start in range(0, len(order), N_BATCH):
            chosen = order[start : start + N_BATCH]
            pictures = people.varied(train.image[chosen], random)
            target = train.label[chosen].astype(np.float32)[:, None]
            learner.train_on_batch(pictures, (target, np.zeros(len(target), np.float32)))
        if tick is not None:
            tick()
    return model


@dataclass(frozen=True)
class Judged:
    """logit (n,), contribution (n, 12, 12) in logit units, residual (n,): how far each sum misses
    its logit.
    """

    logit: Float32
    contribution: Float32
    bias: float
    residual: NDArray[np.float64]


def judge(model: keras.Model, windows: People, n_batch: int = 256) -> Judged:
    """Logits and maps of any number of windows."""
    weights, bias = model.get_layer("head").get_weights()
    logits, features = [], []
    for start in range(0, len(windows), n_batch):
        output = model(people.plain(windows.image[start : start + n_batch]), training=False)
        logits.append(np.asarray(output["logit"])[:, 0])
        features.append(np.asarray(output["features"]))
    logit = np.concatenate(logits)
    contribution, residual = activation_maps(
        np.concatenate(features), weights[:, 0], float(bias[0]), logit
    )
    return Judged(logit, contribution, float(bias[0]), residual)


def peak(contribution: Float32) -> tuple[float, float]:
    """Pixel (x, y) of the middle of the strongest cell of one map."""
    row, column = np.unravel_index(contribution.argmax(), contribution.shape)
    n_cells = contribution.shape[0]
    return (column + 0.5) * N_PIXELS / n_cells, (row + 0.5) * N_PIXELS / n_cells


def inside(boxes: Float32, x: float, y: float) -> bool:
    """Whether a point lies in one of the boxes, shape (n_boxes, 4)."""
    left, top, right, bottom = boxes.T
    return bool(((left <= x) & (x <= right) & (top <= y) & (y <= bottom)).any())


def area(boxes: Float32) -> float:
    """Share of the window's pixels whose middle is in a box: what chance would hit."""
    middle = np.arange(N_PIXELS) + 0.5
    covered = np.zeros((N_PIXELS, N_PIXELS), bool)
    for left, top, right, bottom in boxes:
        columns, rows = (
            (left <= middle) & (middle <= right),
            (top <= middle) & (middle <= bottom),
        )
        covered |= rows[:, None] & columns[None, :]
    return float(covered.mean())


@dataclass(frozen=True)
class Pointing:
    """The pointing game (Zhang et al. 2016) over person windows: shares that hit a person's box."""

    peak: Interval
    centre: float
    area: float


def pointing(judged: Judged, windows: People) -> Pointing:
    """Of the map's strongest cell, beside the window's centre and the boxes' share of the area."""
    chosen = [i for i in np.flatnonzero(windows.label) if len(windows.boxes[i])]
    hit = np.array(
        [inside(windows.boxes[i], *peak(judged.contribution[i])) for i in chosen]
    )
    middle = N_PIXELS / 2
    return Pointing(
        bootstrap(windows.photo[chosen], lambda index: float(hit[index].mean())),
        float(np.mean([inside(windows.boxes[i], middle, middle) for i in chosen])),
        float(np.mean([area(windows.boxes[i]) for i in chosen])),
    )


def by_photo(logit: Float32, windows: People) -> tuple[NDArray[np.int8], Float32]:
    """Label and mean logit of each photo's windows; a photo with both kinds counts twice."""
    labels, means = [], []
    for photo in np.unique(windows.photo):
        of_photo = windows.photo == photo
        for label in np.unique(windows.label[of_photo]):
            labels.append(label)
            means.append(logit[of_photo & (windows.label == label)].mean())
    return np.array(labels, np.int8), np.array(means, np.float32)


def accuracy(label: NDArray[np.int8], logit: Float32) -> float:
    """Share of right answers where P above 0.5 says person."""
    return float(((logit > 0) == (label == 1)).mean())


def thumbnail_logit(train: People, test: People) -> Float32:
    """The simple peer: logistic regression on a 12 × 12 thumbnail."""
    peer = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=2000))
    peer.fit(_thumbnails(train), train.label)
    return np.asarray(peer.decision_function(_thumbnails(test)), np.float32)


def _thumbnails(windows: People) -> Float32:
    step = N_PIXELS // N_THUMBNAIL
    blocks = people.plain(windows.image).reshape(
        -1, N_THUMBNAIL, step, N_THUMBNAIL, step, 3
    )
    return np.asarray(blocks.mean(axis=(2, 4)).reshape(len(windows), -1), np.float32)


def report(judged: Judged, test: People, peer_logit: Float32) -> list[str]:
    """What the test windows say, a line each; intervals draw whole photos again."""
    label, logit = test.label, judged.logit
    ranks = bootstrap_score(test.photo, label, logit, auc)
    right = bootstrap_score(test.photo, label, logit, accuracy)
    found = float((logit[label == 1] > 0).mean())
    false = float((logit[label == 0] > 0).mean())
    pointed = pointing(judged, test)
    lines = [
        f"test windows: {len(test)} of {len(np.unique(test.photo))} photos by other photographers",
        f"AUC {ranks}, accuracy {right}; {found:.3f} of people found, {false:.3f} false alarms",
        f"by photo: {_both(*by_photo(logit, test))}",
    ]
    for words, kept in (
        ("against windows of photos without people", ~test.of_people_photo | (label == 1)),
        ("against other windows of the same photos", test.of_people_photo | (label == 1)),
    ):
        lines.append(f"{words}: AUC {auc(label[kept], logit[kept]):.3f}")
    lines += [
        f"simple peer, a 12 × 12 thumbnail: {_both(label, peer_logit)}",
        f"strongest cell in a person's box: {pointed.peak};"
        f" the window's centre {pointed.centre:.3f}, the boxes' area {pointed.area:.3f}",
        f"each map adds up to its logit: largest residual {judged.residual.max():.1e}",
    ]
    return lines


def _both(label: NDArray[np.int8], logit: Float32) -> str:
    return f"AUC {auc(label, logit):.3f}, accuracy {accuracy(label, logit):.3f}"


def shown(judged: Judged, windows: People) -> NDArray[np.intp]:
    """People of different photos, then the wrong answers that the network was surest of."""
    wrong_by = np.where(windows.label == 1, -judged.logit, judged.logit)
    person = np.flatnonzero((windows.label == 1) & (wrong_by < 0))
    _, first = np.unique(windows.photo[person], return_index=True)
    typical = person[first[:: max(len(first) // N_SHOWN, 1)]][:N_SHOWN]
    worst = np.argsort(-wrong_by, kind="stable")[:N_SHOWN]
    return np.concatenate([typical, worst[wrong_by[worst] > 0]])


def picture(judged: Judged, windows: People) -> bytes:
    """Each window above its map; colours alike everywhere."""
    index = shown(judged, windows)
    figure, all_axes = plt.subplots(
        2, len(index), figsize=(1.6 * len(index), 3.9), squeeze=False
    )
    limit = float(np.abs(judged.contribution[index]).max())
    extent = (0, N_PIXELS, N_PIXELS, 0)
    for (above, below), i in zip(all_axes.T, index, strict=True):
        above.imshow(windows.image[i])
        _draw_boxes(above, windows.boxes[i])
        person, called = windows.label[i] == 1, judged.logit[i] > 0
        above.set_title(
            f"{'person' if person else 'no person'}\n{'right' if person == called else 'wrong'}",
            fontsize=9,
        )
        below.imshow(windows.image[i].mean(axis=2), cmap="gray")
        cells = below.imshow(
            judged.contribution[i],
            cmap="RdBu_r",
            vmin=-limit,
            vmax=limit,
            extent=extent,
            alpha=0.6,
        )
        evidence = judged.logit[i] - judged.bias
        below.set_title(
            f"{judged.bias:.1f} {evidence:+.1f} = {judged.logit[i]:.1f}", fontsize=8
        )
    for axes in all_axes.flat:
        axes.set(xticks=[], yticks=[])
    figure.colorbar(cells, ax=all_axes, label="contribution of a cell, logit", shrink=0.8)
    return png(figure)


def _draw_boxes(axes: Axes, boxes: Float32) -> None:
    for left, top, right, bottom in boxes:
        size = right - left, bottom - top
        axes.add_patch(
            Rectangle((left, top), *size, fill=False, edgecolor="yellow", lw=0.8)
        )


def save(model: keras.Model, path: Path) -> None:
    """The network as LiteRT runs it, beside its head, in one file without pickles."""
    weights, bias = model.get_layer("head").get_weights()
    network = np.frombuffer(to_litert(model), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        np.savez(file, network=network, weights=weights[:, 0], bias=bias)


def learn(options: argparse.Namespace) -> None:
    """Fit, judge the test windows once, keep figure and network. Raises TrainingError."""
    splits = people.load(options.data)
    train, test = splits["train"], splits["test"]
    began, cpu = time.monotonic(), time.process_time()
    with bar("learning people", N_MEMBERS * options.epochs) as tick:
        model = fit(train, options.seed, options.epochs, tick)
    took, cpu = time.monotonic() - began, time.process_time() - cpu
    judged = judge(model, test)
    for line in report(judged, test, thumbnail_logit(train, test)):
        print(line)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_bytes(picture(judged, test))
    save(model, options.network)
    print(
        f"{model.count_params()} parameters, {n_flops() / 1e6:.1f} MFLOP a picture, learned in"
        f" {took:.0f} s ({cpu:.0f} s of processor time); figure: {options.out}, network:"
        f" {options.network}"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line, see above."""
    options = _parser().parse_args(arguments)
    try:
        if options.video is None:
            learn(options)
        else:
            human_live.watch(options.network, options.video, options.write, options.truth)
    except TrainingError as error:
        print(f"human: {error}", file=sys.stderr)
        return EXIT_REFUSED
    return EXIT_OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0] if __doc__ else None
    )
    task = parser.add_mutually_exclusive_group(required=True)
    task.add_argument("--data", type=Path, metavar="NPZ", help="windows to learn from")
    task.add_argument("--video", metavar="FILE", help="a clip, or: camera")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=N_EPOCHS)
    parser.add_argument(
        "--network",
        type=Path,
        default=Path("build/human.npz"),
        metavar="PATH",
        help="where --data leaves the network and --video finds it (default: %(default)s)",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("build/human.png"), metavar="PATH", help="figure"
    )
    parser.add_argument(
        "--write",
        type=Path,
        metavar="MP4",
        help="write the clip with its maps instead of a window",
    )
    parser.add_argument(
        "--truth",
        type=Path,
        metavar="CSV",
        help="frame,label,x0,y0,x1,y1 of the clip: says figures",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
