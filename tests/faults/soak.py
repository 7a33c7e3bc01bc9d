"""python -m tests.faults.soak [--minutes M] [--json]: the service at 80 % load; does its memory
stay flat?

Prints resident memory over time, and at the end its slope by least squares
after a first tenth in which caches fill.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import numpy as np

from monitor.records.signal import Float64
from tests.conftest import server_program
from tests.faults.stage import UNLIMITED
from tests.servers.influx_standin import InfluxStandIn
from tests.servers.mosquitto import Mosquitto
from tests.servers.recording import Publisher, Recording
from tests.servers.service import Service, configuration, influx_part, resident_mb

LOAD = 0.8  # of what one processor can take, by the processor time a message costs
MESSAGE_S = 0.1
CALIBRATION_MESSAGES = 2000
SAMPLE_S = 10.0
# Messages: where other work on the machine slows the service, the publisher waits.
MOST_BEHIND = 5000
JOURNAL_BYTES = 64 << 20  # soon full, so that thinning is part of the soak
TOPIC = "vibration/{machine}/{point}/json"
RECORDING = Recording(n_sensors=10, duration_s=20.0, sample_rate_hz=25_600, window_s=1.0)
CHANGES = {
    "subscriptions": [{"topic": TOPIC, "payload": {"format": "json"}}],
    "sensors": [
        {
            "sample_rate_hz": RECORDING.sample_rate_hz,
            "model": "simulator",
            "expected_period_s": 60,
        }
    ],
    "journal": {
        "path": "camshaft.journal",
        "max_bytes": JOURNAL_BYTES,
        "evidence": {"max_bytes": JOURNAL_BYTES // 4},
    },
}


class Forgetful(InfluxStandIn):
    """Accepts everything and keeps nothing, so that only the service's memory is at stake."""

    def write(self, handler: BaseHTTPRequestHandler, body: bytes) -> tuple[int, bytes]:
        return 204, b""


