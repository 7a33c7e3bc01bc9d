"""A publisher that costs next to nothing: MQTT 5 packets written to a plain socket, QoS 1.

python -m tests.benchmarks.publisher reads one Job, a line of JSON, connects,
says "ready" and reads when to begin (nanoseconds since 1970). It publishes
every message when it is due, waits for what the broker still owes, and prints
one Sent as JSON.
"""

from __future__ import annotations

import json
import socket
import struct
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

WINDOW = 1000  # messages that the broker may owe an acknowledgement for
MAX_PACKET_ID = 65535
OWED_S = 30.0
PUBLISH_QOS_1, PUBACK = 0x32, 0x40
USER_PROPERTY = b"\x26"


@dataclass(frozen=True)
class Job:
    """Sensors first, first + step, ... of those on these topics, one message each period_ns; they
    begin one after another, evenly spread over a period.

    payloads : a file of windows one after another
    windows : for each topic, which of them it sends, again and again
    n_bytes : of a message. n_in_window : messages that hold one window together
    """

    port: int
    topics: list[str]
    windows: list[list[int]]
    payloads: str
    n_bytes: int
    n_in_window: int
    n_messages: int
    period_ns: int
    first: int
    step: int


@dataclass(frozen=True)
class Sent:
    """n_acknowledged : by the broker. worst_late_ms : behind the time at which one was due."""

    n_sent: int
    n_acknowledged: int
    worst_late_ms: float
    cpu_s: float


class Link:
    """One connection. publish() waits while the broker owes too many acknowledgements."""

    def __init__(self, port: int, client_id: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        name = b"\0\x04MQTT\x05"
        clean_start, no_keep_alive, no_properties = b"\x02", b"\0\0", b"\0"
        self._send(
            0x10,
            name + clean_start + no_keep_alive + no_properties + _text(client_id.encode()),
        )
        answer = self._socket.recv(1024)
        if answer[0] != 0x20 or answer[3] != 0:
            raise AssertionError(f"the broker refused the connection: {answer.hex(' ')}")
        self._rest = b""
        self.n_sent = self.n_acknowledged = 0

    def publish(self, topic_name: bytes, properties: bytes, payload: bytes) -> None:
        while self.n_sent - self.n_acknowledged >= WINDOW:
            self.read()
        packet_id = self.n_sent % MAX_PACKET_ID + 1
        head = (
            topic_name
            + struct.pack(">H", packet_id)
            + _length(len(properties))
            + properties
        )
        self._send(PUBLISH_QOS_1, head + payload)
        self.n_sent += 1

    def read(self, timeout_s: float | None = None) -> None:
        """Count acknowledgements. timeout_s : 0 takes only what is there, None waits."""
        self._socket.settimeout(timeout_s)
        try:
            data = self._rest + self._socket.recv(1 << 16)
        except (BlockingIOError, TimeoutError):
            return
        finally:
            self._socket.settimeout(None)
        if len(data) == len(self._rest):
            raise AssertionError("the broker closed the connection")
        at = 0
        while at + 2 <= len(data) and at + 2 + data[at + 1] <= len(data):
            self.n_acknowledged += data[at] == PUBACK
            at += 2 + data[at + 1]
        self._rest = data[at:]

    def _send(self, kind: int, body: bytes) -> None:
        self._socket.sendall(bytes([kind]) + _length(len(body)) + body)


def run(job: Job, link: Link, start_ns: int) -> Sent:
    n_sensors = len(job.topics)
    sensors = range(job.first, n_sensors, job.step)
    names = [_text(topic.encode()) for topic in job.topics]
    messages = _messages(job)
    worst_late_ns = 0
    for number in range(job.n_messages):
        window, part = divmod(number, job.n_in_window)
        for sensor in sensors:
            offset_ns = job.period_ns * sensor // n_sensors
            due_ns = start_ns + offset_ns + (number + 1) * job.period_ns
            worst_late_ns = max(worst_late_ns, _wait_until(due_ns, link))
            sent = job.windows[sensor]
            payload = messages[sent[window % len(sent)] * job.n_in_window + part]
            link.publish(
                names[sensor], _properties(number, due_ns - job.period_ns), payload
            )
    deadline_s = time.monotonic() + OWED_S
    while link.n_acknowledged < link.n_sent and time.monotonic() < deadline_s:
        link.read(OWED_S)
    return Sent(link.n_sent, link.n_acknowledged, worst_late_ns / 1e6, time.process_time())


def _wait_until(due_ns: int, link: Link) -> int:
    """Nanoseconds that it is too late."""
    link.read(0)
    wait_ns = due_ns - time.time_ns()
    if wait_ns > 0:
        time.sleep(wait_ns / 1e9)
    return max(0, time.time_ns() - due_ns)


def _messages(job: Job) -> list[bytes]:
    data = Path(job.payloads).read_bytes()
    return [data[at : at + job.n_bytes] for at in range(0, len(data), job.n_bytes)]


def _properties(sequence: int, start_ns: int) -> bytes:
    return _property(b"sequence", sequence) + _property(b"start_time_ns", start_ns)


def _property(name: bytes, value: int) -> bytes:
    return USER_PROPERTY + _text(name) + _text(b"%d" % value)


def _text(data: bytes) -> bytes:
    return struct.pack(">H", len(data)) + data


def _length(n: int) -> bytes:
    """MQTT's variable byte integer."""
    found = bytearray()
    while n > 127:
        found.append(n & 127 | 128)
        n >>= 7
    return bytes([*found, n])


def main() -> None:
    job = Job(**json.loads(sys.stdin.readline()))
    link = Link(job.port, f"bench-{job.first}")
    print("ready", flush=True)
    print(json.dumps(asdict(run(job, link, int(sys.stdin.readline())))))


if __name__ == "__main__":
    main()
