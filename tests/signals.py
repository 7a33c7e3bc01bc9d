"""Messages and rules for tests of the pipeline: no broker, no clock."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from monitor.config import Config
from monitor.config_file import parse_config
from monitor.evidence.network import Classifier
from monitor.pipeline.analysis import Analyser
from monitor.pipeline.pipeline import Pipeline
from monitor.pipeline.router import Rules
from monitor.records.signal import Delivery, Float32, Message

START_NS = 1_700_000_000_000_000_000
RATE_HZ = 2000.0


def configure(**changes: Any) -> Config:
    """A configuration with one rule for every sensor: raw float32, one channel, 2 kHz, windows of
    0.5 s.
    """
    sensor = {"sample_rate_hz": RATE_HZ, **changes.pop("sensor", {})}
    if "model" not in sensor:
        sensor.setdefault("window_s", 0.5)
    tree = {
        "subscriptions": [
            {
                "topic": "vibration/{machine}/{point}/waveform",
                "payload": {"format": "raw", "dtype": "float32"},
            }
        ],
        "sensors": [sensor],
        **changes,
    }
    return parse_config(tree, Path("/tmp"))


def rules(config: Config, classifier: Classifier | None = None) -> Rules:
    return Rules(
        subscriptions=config.subscriptions,
        analysers=tuple(Analyser(rule, classifier) for rule in config.sensors),
        journal=config.journal,
        max_payload_bytes=config.mqtt.max_payload_bytes,
        max_lag_s=config.max_lag_s,
        context=config.context,
    )


def make_pipeline(**changes: Any) -> Pipeline:
    """One that has seen nothing, of configure()'s configuration."""
    return Pipeline(rules(configure(**changes)), {}, {}, 0.0)


def noise(n: int, seed: int = 0) -> Float32:
    return np.random.default_rng(seed).normal(size=(1, n)).astype(np.float32)


def messages(
    samples: Float32,
    lengths: Sequence[int],
    sensor: str = "m/p",
    first_packet: int = 1,
    connection: int = 1,
) -> list[Message]:
    """The samples as QoS 1 messages with time and sequence."""
    machine, _, point = sensor.partition("/")
    cut = []
    for number, (first, end) in enumerate(pairwise([0, *accumulate(lengths)])):
        properties = {
            "sequence": str(number),
            "start_time_ns": str(START_NS + round(first / RATE_HZ * 1e9)),
        }
        cut.append(
            Message(
                topic=f"vibration/{machine}/{point}/waveform",
                payload=samples[:, first:end].T.astype("<f4").tobytes(),
                received_ns=START_NS,
                properties=properties,
                delivery=Delivery(
                    (connection, first_packet + number), first_packet + number, False
                ),
            )
        )
    return cut
