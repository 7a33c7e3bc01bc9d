"""The person example, small: maps add up, boxes count as they should, a clip is judged frame by
frame, and files that are something else are refused in one sentence.
"""

from __future__ import annotations

import io
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from training import TrainingError
from training.examples import human, human_live, people
from training.examples.people import N_PIXELS, SPLITS, People, Pictures
from training.network import keras, make_repeatable

PNG = b"\x89PNG"


def figure_at(x: int, y: int, random: np.random.Generator) -> Pictures:
    """A bright upright bar in noise: a person, as far as this test goes."""
    picture = random.integers(0, 90, (N_PIXELS, N_PIXELS, 3), np.uint8)
    picture[y : y + 48, x : x + 20] = (240, 220, 200)
    return picture


def jpeg(picture: Pictures) -> bytes:
    content = io.BytesIO()
    Image.fromarray(picture).save(content, "JPEG", quality=85)
    return content.getvalue()


def windows(n: int = 24) -> tuple[list[Pictures], dict[str, Any]]:
    """n windows, every other one with a person, split in three by turns of two."""
    random = np.random.default_rng(5)
    label = np.arange(n) % 2
    places = random.integers(3, 40, (n, 2))
    pictures = [
        figure_at(x, y, random)
        if one
        else random.integers(0, 90, (N_PIXELS, N_PIXELS, 3), np.uint8)
        for one, (x, y) in zip(label, places, strict=True)
    ]
    contents = [jpeg(picture) for picture in pictures]
    person = np.flatnonzero(label)
    corner = places[person]
    arrays = {
        "jpeg": np.frombuffer(b"".join(contents), np.uint8),
        "end": np.cumsum([len(content) for content in contents]),
        "label": label.astype(np.uint8),
        "split": np.array([SPLITS[i // 2 % 3] for i in range(n)]),
        "photo": np.array([f"photo-{i // 2}" for i in range(n)]),
        "photo_has_people": (np.arange(n) % 3 == 0).astype(np.uint8),
        "box": np.hstack([corner, corner + np.array([20, 48])]).astype(np.float32),
        "box_of": person,
    }
    return pictures, arrays


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    path = tmp_path / "people.npz"
    np.savez(path, **windows()[1])
    return path


@pytest.fixture(scope="module")
def members() -> list[keras.Model]:
    """Untrained: their laws hold for any weights."""
    make_repeatable(2)
    return [human.build() for _ in range(human.N_MEMBERS)]


@pytest.fixture(scope="module")
def model(members: list[keras.Model]) -> keras.Model:
    return human.average(members)


def test_windows_come_back_with_their_boxes(kept: Path) -> None:
    pictures, arrays = windows()
    found = people.load(kept)
    assert sum(len(one) for one in found.values()) == 24
    test = found["test"]
    index = np.flatnonzero(arrays["split"] == "test")
    np.testing.assert_array_equal(test.label, arrays["label"][index])
    assert list(test.photo) == list(arrays["photo"][index])
    for picture, boxes, i in zip(test.image, test.boxes, index, strict=True):
        assert np.abs(picture.astype(int) - pictures[i]).mean() < 25  # JPEG of noise
        np.testing.assert_array_equal(boxes, arrays["box"][arrays["box_of"] == i])


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"end": np.array([5, 3])}, "label must have one entry for each of 2 windows"),
        ({"end": np.arange(24)[::-1]}, "end must rise"),
        ({"jpeg": np.zeros(10, np.uint8)}, "stay within jpeg"),
        ({"jpeg": None}, "must be an npz file with jpeg"),
        ({"box": np.zeros((3, 4), np.float32)}, "a row for each box_of"),
        ({"split": np.array(["other"] * 24)}, "has no windows whose split"),
    ],
)
def test_another_file_is_refused(
    tmp_path: Path, changed: dict[str, Any], sentence: str
) -> None:
    path = tmp_path / "people.npz"
    arrays = {**windows()[1], **changed}
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    with pytest.raises(TrainingError, match=sentence):
        people.load(path)


def test_a_picture_of_another_size_or_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "people.npz"
    arrays = windows()[1]
    large = jpeg(np.zeros((200, 96, 3), np.uint8))
    for content, sentence in (
        (large, "96 × 200 pixels"),
        (b"GIF89a" * 9, "not a JPEG picture"),
    ):
        first = arrays["end"][0]
        shifted = arrays["end"] + len(content) - first
        inserted = np.concatenate(
            [np.frombuffer(content, np.uint8), arrays["jpeg"][first:]]
        )
        np.savez(path, **{**arrays, "end": shifted, "jpeg": inserted})
        with pytest.raises(TrainingError, match=sentence):
            people.load(path)


