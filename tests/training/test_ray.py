"""`camshaft-train score --ray` on a real cluster of two nodes."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from monitor.recordings.manifest import RecordingSet
from tests.servers.ray_cluster import ray_cluster
from tests.training.on_nodes import killed, met
from training import TrainingError
from training.cli import main
from training.in_parallel import LostWorker, _task, opened

pytestmark = [
    # Not importorskip: Ray reads the environment of its cluster when it is imported.
    pytest.mark.skipif(find_spec("ray") is None, reason="needs Ray (extra: ray)"),
    pytest.mark.timeout(
        600
    ),  # a node is four processes of Python, which start one after another
]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with ray_cluster() as address:
        yield address


def test_law_a_cluster_writes_what_one_process_writes(
    address: str, plant: RecordingSet, model_folder: Path, tmp_path: Path
) -> None:
    words = ["score", str(plant.path), "--model", str(model_folder), "--out"]
    alone, out = tmp_path / "alone.parquet", tmp_path / "verdicts.parquet"
    assert main([*words, str(alone), "--jobs", "1"]) == 0
    assert main([*words, str(out), "--ray", address]) == 0
    assert out.read_bytes() == alone.read_bytes()
    assert {one.name for one in tmp_path.iterdir()} == {alone.name, out.name}


def test_both_nodes_work_at_once_and_what_went_wrong_is_said(
    address: str, tmp_path: Path
) -> None:
    with opened(1, address) as workers:
        with pytest.raises(TrainingError, match=r"^refused$"):
            list(workers.each(met, [(tmp_path, False), (tmp_path, True)]))
        assert len(list(tmp_path.iterdir())) == 2
        with pytest.raises(
            LostWorker, match=r"the cluster .* \(Ray: WorkerCrashedError\) was"
        ):
            list(workers.each(killed, [1]))


def test_a_node_of_another_version_refuses() -> None:
    with pytest.raises(
        TrainingError, match=r"has Camshaft .*, and the command is of 0\.0\.1: "
    ):
        _task("0.0.1", killed, 1)


def test_where_no_cluster_is() -> None:
    with (
        pytest.raises(TrainingError, match="no Ray cluster there"),
        opened(1, "127.0.0.1:9"),
    ):
        pass
