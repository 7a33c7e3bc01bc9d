"""The network by the bundled model: in which batches windows are judged, and what is refused.
What needs a network of its own is in test_network.py.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml

from monitor.evidence import network
from monitor.evidence.cam import activation_maps
from monitor.evidence.model_folder import ModelError, find_model
from monitor.evidence.network import Classifier
from monitor.records.signal import Float32

FOLDER = find_model("simulator")


def self_test() -> tuple[Float32, Float32]:
    """Eight spectrograms, and the logits that training saw."""
    kept = np.load(FOLDER / "self_test.npz")
    return kept["psd_db"], kept["logit"]


@pytest.mark.parametrize(
    ("n", "sizes"),
    [(0, []), (1, [1]), (4, [1] * 4), (5, [5]), (12, [8] + [1] * 4), (13, [8, 5])],
)
def test_more_than_four_go_by_eights_and_fewer_one_by_one(n: int, sizes: list[int]) -> None:
    judged, parts = Classifier(FOLDER), []
    known, expected = (np.concatenate([one] * 2)[:n] for one in self_test())

    def read(part: slice, logit: Float32, features: Float32) -> None:
        assert len(logit) == len(features)
        parts.append(len(logit))

    np.testing.assert_allclose(judged._run(known, read), expected, atol=1e-4)
    assert parts == sizes


def test_a_thread_has_a_batch_of_eight_once_it_needs_one() -> None:
    judged = Classifier(FOLDER)
    known, _ = self_test()
    assert set(judged._own.ready) == {1}
    judged.predict(known[:4])
    assert set(judged._own.ready) == {1}
    judged.predict(known[:5])
    assert set(judged._own.ready) == {1, 8}


def test_maps_are_those_of_the_features_and_add_up() -> None:
    judged, (known, _) = Classifier(FOLDER), self_test()
    head = judged.manifest.head
    logit, features = judged.predict(known)
    weights = np.array(head.weights, np.float32)
    expected = logit, *activation_maps(features, weights, head.bias, logit)
    for one, other in zip(judged.explain(known), expected, strict=True):
        np.testing.assert_array_equal(one, other)
    assert expected[2].max() < 1e-3


@pytest.mark.parametrize(("how", "n"), [({}, 1), ({"n_threads": 3}, 3)])
def test_it_runs_in_as_many_threads_as_are_asked_for(
    monkeypatch: pytest.MonkeyPatch, how: dict[str, int], n: int
) -> None:
    asked, opened = [], network.open_network

    def noted(content: bytes, n_threads: int) -> Any:
        asked.append(n_threads)
        return opened(content, n_threads)

    monkeypatch.setattr(network, "open_network", noted)
    Classifier(FOLDER, **how)
    assert asked == [n]


def test_spectrograms_of_another_shape_are_refused() -> None:
    known, _ = self_test()
    with pytest.raises(ValueError, match=r"has shape \(8, 1, 48, 98\): must be \(n, 1, 48"):
        Classifier(FOLDER).predict(known[..., :-1])


def copied(to: Path, **changes: Any) -> Path:
    """The bundled model with another manifest."""
    shutil.copytree(FOLDER, to)
    tree = yaml.safe_load((to / "manifest.yaml").read_text()) | changes
    (to / "manifest.yaml").write_text(yaml.safe_dump(tree))
    return to


def test_a_manifest_that_names_no_network_is_refused(tmp_path: Path) -> None:
    tree = yaml.safe_load((FOLDER / "manifest.yaml").read_text())
    files = {name: one for name, one in tree["files"].items() if name != "model.tflite"}
    with pytest.raises(ModelError, match=r"files name no model\.tflite"):
        Classifier(copied(tmp_path / "without", files=files))


def test_a_network_of_other_channels_or_maps_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"is not a network for psd_db \(2, 48, 99\): "):
        Classifier(copied(tmp_path / "channels", n_channels=2))
    head = {"weights": [0.0] * 23, "bias": 0.0}
    with pytest.raises(ModelError, match=r"shape \(48, 50, 24\): .* \(48, 50, 23\)"):
        Classifier(copied(tmp_path / "maps", head=head))


@pytest.mark.parametrize(
    ("inputs", "outputs"),
    [
        (["psd"], ["logit", "features"]),
        (["psd_db", "speed"], ["logit", "features"]),
        (["psd_db"], ["logit"]),
        (["psd_db"], ["features", "score"]),
    ],
)
def test_another_signature_is_refused(
    monkeypatch: pytest.MonkeyPatch, inputs: Sequence[str], outputs: Sequence[str]
) -> None:
    signature = SimpleNamespace(
        get_input_details=lambda: {one: {"index": 0} for one in inputs},
        get_output_details=lambda: {one: {"index": 0} for one in outputs},
    )
    found = SimpleNamespace(get_signature_runner=lambda: signature)
    monkeypatch.setattr(network, "open_network", lambda _content, _n: found)
    said = f"found {', '.join([*inputs, *outputs])}."
    with pytest.raises(ModelError, match="its signature must have") as refused:
        Classifier(FOLDER)
    assert str(refused.value).endswith(said)


def test_a_frame_more_that_leaves_as_many_columns_is_refused(tmp_path: Path) -> None:
    """100 frames pooled by two are 50 columns, as 99 are: the network would judge them."""
    folder = tmp_path / "simulator"
    shutil.copytree(FOLDER, folder)
    manifest = yaml.safe_load((folder / "manifest.yaml").read_text())
    manifest["spectrogram"]["n_window"] += manifest["spectrogram"]["hop"]
    (folder / "manifest.yaml").write_text(yaml.safe_dump(manifest))
    with pytest.raises(ModelError, match=r"not a network for psd_db \(1, 48, 100\)"):
        Classifier(folder)
