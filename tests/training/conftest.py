"""A small plant: three machines, runs of four windows, a fault that lifts one band. Quick to learn,
real to judge.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure

from monitor.recordings.manifest import RecordingSet, load_manifest
from tests.shared_folder import shared_folder
from training.dataset import Dataset, load_dataset
from training.fit import Plan, fit_model, usable
from training.recipe import MIXUP, Recipe, spectrogram_settings

RATE_HZ = 2000
N_WINDOW = 2000
QUICK = Recipe(
    window_s=1.0,
    n_maps=(4, 6, 8),
    n_members=1,
    n_epochs=12,
    n_batch=16,
    learning_rate=1e-2,
    mixings=(MIXUP,),
    sparsity=0.02,
    seed=1,
)


def write_plant(
    folder: Path, n_machines: int = 3, n_runs: int = 4, windows: int = 3, seed: int = 1
) -> Path:
    """n_machines with n_runs healthy and as many faulty runs each. The fault adds noise at 300 to
    420 Hz.
    """
    random = np.random.default_rng(seed)
    rows = ["path,label,machine,group,operation,offset_s"]
    for machine in range(n_machines):
        level = random.uniform(0.7, 1.4)
        for run in range(2 * n_runs):
            label = "ng" if run >= n_runs else "ok"
            signal = level * random.normal(size=(2, windows * N_WINDOW))
            if label == "ng":
                spectrum = np.fft.rfft(random.normal(size=signal.shape))
                hz = np.fft.rfftfreq(signal.shape[1], 1 / RATE_HZ)
                signal += (
                    2.0
                    * level
                    * np.fft.irfft(
                        np.where((hz > 300) & (hz < 420), spectrum, 0), signal.shape[1]
                    )
                )
            for part in range(windows):
                name = f"m{machine}-{run}-{part}.npy"
                np.save(
                    folder / name,
                    signal[:, part * N_WINDOW : (part + 1) * N_WINDOW].astype(np.float32),
                )
                rows.append(
                    f"{name},{label},M{machine},M{machine}-{run},OP{run % 2},{part}"
                )
    (folder / "recordings.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    path = folder / "plant.yaml"
    path.write_text(
        f"name: plant\nfiles: {{format: npy, axes: [channel, time], sample_rate_hz: {RATE_HZ},"
        " channels: [x, y]}\nconstants: {point: spindle}\ngroups: [machine, operation]\n",
        encoding="utf-8",
    )
    return path


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keras 3.15 saves TensorFlow variables in a way that numpy 2 frowns upon."""
    for item in items:
        if "tests/training" in item.nodeid:
            item.add_marker(
                pytest.mark.filterwarnings(
                    "ignore:__array__ implementation:DeprecationWarning"
                )
            )


@pytest.fixture(scope="session", autouse=True)
def few_trees() -> Iterator[None]:
    """A forest of three hundred takes longer than the network, and is no better on this plant."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.peers.N_TREES", 30)
        yield


@pytest.fixture
def unwritten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures are drawn, and written by the tests of the command line alone."""

    def closed(figure: Figure) -> bytes:
        pyplot.close(figure)
        return b""

    monkeypatch.setattr("training.plots.png", closed)


@pytest.fixture(scope="session")
def plant(tmp_path_factory: pytest.TempPathFactory) -> RecordingSet:
    return load_manifest(write_plant(tmp_path_factory.mktemp("plant")))


@pytest.fixture(scope="session")
def dataset(plant: RecordingSet) -> Dataset:
    return usable(load_dataset(plant, spectrogram_settings(RATE_HZ, QUICK)))


@pytest.fixture(scope="session")
def model_folder(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained without M2."""
    train = dataset.select(dataset.column("machine") != "M2")
    plan = Plan("plant", "plant", QUICK, ("machine",), (("machine", "M2"),))
    return (
        shared_folder(
            tmp_path_factory, "models", lambda at: fit_model(train, plan, at / "plant")
        )
        / "plant"
    )
