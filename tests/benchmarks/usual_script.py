"""The peer: the script that people usually write, on the same windows, the same network and a real
InfluxDB.
"""

from __future__ import annotations

import http.client
import http.server
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import scipy.signal
from paho.mqtt.client import MQTTMessage

from tests.benchmarks.workload import SCALE, Workload, topic
from tests.conftest import server_program
from tests.servers.influx import InfluxServer

N_WINDOWS = 40
KERAS_FILE = "model.keras"


def run_usual_script(workload: Workload) -> tuple[float, str]:
    """Windows/s of the usual script, and what took its points."""
    messages = [
        _paho_message(workload.payloads[i % len(workload.payloads)], i)
        for i in range(N_WINDOWS + 1)
    ]
    with _database() as (url, path, what):
        script = _UsualScript(workload, url, path)
        # The first prediction builds the graph: not counted.
        script.on_message(None, None, messages[0])
        start_s = time.perf_counter()
        for message in messages[1:]:
            script.on_message(None, None, message)
        return N_WINDOWS / (time.perf_counter() - start_s), what


class _UsualScript:
    """Everything in on_message: spectrogram, model.predict, one point, one synchronous request."""

    def __init__(self, workload: Workload, url: str, path: str) -> None:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        import keras

        import training.network  # the network's own input layer  # noqa: F401

        self._settings = workload.classifier.manifest.settings
        self._n_channels = len(workload.rule.channels)
        self._model = keras.models.load_model(workload.folder / KERAS_FILE)
        # Kept alive: kinder than most scripts.
        self._link = http.client.HTTPConnection(urlsplit(url).netloc)
        self._path = path

    def on_message(self, _client: Any, _userdata: Any, message: MQTTMessage) -> None:
        samples = (
            np.frombuffer(message.payload, "<i2").reshape(-1, self._n_channels).T * SCALE
        )
        _, _, psd = scipy.signal.spectrogram(
            samples,
            fs=self._settings.sample_rate_hz,
            window=self._settings.taper,
            nperseg=self._settings.n_fft,
            noverlap=self._settings.n_fft - self._settings.hop,
            detrend=False,
        )
        bands = np.split(
            psd[:, : self._settings.band_bins[-1]], self._settings.band_bins[:-1], axis=1
        )[1:]
        psd_db = 10 * np.log10(
            np.stack([band.mean(axis=1) for band in bands], axis=1) + 1e-12
        )
        found = self._model.predict(psd_db[None], verbose=0)
        machine = message.topic.split("/")[1]
        logit = float(np.ravel(found["logit"])[0])
        self._write(f"verdict,machine={machine} logit={logit} {time.time_ns()}")

    def _write(self, line: str) -> None:
        self._link.request("POST", self._path, line.encode())
        response = self._link.getresponse()
        response.read()
        if response.status != 204:
            raise AssertionError(
                f"the point was refused: {response.status} {response.reason}"
            )


def _paho_message(payload: bytes, index: int) -> MQTTMessage:
    message = MQTTMessage(mid=index, topic=topic(index).encode())
    message.payload = payload
    return message


@contextmanager
def _database() -> Iterator[tuple[str, str, str]]:
    """URL, path to write to, and a name: the real InfluxDB, or a server that takes everything where
    there is none.
    """
    program = server_program("influxd")
    if program is None:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _TakesEverything)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", "/write", "a local HTTP server"
        server.shutdown()
        server.server_close()
        return
    with tempfile.TemporaryDirectory() as folder:
        influx = InfluxServer(program, Path(folder))
        database = influx.create_database()
        yield influx.url, f"/write?db={database.name}", "real InfluxDB"
        influx.close()


class _TakesEverything(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass
