"""Deterministic recordings of made-up sensors, cut into MQTT messages of any length, and a client
to publish them.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from monitor.evidence.commissioning import commission_sensor
from monitor.records.commissioned import Commissioned, HealthyWindows
from monitor.records.signal import Float32
from monitor.signal.spectrogram import default_grid, default_settings, spectrogram, to_grid
from tests.servers.mosquitto import wait_until

# When every recording begins: no whole second, millisecond or microsecond.
T0_NS = 1_700_000_000_123_600_417
TOPIC = "vibration/{machine}/{point}/waveform"
FAULTY_EVERY = 7  # windows


@dataclass(frozen=True)
class Cut:
    """One message on its way: interleaved float32 in m/s², and what a sensor says of it in user
    properties.
    """

    topic: str
    payload: bytes
    properties: tuple[tuple[str, str], ...]
    sensor: str
    n_samples: int


@dataclass(frozen=True)
class Recording:
    """n_sensors single-channel sensors; in every seventh window a tone makes itself heard."""

    n_sensors: int = 4
    duration_s: float = 30.0
    sample_rate_hz: int = 2000
    window_s: float = 0.5
    seed: int = 1
    t0_ns: int = T0_NS

    @property
    def sensors(self) -> list[str]:
        return [f"m{i:02d}/bearing" for i in range(self.n_sensors)]

    @property
    def n_samples(self) -> int:
        """Of each sensor."""
        return round(self.duration_s * self.sample_rate_hz)

    @property
    def n_windows(self) -> int:
        """Whole windows of all sensors."""
        return self.n_samples // self.n_window * self.n_sensors

    @property
    def n_window(self) -> int:
        return round(self.window_s * self.sample_rate_hz)

    @cached_property
    def samples(self) -> Float32:
        """(n_sensors, n_samples), m/s²."""
        rng = np.random.default_rng(self.seed)
        noise = rng.standard_normal((self.n_sensors, self.n_samples), np.float32)
        t_s = np.arange(self.n_samples) / self.sample_rate_hz
        noise += np.sin(2 * np.pi * 50 * t_s).astype(np.float32)
        faulty = (
            np.arange(self.n_samples) // self.n_window % FAULTY_EVERY == FAULTY_EVERY - 1
        )
        noise += (5 * np.sin(2 * np.pi * 0.23 * self.sample_rate_hz * t_s) * faulty).astype(
            np.float32
        )
        return noise

    def cut(
        self, message_s: float, *, times: bool = True, sequences: bool = True
    ) -> Iterator[Cut]:
        """All sensors' messages in order of time."""
        n_message = max(1, round(message_s * self.sample_rate_hz))
        for sequence, first in enumerate(range(0, self.n_samples, n_message)):
            for index, sensor in enumerate(self.sensors):
                piece = self.samples[index, first : first + n_message]
                start_ns = self.t0_ns + round(first / self.sample_rate_hz * 1e9)
                yield make_cut(
                    sensor,
                    piece,
                    sequence if sequences else None,
                    start_ns if times else None,
                )

    def commissioned(self) -> list[Commissioned]:
        """Each sensor commissioned from its windows without the tone, so that novelty judges it: OK
        or NG.
        """
        settings = default_settings(self.sample_rate_hz, self.n_window)
        grid = default_grid(settings)
        n = self.n_samples // self.n_window
        found = []
        for index, sensor in enumerate(self.sensors):
            windows = self.samples[index, : n * self.n_window].reshape(n, 1, self.n_window)
            windows = windows[np.arange(n) % FAULTY_EVERY != FAULTY_EVERY - 1]
            spectra_db = to_grid(spectrogram(windows, settings), grid.shape[1])
            rms = windows.std(axis=2)[:, 0].astype(np.float64)
            healthy = HealthyWindows(sensor, grid.f_edges_hz, spectra_db, None, rms, "")
            steady = 1 / (len(healthy.spectra_db) + 1)  # the sensor's own threshold holds
            found.append(commission_sensor(healthy, steady, T0_NS).commissioned)
        return found