@dataclass
class Soak:
    service: Service
    publisher: Publisher
    messages: list[tuple[str, bytes]]
    n_sent: int = 0
    waited_s: float = 0.0

    def cost_s(self) -> float:
        """Processor time of one message, measured on many."""
        before_s = self.processor_s()
        for topic, payload in itertools.islice(
            itertools.cycle(self.messages), CALIBRATION_MESSAGES
        ):
            self._send(topic, payload)
        self.service.wait(
            lambda: self.n_taken() >= self.n_sent, 300.0, "the calibration is taken"
        )
        return (self.processor_s() - before_s) / CALIBRATION_MESSAGES

    def run(self, rate: float, seconds: float) -> list[tuple[float, float]]:
        """Publish at this rate; (seconds, MB) every ten seconds."""
        begin_s, source, n_before = (
            time.monotonic(),
            itertools.cycle(self.messages),
            self.n_sent,
        )
        found: list[tuple[float, float]] = []
        while (now_s := time.monotonic() - begin_s) < seconds:
            due = int((now_s - self.waited_s) * rate) - (self.n_sent - n_before)
            for topic, payload in itertools.islice(source, max(0, due)):
                self._send(topic, payload)
            if now_s >= len(found) * SAMPLE_S:
                found.append((now_s, self._memory_mb()))
                self._say(*found[-1])
            if self.publisher.n_open or self.n_sent - self.n_taken() > MOST_BEHIND:
                self._wait_for_service()
            time.sleep(0.02)
        return found

    def n_taken(self) -> int:
        return self.service.reader().books().counters.get("messages_received", 0)

    def _wait_for_service(self) -> None:
        begin_s = time.monotonic()
        self.publisher.flush(300.0)
        while self.n_sent - self.n_taken() > MOST_BEHIND:
            time.sleep(0.1)
        waited_s = time.monotonic() - begin_s
        self.waited_s += waited_s if waited_s > 1.0 else 0.0

    def _send(self, topic: str, payload: bytes) -> None:
        self.publisher.publish(
            topic, payload, {"sequence": str(self.n_sent // RECORDING.n_sensors)}
        )
        self.n_sent += 1

    def _memory_mb(self) -> float:
        assert self.service.process is not None
        return resident_mb(self.service.process.pid)

    def processor_s(self) -> float:
        assert self.service.process is not None
        fields = (
            Path(f"/proc/{self.service.process.pid}/stat")
            .read_text(encoding="ascii")
            .rpartition(")")[2]
            .split()
        )
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _say(self, now_s: float, mb: float) -> None:
        print(
            f"{now_s:7.0f} s  {mb:7.1f} MB  {self.n_sent:,} messages",
            file=sys.stderr,
            flush=True,
        )


def encoded(recording: Recording) -> list[tuple[str, bytes]]:
    """The recording as JSON messages, made once: decoding costs the service more than sending costs
    the publisher.
    """
    found = []
    n_message = round(MESSAGE_S * recording.sample_rate_hz)
    for first in range(0, recording.n_samples, n_message):
        for index, sensor in enumerate(recording.sensors):
            samples = recording.samples[index, first : first + n_message]
            text = ",".join(f"{value:.3f}" for value in samples)
            machine, _, point = sensor.partition("/")
            found.append(
                (
                    TOPIC.format(machine=machine, point=point),
                    f'{{"samples": [{text}]}}'.encode(),
                )
            )
    return found


def soak(minutes: float) -> dict[str, float]:
    """Figures of one soak: slope_mb_per_h, peak_mb, messages, windows, load (share of one
    processor's time).
    """
    with (
        tempfile.TemporaryDirectory(prefix="camshaft-soak-") as name,
        closing(Forgetful()) as standin,
    ):
        folder = Path(name)
        influx = influx_part(standin.url, folder)
        with (
            Mosquitto(folder / "broker", extra=UNLIMITED) as broker,
            Publisher(broker.port) as publisher,
            Service(
                folder / "service",
                configuration(broker.port, RECORDING, influx=influx, **CHANGES),
            ) as service,
        ):
            service.start()
            running = Soak(service, publisher, encoded(RECORDING))
            rate = LOAD / running.cost_s()
            print(
                f"{rate:.0f} messages/s for {minutes:g} minutes",
                file=sys.stderr,
                flush=True,
            )
            before_s = running.processor_s()
            memory = np.array(running.run(rate, minutes * 60))
            load = (running.processor_s() - before_s) / (minutes * 60)
            service.wait(
                lambda: running.n_taken() >= running.n_sent, 300.0, "everything is taken"
            )
            books = service.reader().books()
            assert not books.imbalance(), books.imbalance()
            assert service.stop()[0] == 0
    return slope(memory, minutes) | {
        "minutes": minutes,
        "messages": running.n_sent,
        "messages_per_s": rate,
        "windows": sum(
            n for name, n in books.counters.items() if name.startswith("windows.")
        ),
        "thinned_rows": books.counters.get("thinned.delivered_rows", 0),
        "load": load,
        "waited_s": running.waited_s,
    }


def slope(memory: Float64, minutes: float) -> dict[str, float]:
    """memory : (n, 2), seconds and MB. Least squares after the first tenth."""
    later = memory[memory[:, 0] >= minutes * 6]
    return {
        "slope_mb_per_h": float(np.polyfit(later[:, 0], later[:, 1], 1)[0]) * 3600,
        "first_mb": float(later[0, 1]),
        "last_mb": float(later[-1, 1]),
        "peak_mb": float(memory[:, 1].max()),
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults.soak", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument(
        "--minutes", type=float, default=60.0, metavar="M", help="how long (default 60)"
    )
    parser.add_argument("--json", action="store_true", help="end with one JSON line")
    arguments = parser.parse_args()
    if server_program("mosquitto") is None:
        print("The soak needs Mosquitto (Debian package mosquitto).", file=sys.stderr)
        return 2
    found = soak(arguments.minutes)
    print(
        f"{found['minutes']:g} minutes at {found['messages_per_s']:.0f} messages/s "
        f"({found['load']:.0%} of a processor), {found['windows']:,} windows: resident memory "
        f"{found['first_mb']:.1f} MB after a tenth, {found['last_mb']:.1f} MB at the end, "
        f"peak {found['peak_mb']:.1f} MB, slope {found['slope_mb_per_h']:+.2f} MB an hour."
    )
    if arguments.json:
        print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
