"""One look at a broker as the daemon would see it, that leaves no trace: a session of its own that
ends with it.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Sequence
from typing import Any, Self

from monitor.config import MqttSettings
from monitor.records.signal import Message
from monitor.sources.mqtt.paho_client import paho_client, refusal, subscribe, user_properties
from monitor.sources.mqtt.session import ServerLimits, server_limits
from monitor.tls import explain

MAX_WAITING = 1000  # messages nobody has looked at; the rest is let go


class ProbeError(Exception):
    """A step failed; str() is one clause."""


class BrokerProbe:
    """Log in, subscribe, look at messages. Use it as a context manager; each step raises
    ProbeError.
    """

    def __init__(self, settings: MqttSettings) -> None:
        """Raises ConfigError where password or certificates cannot be used."""
        self._settings = settings
        self._client = paho_client(settings, f"{settings.client_id}-probe", persistent=False)
        self._answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._messages: queue.Queue[Message] = queue.Queue(MAX_WAITING)
        self._client.on_connect = lambda _c, _d, flags, code, properties: self._answers.put(
            (flags, code, properties)
        )
        self._client.on_subscribe = lambda _c, _d, _id, codes, _p: self._answers.put(codes)
        self._client.on_disconnect = lambda *_: self._answers.put(None)
        self._client.on_message = self._on_message

    def login(self, timeout_s: float) -> ServerLimits:
        try:
            self._client.connect(
                self._settings.host, self._settings.port, self._settings.keep_alive_s
            )
        except OSError as error:
            raise ProbeError(explain(error)) from error
        self._client.loop_start()
        flags, code, properties = self._answer(timeout_s)
        if code.is_failure:
            raise ProbeError(refusal(code))
        return server_limits(flags.session_present, properties)

    def subscribe(self, filters: Sequence[str], timeout_s: float) -> dict[str, str]:
        """By filter: the broker's refusal, "" where it grants QoS 1."""
        subscribe(self._client, self._settings, filters)
        codes = self._answer(timeout_s)
        return {
            topic: str(code) if code.is_failure else "QoS 0 only" if code.value == 0 else ""
            for topic, code in zip(filters, codes, strict=True)
        }

    def next_message(self, timeout_s: float) -> Message | None:
        try:
            return self._messages.get(timeout=max(0.0, timeout_s))
        except queue.Empty:
            return None

    def _answer(self, timeout_s: float) -> Any:
        try:
            answer = self._answers.get(timeout=timeout_s)
        except queue.Empty:
            raise ProbeError(f"no answer within {timeout_s:g} s") from None
        if answer is None:
            raise ProbeError("the broker closed the connection")
        return answer

    def _on_message(self, _client: Any, _data: Any, message: Any) -> None:
        try:
            found = Message(
                message.topic, bytes(message.payload), time.time_ns(), user_properties(message)
            )
            self._messages.put_nowait(found)
        except (UnicodeDecodeError, queue.Full):
            return

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()
