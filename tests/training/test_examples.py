"""The lecture's examples, small: their laws hold and their figures are written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from monitor.records.signal import Float32
from monitor.signal.spectrogram import spectrogram
from training.dataset import NG
from training.examples import black_boxes, mnist, sweep
from training.examples.proportion import share
from training.examples.sweep_signals import (
    HOP,
    KINDS,
    RATE_HZ,
    Sweep,
    make_dataset,
    ridge,
    spectrogram_settings,
)
from training.network import NetworkSettings, build, head, keras, make_repeatable, predict
from training.recipe import network_settings

PNG = b"\x89PNG"
NPY = (
    b"\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }".ljust(
        127
    )
    + b"\n"
    + bytes(4)
)
QUICK = replace(sweep.RECIPE, n_epochs=1, n_maps=(4, 4, 6))


def few_digits(n: int = 300) -> mnist.Digits:
    """A bright square whose place tells the digit."""
    random = np.random.default_rng(0)
    label = random.integers(0, 10, n)
    image = random.uniform(0, 0.2, (n, 28, 28, 1)).astype(np.float32)
    for one, digit in zip(image, label, strict=True):
        top, left = 12 * (digit // 5) + 2, 5 * (digit % 5) + 1
        one[top : top + 8, left : left + 5] = 1
    return mnist.Digits(image, label)


@pytest.fixture(scope="module")
def digits_model() -> keras.Model:
    """Untrained: its laws hold for any weights."""
    make_repeatable(3)
    return mnist.build()


def untrained(settings: NetworkSettings) -> keras.Model:
    make_repeatable(0)
    shape = (settings.n_channels, settings.n_bands)
    return build(settings, np.full(shape, -30, np.float32), np.full(shape, 5, np.float32))


def test_each_digit_s_map_adds_up_to_its_logit(digits_model: keras.Model) -> None:
    judged = mnist.judge(digits_model, few_digits(), n_batch=128)
    assert judged.contribution.shape == (300, 7, 7, 10)
    total = judged.contribution.sum(axis=(1, 2), dtype=np.float64) + judged.bias
    np.testing.assert_allclose(total, judged.logit, atol=1e-4)
    assert judged.residual.shape == (300, 10)
    assert judged.residual.max() < 1e-4


def test_a_cell_of_a_digit_s_map_sees_the_box_that_is_drawn(
    digits_model: keras.Model,
) -> None:
    """Cell (3, 3) reaches from pixel 3 to 24, 22 pixels; what lies outside changes nothing."""
    image = few_digits(1).image
    first = 3 * 4 - (mnist.FIELD - 4) // 2
    inside, outside = (
        image.copy(),
        np.random.default_rng(1).uniform(size=image.shape).astype(np.float32),
    )
    field = np.s_[:, first : first + mnist.FIELD, first : first + mnist.FIELD]
    outside[field] = image[field]
    edge = np.s_[:, first, first : first + mnist.FIELD]
    inside[edge] = 1 - inside[edge]
    cell, same, changed = (
        np.asarray(digits_model(one, training=False)["features"])[:, 3, 3]
        for one in (image, outside, inside)
    )
    np.testing.assert_allclose(same, cell, atol=1e-6)
    assert np.abs(changed - cell).max() > 1e-6


def test_mnist_command_says_the_same_of_the_same_seed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    digits = few_digits(120)
    image, label = (
        (digits.image[..., 0] * 255).astype(np.uint8),
        digits.label.astype(np.uint8),
    )
    np.savez(
        tmp_path / "mnist.npz", x_train=image, y_train=label, x_test=image, y_test=label
    )
    figures, said = [], []
    for name in ("first", "again"):
        out = tmp_path / name / "mnist.png"
        assert (
            mnist.main(
                ["--data", str(tmp_path / "mnist.npz"), "--epochs", "1", "--out", str(out)]
            )
            == 0
        )
        figures.append(out.read_bytes())
        said.append(capsys.readouterr().out.splitlines()[:2])
    assert figures[0].startswith(PNG)
    assert figures[0] == figures[1]
    assert said[0] == said[1]
    assert "test accuracy" in said[0][0]
    assert "1200 maps" in said[0][1]


@pytest.mark.parametrize("content", [None, b"not a zip file", b"PK\x03\x04 broken", NPY])
def test_bad_digits_are_one_clear_line(
    content: bytes | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mnist.npz"
    if content is not None:
        path.write_bytes(content)
    assert mnist.main(["--data", str(path), "--out", str(tmp_path / "no.png")]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "must be an npz file with x_train, y_train, x_test, y_test" in said
    assert not (tmp_path / "no.png").exists()


def test_a_share_has_wilson_s_interval() -> None:
    found = share(np.arange(100) < 90)  # Wilson 1927: 0.8256 to 0.9448
    assert (found.value, found.low, found.high) == pytest.approx(
        (0.9, 0.8256, 0.9448), abs=1e-4
    )


def test_the_ridge_is_where_the_sweep_is_loud() -> None:
    sweep_up = Sweep(0.5, 2.5, 60.0, 900.0)
    settings = spectrogram_settings()
    t_s = np.arange(settings.n_window) / RATE_HZ
    psd_db = spectrogram(sweep_up.signal(t_s).astype(np.float32)[None, None], settings)[
        0, 0
    ]
    passed = ridge(sweep_up, settings)
    loud = passed.any(axis=0)
    assert loud.sum() == pytest.approx(2.5 * RATE_HZ / HOP, abs=2)
    for frame in np.flatnonzero(loud)[5:-5]:  # it fades in and out
        row = int(psd_db[:, frame].argmax())
        assert passed[max(0, row - 1) : row + 2, frame].any()


def test_signals_of_one_seed_are_the_same_and_half_have_a_sweep() -> None:
    (first, sweeps), (again, _) = make_dataset(40, 5), make_dataset(40, 5)
    np.testing.assert_array_equal(first.psd_db, again.psd_db)
    assert set(first.column("kind")) == set(KINDS)
    assert [one is not None for one in sweeps] == list(first.label == NG)
    assert (first.label == NG).sum() == 20


def test_a_cell_sees_its_receptive_field_and_no_more() -> None:
    """within_field marks exactly the cells that a change of one band and frame can reach."""
    dataset, _ = make_dataset(4, 2)
    network = network_settings(dataset.settings, 1, QUICK)
    model = untrained(network)
    before = predict(model, dataset.psd_db[:1])[1]
    changed = dataset.psd_db[:1].copy()
    changed[0, 0, 9, 33] += 30
    moved = np.abs(predict(model, changed)[1] - before).max(axis=3) > 0
    passed = np.zeros((1, network.n_bands, network.n_frames), bool)
    passed[0, 9, 33] = True
    allowed = sweep.within_field(passed, network)
    assert moved.any()
    assert not (moved & ~allowed).any()
    assert allowed.any(axis=(0, 2)).sum() == network.receptive_field[0]


def test_evidence_share_keeps_to_positive_evidence() -> None:
    contribution: Float32 = np.array(
        [[[3.0, -5.0], [1.0, 0.0]], [[-1.0, 0.0], [0.0, 0.0]]], np.float32
    )
    region = np.array([[[True, True], [False, False]]] * 2)
    np.testing.assert_allclose(sweep.evidence_share(contribution, region), [0.75, 0.0])


def test_sweep_command_writes_its_figure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "sweep.png"
    assert (
        sweep.main(
            ["--signals", "80", "--test-signals", "40", "--epochs", "1", "--out", str(out)]
        )
        == 0
    )
    assert out.read_bytes().startswith(PNG)
    assert "within one receptive field of the ridge" in capsys.readouterr().out


def test_sweep_maps_add_up() -> None:
    test, sweeps = make_dataset(20, 9)
    network = network_settings(test.settings, 1, QUICK)
    maps = sweep.judge(untrained(network), network, test, sweeps)
    assert (
        maps.contribution.shape
        == maps.within_field.shape
        == (20, network.n_bands, network.n_t)
    )
    total = (
        maps.contribution.sum(axis=(1, 2), dtype=np.float64) + head(untrained(network))[1]
    )
    np.testing.assert_allclose(total, maps.logit, atol=1e-4)
    assert not maps.within_field[test.label != NG].any()
    assert maps.within_field[test.label == NG].any(axis=(1, 2)).all()
    assert not (maps.on_ridge & ~maps.within_field).any()


@pytest.fixture(scope="module")
def problem() -> black_boxes.Problem:
    return black_boxes.sweep_problem(40, 40, QUICK)


def test_same_seed_same_black_box(problem: black_boxes.Problem) -> None:
    train, test = problem.folds[0]
    models = [black_boxes.fit_black_box(train, QUICK, black_boxes.lenet) for _ in range(2)]
    logits = [np.asarray(model(test.psd_db, training=False))[:, 0] for model in models]
    assert logits[0].shape == (40,)
    np.testing.assert_array_equal(logits[0], logits[1])


def test_flops_are_counted_by_hand() -> None:
    image = keras.Input((8, 6, 2))
    x = keras.layers.Conv2D(5, 3, padding="same")(image)
    x = keras.layers.Dense(4)(keras.layers.Flatten()(x))
    assert black_boxes.count_flops(keras.Model(image, x)) == 2 * (
        8 * 6 * 9 * 2 * 5 + 8 * 6 * 5 * 4
    )


def test_flops_of_the_gap_cnn_are_those_of_its_settings(
    problem: black_boxes.Problem,
) -> None:
    network = network_settings(problem.folds[0][0].settings, 1, QUICK)
    assert (
        black_boxes.count_flops(untrained(network))
        == network.n_flops + 2 * QUICK.n_maps[-1]
    )


def test_a_network_is_no_better_than_itself(problem: black_boxes.Problem) -> None:
    label = problem.tested(lambda test: test.label)
    logit = np.random.default_rng(0).normal(size=(3, len(label))).astype(np.float32) + label
    same = black_boxes.Outcome(logit, 1, 1)
    difference = black_boxes.paired_difference(problem, same, same)
    assert difference.value == 0
    assert difference.low < 0 < difference.high


def test_black_boxes_command_writes_its_figure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "black_boxes.png"
    sizes = ["--signals", "40", "--test-signals", "40", "--epochs", "1", "--seeds", "1"]
    assert black_boxes.main([*sizes, "--out", str(out)]) == 0
    assert out.read_bytes().startswith(PNG)
    said = capsys.readouterr().out
    assert all(name in said for name in (black_boxes.GAP, *black_boxes.BLACK_BOXES))


def test_unknown_manifest_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sizes = ["--signals", "8", "--test-signals", "8"]
    assert (
        black_boxes.main(
            [
                *sizes,
                "--manifest",
                str(tmp_path / "no.yaml"),
                "--out",
                str(tmp_path / "no.png"),
            ]
        )
        == 2
    )
    assert capsys.readouterr().err.startswith("black_boxes: ")
