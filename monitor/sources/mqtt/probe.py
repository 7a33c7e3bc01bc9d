"""One look at a broker as the service would see it, that leaves no trace: a session of its own that
ends with it.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from monitor.config import MqttSettings
from monitor.records.signal import Message
from monitor.records.topic import TopicFilter
from monitor.sources.mqtt.credentials import Credentials
from monitor.sources.mqtt.paho_client import (
    paho_client,
    refusal,
    subscribe,
    user_properties,
)
from monitor.sources.mqtt.session import PLAIN, PublishOptions, ServerLimits, server_limits
from monitor.tls import explain

QOS_0_ONLY = "QoS 0 only"
MAX_WAITING = 1000  # messages nobody has looked at; the rest is let go


class ProbeError(Exception):
    """A step failed; str() is one clause."""


class _Refusal(ProbeError):
    def __init__(self, text: str, value: int) -> None:
        super().__init__(text)
        self.value = value  # the reason code


class _HungUp(ProbeError):
    """The broker closed the connection in place of an answer."""


@dataclass(frozen=True, slots=True)
class _Closed:
    reason: str  # as the broker says, "" where it says none


class BrokerProbe:
    """Log in, subscribe, look at messages. Use it as a context manager; each step raises
    ProbeError.
    """

    def __init__(self, settings: MqttSettings, instance: str) -> None:
        """Raises ConfigError where password or certificates cannot be used."""
        self._settings = settings
        # Empty, and retained: a broker keeps nothing of it, whatever becomes of us.
        self._topic = f"camshaft/{instance}/doctor"
        self._credentials = Credentials(settings)
        self._messages: queue.Queue[Message] = queue.Queue(MAX_WAITING)
        self._options = PublishOptions()
        self._begin()

    def _begin(self) -> None:
        """A client that has tried nothing yet."""
        answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        client = paho_client(
            self._settings,
            self._credentials,
            f"{self._settings.client_id}-probe",
            persistent=False,
        )
        client.will_set(self._topic, b"", self._options.qos, self._options.retain)
        client.on_connect = lambda _c, _d, flags, code, properties: answers.put(
            (flags, code, properties)
        )
        client.on_subscribe = lambda _c, _d, _id, codes, _p: answers.put(codes)
        client.on_publish = lambda _c, _d, _id, code, _p: answers.put(code)
        client.on_disconnect = lambda _c, _d, flags, code, _p: answers.put(
            _Closed(str(code) if flags.is_disconnect_packet_from_server else "")
        )
        client.on_message = self._on_message
        self._client, self._answers = client, answers

    def login(self, timeout_s: float) -> ServerLimits:
        """As the service does: with a last will, and again with a lesser one where the broker
        cannot take it.
        """
        while True:
            try:
                return self._login(timeout_s)
            except _Refusal as error:
                options = self._options.without(error.value)
                if options == self._options:
                    raise
            except _HungUp:
                if self._settings.protocol == "5" or self._options == PLAIN:
                    raise
                options = PLAIN
            self._options = options
            self.close()
            self._begin()

    @property
    def has_plain_will(self) -> bool:
        """The broker took none that is retained and of QoS 1."""
        return self._options != PublishOptions()

    def _login(self, timeout_s: float) -> ServerLimits:
        try:
            self._client.connect(
                self._settings.host, self._settings.port, self._settings.keep_alive_s
            )
        except OSError as error:
            raise ProbeError(explain(error)) from error
        self._client.loop_start()
        flags, code, properties = self._answer(timeout_s)
        if code.is_failure:
            raise _Refusal(refusal(code), code.value)
        limits = server_limits(flags.session_present, properties)
        self._options = self._options.within(limits.publish_options)
        return limits

    def publish(self, timeout_s: float) -> str:
        """The broker's refusal of what we publish, "" where it takes it."""
        self._client.publish(self._topic, b"", self._options.qos, self._options.retain)
        code = self._answer(timeout_s)
        return str(code) if code.is_failure else ""

    def subscribe(self, filters: Sequence[TopicFilter], timeout_s: float) -> dict[str, str]:
        """By filter: the broker's refusal, "" where it grants QoS 1."""
        subscribe(self._client, self._settings, filters)
        codes = self._answer(timeout_s)
        return {
            one.text: str(code)
            if code.is_failure
            else QOS_0_ONLY
            if code.value == 0
            else ""
            for one, code in zip(filters, codes, strict=True)
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
        if isinstance(answer, _Closed):
            said = f": {answer.reason}" if answer.reason else ""
            raise _HungUp(f"the broker closed the connection{said}")
        return answer

    def _on_message(self, _client: Any, _data: Any, message: Any) -> None:
        try:
            found = Message(
                message.topic,
                bytes(message.payload),
                time.time_ns(),
                user_properties(message),
                retained=bool(message.retain),
            )
            self._messages.put_nowait(found)
        except (UnicodeDecodeError, queue.Full):
            return

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
