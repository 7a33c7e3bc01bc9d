"""`camshaft-train score --ray` on a real cluster of two nodes."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

import training.score
from monitor.recordings.manifest import RecordingSet
from tests.servers.ray_cluster import ray_cluster
from tests.training.odd_workers import killed_at_the_last, met
from training import TrainingError
from training.cli import main
from training.in_parallel import opened

# Not importorskip: Ray reads the environment of its cluster when it is imported.
pytestmark = pytest.mark.skipif(find_spec("ray") is None, reason="needs Ray (extra: ray)")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with ray_cluster() as address:
        yield address


def test_law_a_cluster_writes_what_one_process_writes(
    address: str,
    plant: RecordingSet,
    model_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["score", str(plant.path), "--model", str(model_folder), "--out"]
    alone, out = tmp_path / "alone.parquet", tmp_path / "verdicts.parquet"
    assert main([*words, str(alone), "--jobs", "1"]) == 0
    with monkeypatch.context() as patch:
        patch.setattr(training.score, "scored_part", killed_at_the_last)
        assert main([*words, str(out), "--ray", address]) == 70
    said = capsys.readouterr().err
    assert f"a process at work on the cluster {address} (Ray: WorkerCrashedError)" in said
    assert not out.exists()
    assert main([*words, str(out), "--ray", address]) == 0
    assert "were judged by a run that was interrupted" in capsys.readouterr().err
    assert out.read_bytes() == alone.read_bytes()


def test_both_nodes_work_at_once_and_what_one_refuses_is_said(
    address: str, tmp_path: Path
) -> None:
    items = [(tmp_path, False), (tmp_path, True)]
    with (
        opened(1, address) as workers,
        pytest.raises(TrainingError, match=r"^refused$"),
    ):
        list(workers.each(met, items))
    assert len(list(tmp_path.iterdir())) == 2


def test_where_no_cluster_is() -> None:
    with (
        pytest.raises(TrainingError, match="no Ray cluster there"),
        opened(1, "127.0.0.1:9"),
    ):
        pass
