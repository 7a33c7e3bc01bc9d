"""A session with a broker, apart from the client library: order of acknowledgements, granted
limits.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import IntEnum
from itertools import takewhile
from typing import Any, NamedTuple

from monitor.config import MqttSettings


class Unsettled:
    """QoS 1 messages of one connection in order of receipt. PUBACKs must leave in that order
    (MQTT-4.6.0-2).
    """

    def __init__(self) -> None:
        self._settled: OrderedDict[int, bool] = OrderedDict()  # by packet id

    def __len__(self) -> int:
        return len(self._settled)

    def add(self, packet_id: int) -> None:
        self._settled[packet_id] = False

    def settle(self, packet_ids: Iterable[int]) -> list[int]:
        """The packet ids whose PUBACK is due now, in order."""
        self._settled.update(
            (packet_id, True) for packet_id in packet_ids if packet_id in self._settled
        )
        due = list(takewhile(self._settled.__getitem__, self._settled))
        for packet_id in due:
            del self._settled[packet_id]
        return due

    def clear(self) -> None:
        self._settled.clear()


class ReasonValue(IntEnum):
    """Reason codes of MQTT 5 (section 2.4) that we act upon."""

    NOT_AUTHORIZED = 0x87
    SESSION_TAKEN_OVER = 0x8E
    RETAIN_NOT_SUPPORTED = 0x9A
    QOS_NOT_SUPPORTED = 0x9B


@dataclass(frozen=True, slots=True)
class PublishOptions:
    """How we publish, our last will included: as well as the broker takes it."""

    qos: int = 1
    retain: bool = True

    def without(self, reason: int) -> PublishOptions:
        """What to ask for after a broker refused a connection for this reason."""
        if reason == ReasonValue.RETAIN_NOT_SUPPORTED:
            return replace(self, retain=False)
        if reason == ReasonValue.QOS_NOT_SUPPORTED:
            return replace(self, qos=0)
        return self

    def within(self, other: PublishOptions) -> PublishOptions:
        """The lesser of both."""
        return PublishOptions(min(self.qos, other.qos), self.retain and other.retain)


# What every broker takes.
PLAIN = PublishOptions(qos=0, retain=False)


class PacketToken(NamedTuple):
    """A QoS 1 message, for its PUBACK: it is sent on the delivering connection only.

    connection : counts this process's connections to the broker
    """

    connection: int
    packet_id: int


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """What the broker granted at the last connection. None where it did not say (always so in MQTT
    3.1.1).
    """

    session_present: bool
    session_expiry_s: int | None = None
    max_packet_bytes: int | None = None
    receive_maximum: int | None = None
    maximum_qos: int | None = None
    retain_available: int | None = None

    @property
    def publish_options(self) -> PublishOptions:
        """MQTT 5: what it does not say, it grants."""
        qos = 1 if self.maximum_qos is None else min(1, self.maximum_qos)
        return PublishOptions(qos, self.retain_available != 0)


def server_limits(session_present: bool, properties: Any) -> ServerLimits:
    """What a CONNACK says."""

    def said(name: str) -> int | None:
        return getattr(properties, name, None)

    return ServerLimits(
        session_present=session_present,
        session_expiry_s=said("SessionExpiryInterval"),
        max_packet_bytes=said("MaximumPacketSize"),
        receive_maximum=said("ReceiveMaximum"),
        maximum_qos=said("MaximumQoS"),
        retain_available=said("RetainAvailable"),
    )


def shortfalls(limits: ServerLimits, settings: MqttSettings) -> list[str]:
    """What the broker grants less than the promise needs,
    as sentences that begin after its name.
    """
    found = []
    if (
        limits.session_expiry_s is not None
        and limits.session_expiry_s < settings.session_expiry_s
    ):
        found.append(
            f"keeps our session for {limits.session_expiry_s} s, not for session_expiry_s = "
            f"{settings.session_expiry_s} s: messages of a longer outage are lost."
        )
    if (
        limits.max_packet_bytes is not None
        and limits.max_packet_bytes < settings.max_payload_bytes
    ):
        found.append(
            f"takes packets of at most {limits.max_packet_bytes} bytes, less than max_payload_bytes"
            f" = {settings.max_payload_bytes}: it refuses larger messages of a sensor."
        )
    if limits.maximum_qos == 0:
        found.append("delivers with QoS 0 only: messages can be lost on the way.")
    if limits.retain_available == 0:
        found.append(
            "keeps no retained messages: status and alarms are seen only by those who listen at the"
            " time."
        )
    return found