def make_cut(
    sensor: str, samples: Float32, sequence: int | None, start_ns: int | None = None
) -> Cut:
    machine, _, point = sensor.partition("/")
    properties = []
    if sequence is not None:
        properties.append(("sequence", str(sequence)))
    if start_ns is not None:
        properties.append(("start_time_ns", str(start_ns)))
    topic = TOPIC.format(machine=machine, point=point)
    n_samples = samples.shape[-1]
    return Cut(
        topic, samples.T.astype("<f4").tobytes(), tuple(properties), sensor, n_samples
    )


class Publisher:
    """A sensor gateway: QoS 1, in order. What the broker has not confirmed is sent again after a
    reconnect, first.
    """

    def __init__(self, port: int) -> None:
        self.heard: dict[str, list[bytes]] = {}  # by topic, of what listen() asked for
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id="gateway", protocol=paho.MQTTv5
        )
        self._client.max_inflight_messages_set(200)
        self._client.reconnect_delay_set(0.1, 0.5)  # type: ignore[arg-type]  # fractions work
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        self._client.on_publish = self._on_publish
        self._filters: list[str] = []
        self._changed = threading.Condition()
        self._waiting: deque[tuple[str, bytes, Properties, int]] = deque()
        self._n_unconfirmed = 0
        self._may_send = self._closed = False
        session = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        session.SessionExpiryInterval = 3600
        self._client.connect_async("127.0.0.1", port, clean_start=False, properties=session)
        self._client.loop_start()
        self._feeder = threading.Thread(target=self._feed, daemon=True)
        self._feeder.start()

    def listen(self, topic_filter: str) -> None:
        self._filters.append(topic_filter)
        if self._client.is_connected():
            self._client.subscribe(topic_filter, 1)

    def send(self, cut: Cut, qos: int = 1) -> None:
        self.publish(cut.topic, cut.payload, dict(cut.properties), qos)

    def publish(
        self,
        topic: str,
        payload: bytes,
        properties: Mapping[str, str] | None = None,
        qos: int = 1,
    ) -> None:
        """Returns at once; the message leaves when the broker is there."""
        stated = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        if properties:
            stated.UserProperty = list(properties.items())
        with self._changed:
            self._waiting.append((topic, payload, stated, qos))
            self._changed.notify_all()

    def play(self, cuts: Iterable[Cut]) -> int:
        """Send all, and wait until the broker has them. Returns the number of messages."""
        n = 0
        for n, cut in enumerate(cuts, 1):
            self.send(cut)
            if n % 500 == 0:
                self.flush(n_open=2000)
        self.flush()
        return n

    def flush(self, timeout_s: float = 60.0, n_open: int = 0) -> None:
        """Wait until the broker has confirmed all but n_open messages."""
        wait_until(
            lambda: self.n_open <= n_open,
            timeout_s,
            "the broker confirms what was published",
        )

    @property
    def n_open(self) -> int:
        with self._changed:
            return len(self._waiting) + self._n_unconfirmed

    def _feed(self) -> None:
        """paho itself would let a message of the moment overtake those it sends again after a
        reconnect.
        """
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._closed or (self._may_send and self._waiting)
                )
                if self._closed:
                    return
                topic, payload, properties, qos = self._waiting.popleft()
                self._n_unconfirmed += 1
            self._client.publish(topic, payload, qos=qos, properties=properties)

    def _on_connect(self, *_: object) -> None:
        for topic_filter in self._filters:
            self._client.subscribe(topic_filter, 1)
        with self._changed:
            self._may_send = self._n_unconfirmed == 0
            self._changed.notify_all()

    def _on_disconnect(self, *_: object) -> None:
        with self._changed:
            self._may_send = False

    def _on_publish(self, *_: object) -> None:
        with self._changed:
            self._n_unconfirmed -= 1
            if self._n_unconfirmed == 0 and not self._may_send:
                self._may_send = True
                self._changed.notify_all()

    def _on_message(
        self, _client: object, _data: object, message: paho.MQTTMessage
    ) -> None:
        self.heard.setdefault(message.topic, []).append(bytes(message.payload))

    def __enter__(self) -> Self:
        wait_until(self._client.is_connected, why="the publisher is connected")
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._client.disconnect()
        self._client.loop_stop()