def test_variation_keeps_shape_and_range_and_differs() -> None:
    image = np.stack(windows()[0])
    varied = people.varied(image, np.random.default_rng(3))
    assert varied.shape == image.shape
    assert varied.dtype == np.float32
    assert varied.min() >= 0
    assert varied.max() <= 1
    assert np.abs(varied - people.plain(image)).mean() > 0.01


def test_maps_add_up(model: keras.Model, kept: Path) -> None:
    test = people.load(kept)["test"]
    judged = human.judge(model, test, n_batch=3)
    assert judged.contribution.shape == (len(test), 12, 12)
    total = judged.contribution.sum(axis=(1, 2), dtype=np.float64) + judged.bias
    np.testing.assert_allclose(total, judged.logit, atol=1e-5)
    assert judged.residual.max() < 1e-5


def test_members_averaged_are_the_mean_of_each(
    members: list[keras.Model], model: keras.Model, kept: Path
) -> None:
    """Logit and map alike, over each member's word on the pictures and their mirror images."""
    test = people.load(kept)["test"]
    mirrored = replace(test, image=test.image[:, :, ::-1])
    seen = [human.judge(member, test) for member in members]
    turned = [human.judge(member, mirrored) for member in members]
    found = human.judge(model, test)
    logit = np.mean([one.logit for one in (*seen, *turned)], axis=0)
    back = [one.contribution[:, :, ::-1] for one in turned]
    contribution = np.mean([*(one.contribution for one in seen), *back], axis=0)
    np.testing.assert_allclose(found.logit, logit, atol=1e-5)
    np.testing.assert_allclose(found.contribution, contribution, atol=1e-6)


def test_a_mirror_image_has_the_mirrored_map(model: keras.Model, kept: Path) -> None:
    test = people.load(kept)["test"]
    seen = human.judge(model, test)
    turned = human.judge(model, replace(test, image=test.image[:, :, ::-1]))
    np.testing.assert_allclose(turned.logit, seen.logit, atol=1e-5)
    back = turned.contribution[:, :, ::-1]
    np.testing.assert_allclose(back, seen.contribution, atol=1e-6)


def test_the_stated_cost_is_the_network_s(members: list[keras.Model]) -> None:
    """Counted again from the layers that Keras made; each member sees a picture both ways."""
    total = 0
    for layer in (layer for member in members for layer in member.layers):
        if isinstance(layer, keras.layers.Conv2D):
            _, rows, columns, _ = layer.output.shape
            total += 2 * 2 * rows * columns * int(np.prod(layer.kernel.shape))
    assert human.n_flops() == total


def test_pointing_counts_the_strongest_cell() -> None:
    boxes = np.array([[10, 20, 34, 60]], np.float32)
    contribution = np.zeros((12, 12), np.float32)
    contribution[3, 2] = 1  # its middle is pixel (20, 28)
    assert human.peak(contribution) == (20, 28)
    assert human.inside(boxes, 20, 28)
    assert not human.inside(boxes, 35, 28)
    assert human.area(boxes) == pytest.approx(24 * 40 / 96**2)
    both = np.concatenate([boxes, boxes])
    assert human.area(both) == human.area(boxes)
    assert not human.inside(np.zeros((0, 4), np.float32), 20, 28)


def test_photo_means() -> None:
    image = np.zeros((3, N_PIXELS, N_PIXELS, 3), np.uint8)
    of = np.array(["a", "a", "b"])
    no_boxes = tuple(np.zeros((0, 4), np.float32) for _ in of)
    few = People(image, np.array([1, 1, 0], np.int8), of, np.zeros(3, bool), no_boxes)
    label, logit = human.by_photo(np.array([1.0, 3.0, -5.0], np.float32), few)
    assert list(label) == [1, 0]
    assert list(logit) == [2, -5]


