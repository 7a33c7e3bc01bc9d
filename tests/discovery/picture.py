"""The picture of `camshaft discover` in the documents: two kinds of sensors on a real broker.

python -m tests.discovery.picture docs/discover.svg
"""

from __future__ import annotations

import json
import struct
import sys
import tempfile
import threading
import time
from functools import partial
from pathlib import Path

import numpy as np

from monitor import cli
from tests.discovery.senders import G, vibration
from tests.servers.mosquitto import Mosquitto
from tests.servers.mqtt_clients import beside, publisher

SECONDS = 8
RATE_HZ, N = 1600.0, 160


def publish(port: int, stop: threading.Event) -> None:
    """JSON with an object of axes, and big-endian int16 behind a header."""
    x = vibration(3, int(RATE_HZ * 30), RATE_HZ, np.random.default_rng(3))
    x[2] += G
    began_s, k = time.time(), 0
    with publisher(port) as client:
        while not stop.wait(max(0.0, began_s + (k + 1) * N / RATE_HZ - time.time())):
            at_ms = round((began_s + k * N / RATE_HZ) * 1000)
            part = x[:, k * N : (k + 1) * N]
            axes = dict(zip(("x", "y", "z"), np.round(part, 4).tolist(), strict=True))
            for point in ("front", "rear"):
                tree = {"ts": at_ms, "n": k, "temp": 41.5, "accel": axes}
                client.publish(f"hall/press-2/{point}/vib", json.dumps(tree), qos=1)
            head = b"VIB1" + struct.pack(">IQ", k, at_ms)
            body = np.round(part[0] * 400).astype(">i2").tobytes()
            client.publish("pumps/p7/raw", head + body, qos=1)
            client.publish("hall/press-2/temp", "41.5", qos=1)
            k += 1


def main(path: Path) -> int:
    with (
        tempfile.TemporaryDirectory() as folder,
        Mosquitto(Path(folder) / "broker") as broker,
    ):
        where, out = f"127.0.0.1:{broker.port}", f"{folder}/camshaft.yaml"
        words = [
            "discover",
            "--broker",
            where,
            "--seconds",
            str(SECONDS),
            "--yes",
            "--out",
            out,
        ]
        with beside(partial(publish, broker.port)):
            return cli.main(
                [*words, "--answer", "2.unit=counts 0.0025", "--picture", str(path)]
            )


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
