"""Each folder of messages/ is one shape: by its configuration alone, its payloads give the samples
that expected.json names. null stands for a sample that is no number.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.config import Config
from monitor.config_file import load_config
from monitor.records.signal import Chunk, Message
from monitor.signal.payload.base import DecoderSettings
from monitor.signal.payload.formats import decode

MESSAGES = Path(__file__).parent / "messages"
NOW_NS = 1_795_800_000 * 10**9
FOLDERS = sorted(path for path in MESSAGES.iterdir() if path.is_dir())


def chunks_of(config: Config, payload: bytes, entry: dict[str, Any]) -> list[Chunk]:
    (subscription,) = config.subscriptions
    sensor = subscription.pattern.sensor(entry["topic"])
    assert sensor is not None, f"{entry['topic']} does not fit {subscription.topic}"
    message = Message(entry["topic"], payload, NOW_NS, entry.get("properties", {}))
    return decode(message, DecoderSettings(subscription.payload, sensor, config.sensor))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_shape_gives_its_samples(folder: Path) -> None:
    config = load_config(folder / "configuration.yaml")
    for entry in json.loads((folder / "expected.json").read_text(encoding="utf-8")):
        found = chunks_of(config, (folder / entry["file"]).read_bytes(), entry)
        assert [chunk.sensor for chunk in found] == [
            one["sensor"] for one in entry["chunks"]
        ]
        for chunk, right in zip(found, entry["chunks"], strict=True):
            check(chunk, right)


def check(chunk: Chunk, right: dict[str, Any]) -> None:
    samples = np.array(right["samples"], np.float64)  # null becomes NaN
    assert chunk.samples.shape == samples.shape
    np.testing.assert_allclose(chunk.samples, samples, rtol=2e-6, atol=1e-7)
    assert chunk.sample_rate_hz == right["sample_rate_hz"]
    assert (chunk.start_ns, chunk.sequence) == (right["start_ns"], right["sequence"])
    assert list(chunk.tolerated) == right.get("tolerated", [])


def test_every_listed_sender_has_its_folder() -> None:
    """The 15 publishers that were read (s01 to s15), and thirty shapes in all."""
    names = [folder.name for folder in FOLDERS]
    assert {name[:3] for name in names} >= {f"s{number:02}" for number in range(1, 16)}
    assert len(names) >= 30
    # made by clients of today
    assert sum(name.startswith("client-") for name in names) >= 9
