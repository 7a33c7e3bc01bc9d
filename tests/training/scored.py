"""What `camshaft-train score` says."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet

from monitor.recordings.manifest import RecordingSet
from training.cli import main
from training.scored_windows import ScoredWindow


def scored(
    recordings: RecordingSet, model: Path, folder: Path, *options: str
) -> list[ScoredWindow]:
    """folder : for the file"""
    out = folder / "verdicts.parquet"
    words = ["--model", str(model), "--out", str(out), "--jobs", "1"]
    assert main(["score", str(recordings.path), *words, *options]) == 0
    rows = pyarrow.parquet.read_table(out).to_pylist()
    return [ScoredWindow(**row) for row in rows]