def test_command_learns_keeps_and_shows(
    kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One epoch, then a clip through the kept network: every frame is judged and written."""
    network, figure = tmp_path / "human.npz", tmp_path / "human.png"
    options = ["--network", str(network), "--out", str(figure)]
    assert human.main(["--data", str(kept), "--epochs", "1", *options]) == 0
    said = capsys.readouterr().out
    assert "test windows: 8 of 4 photos" in said
    assert "strongest cell in a person's box" in said
    assert figure.read_bytes().startswith(PNG)

    clip, truth, seen = tmp_path / "clip.mp4", tmp_path / "clip.csv", tmp_path / "seen.mp4"
    write_clip(clip, truth)
    arguments = ["--video", str(clip), "--write", str(seen), "--truth", str(truth)]
    assert human.main([*arguments, "--network", str(network)]) == 0
    said = capsys.readouterr().out
    assert "7 frames" in said
    assert "4 person frames" in said
    assert "in 2 empty ones" in said
    with av.open(str(seen)) as written:
        assert sum(1 for _ in written.decode(video=0)) == 7
        assert (written.streams.video[0].width, written.streams.video[0].height) == (
            160,
            96,
        )


def write_clip(clip: Path, truth: Path) -> None:
    """Seven frames of 160 × 97 pixels: nothing, one at the edge, then a person in the square."""
    random = np.random.default_rng(0)
    rows = ["frame,label,x0,y0,x1,y1"]
    with av.open(str(clip), "w", format="mp4") as container:
        stream = container.add_stream("libx264rgb", rate=Fraction(10))
        stream.width, stream.height = 160, 97
        stream.pix_fmt = "rgb24"
        for i in range(7):
            frame = random.integers(0, 60, (97, 160, 3), np.uint8)
            label = ("empty", "empty", "edge")[i] if i < 3 else "person"
            if label == "person":
                frame[30:80, 60:85] = 230
                rows.append(f"{i},person,60,30,85,80")
            else:
                rows.append(f"{i},{label},,,,")
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    truth.write_text("\n".join(rows) + "\n", encoding="utf-8")


def test_a_hit_is_counted_in_pixels_of_the_whole_frame() -> None:
    contribution = np.zeros((12, 12), np.float32)
    contribution[0, 0] = 1
    # The square of a 96 × 160 frame begins at column 32; its first cell is 8 pixels wide.
    assert human_live.hits(contribution, (32, 0, 40, 8), (96, 160))
    assert not human_live.hits(contribution, (0, 0, 31, 8), (96, 160))


def test_red_lies_where_the_map_speaks_for_a_person() -> None:
    frame = np.full((96, 160, 3), 128, np.uint8)
    contribution = np.zeros((12, 12), np.float32)
    contribution[6, 2], contribution[6, 9] = 1, -1
    painted = human_live.overlay(frame, human_live.Seen(2.0, contribution), "")
    for column, stronger, weaker in ((2, 0, 2), (9, 2, 0)):
        pixel = painted[6 * 8 + 4, 32 + column * 8 + 4].astype(int)
        assert pixel[stronger] > pixel[weaker] + 30
    np.testing.assert_array_equal(painted[:, :32], frame[:, :32])


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"", "holds no network"), (b"frame", "holds no network"), (None, "holds no network")],
)
def test_a_file_without_a_network_is_refused(
    tmp_path: Path, content: bytes | None, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    network = tmp_path / "human.npz"
    if content is not None:
        network.write_bytes(content)
    assert human.main(["--video", "none.mp4", "--network", str(network)]) == 2
    assert sentence in capsys.readouterr().err


def test_clips_and_truths_that_are_none_are_refused(
    model: keras.Model, tmp_path: Path
) -> None:
    network, clip, truth = tmp_path / "n.npz", tmp_path / "clip.mp4", tmp_path / "truth.csv"
    human.save(model, network)
    clip.write_bytes(b"no film")
    with pytest.raises(TrainingError, match="cannot be opened"):
        human_live.watch(network, str(clip), tmp_path / "out.mp4", None)
    truth.write_text("frame,label,x0,y0,x1,y1\n1,person,,,,\n", encoding="utf-8")
    with pytest.raises(TrainingError, match="row 2 is of frame 1, expected 0"):
        human_live.read_truth(truth)
    write_clip(clip, truth)
    truth.write_text("frame,label,x0,y0,x1,y1\n0,empty,,,,\n", encoding="utf-8")
    with pytest.raises(TrainingError, match="the clip has 7 frames, its truth 1"):
        human_live.watch(network, str(clip), tmp_path / "out.mp4", truth)
