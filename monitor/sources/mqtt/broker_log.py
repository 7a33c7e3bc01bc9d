"""What the log says of one broker: each trouble when it is new and then with its count, the end of
each trouble that was said, and what the broker does not grant.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

from paho.mqtt.reasoncodes import ReasonCode

from monitor.config import MqttSettings
from monitor.log_limiter import LogLimiter
from monitor.sources.mqtt.courtesies import PUBLISHING
from monitor.sources.mqtt.losses import N_QUICK, QUICK_S
from monitor.sources.mqtt.paho_client import refusal
from monitor.sources.mqtt.session import PLAIN, PublishOptions, ServerLimits, shortfalls

# Mosquitto's count since its start, over all its clients
DROPPED_TOPIC = "$SYS/broker/publish/messages/dropped"
LOG_PERIOD_S = 300.0

log = logging.getLogger(__name__)


@dataclass(slots=True)
class MqttCounters:
    """Counts since this process began. Written by the network thread alone."""

    connects: int = 0
    connection_losses: int = 0
    failed_connects: int = 0  # no connection, or TLS failed
    refused_connects: int = 0  # the broker said no: credentials, protocol
    refused_subscriptions: int = 0
    # our status and alarms: not allowed, or left out for that
    refused_publications: int = 0
    takeovers: int = 0  # connections that another client with our id ended
    oversize: int = 0
    bad_topics: int = 0  # not UTF-8
    # as the broker counts since its own start, over all its clients
    dropped_by_broker: int = 0


class BrokerLog:
    """Used on the network thread.

    own_topics : the filter of what we publish
    had_session : the broker should have a session of ours
    """

    def __init__(self, settings: MqttSettings, own_topics: str, had_session: bool) -> None:
        self._settings = settings
        self._broker = f"{settings.host}:{settings.port}"
        self._own_topics = own_topics
        self._had_session = had_session
        self._limiter = LogLimiter(log, LOG_PERIOD_S)
        self._has_said_trouble = False  # since the last "Connected"
        # MQTT 3.1.1: we said that status and alarms are not retained
        self._was_plain = False

    # -- connections ------------------------------------------------------------------------------

    def connected(self, session_present: bool, is_first: bool) -> None:
        """The end of each trouble that was said is said, too; a lost session always."""
        text = f"Connected to broker {self._broker}, MQTT {self._settings.protocol}"
        had_session, self._had_session = self._had_session, True
        if had_session and not session_present:
            log.warning(
                "%s, new session: the broker had none for mqtt.client_id = %r any more. What it"
                " held for us is lost.",
                text,
                self._settings.client_id,
            )
        elif self._has_said_trouble or is_first:
            log.info(
                "%s, %s.", text, "session resumed" if session_present else "new session"
            )
        self._has_said_trouble = False

    def granted(
        self, old: ServerLimits | None, limits: ServerLimits, options: PublishOptions
    ) -> None:
        """Warn of what the broker grants less than asked; once while it stays the same."""
        new = shortfalls(limits, self._settings)
        for text in new if old is None else set(new) - set(shortfalls(old, self._settings)):
            log.warning("Broker %s %s", self._broker, text)
        if self._settings.protocol != "5" and options == PLAIN and not self._was_plain:
            log.warning(
                "Broker %s answered only without a last will that is retained and of QoS 1: status"
                " and alarms are seen only by those who listen at the time.",
                self._broker,
            )
        self._was_plain = options == PLAIN

    def refused(self, code: ReasonCode) -> None:
        self.trouble(
            logging.ERROR, f"Broker {self._broker} refuses the connection: {refusal(code)}."
        )

    def no_connection(self, reason: str) -> None:
        self.trouble(
            logging.ERROR,
            f"No connection to broker {self._broker}: {reason}; trying again.",
        )

    def no_answer(self, reason: str) -> None:
        self.trouble(
            logging.ERROR,
            f"Broker {self._broker} closed the connection before it answered: {reason};"
            " trying again.",
        )

    def lost(self, reason: str) -> None:
        self.trouble(
            logging.WARNING,
            f"Connection to broker {self._broker} lost: {reason}; trying again.",
        )

    def contested(self, is_certain: bool) -> None:
        """Another client has our id."""
        client_id = f"mqtt.client_id = {self._settings.client_id!r}"
        if is_certain:
            found = f"Another client uses {client_id}: broker {self._broker} gave it our session"
        else:
            found = (
                f"Another client seems to use {client_id}: {N_QUICK} connections or more to broker"
                f" {self._broker} ended within {QUICK_S:g} s each"
            )
        self.trouble(
            logging.ERROR,
            f"{found}. Each takes messages from the other: give every client an id of its own."
            " Trying again, at longer and longer intervals.",
            "contested",
        )

    def not_closed(self, timeout_s: float) -> None:
        log.warning(
            "The connection to %s did not close within %.0f s.", self._broker, timeout_s
        )

    # -- what is not granted ----------------------------------------------------------------------

    def left_out(self, name: str) -> None:
        """A courtesy that the broker closes the connection on."""
        if name == PUBLISHING:
            what = "when we publish: status and alarm topics are"
            hint = f"let mqtt.username write to {self._own_topics}"
        else:
            what = f"on our subscription to {name}: it is"
            hint = (
                "set mqtt.watch_dropped: false"
                if name == DROPPED_TOPIC
                else "let mqtt.username read it"
            )
        self.trouble(
            logging.WARNING,
            f"Broker {self._broker} closes the connection {what} left out until the next start;"
            f" {hint}.",
        )

    def publication_refused(self, code: ReasonCode) -> None:
        self._limiter.note(
            logging.WARNING,
            f"Broker {self._broker} refuses what we publish under {self._own_topics[:-1]}: {code}."
            " Status and alarms are not seen there.",
            time.monotonic(),
        )

    def subscription_answered(self, topic: str, code: ReasonCode) -> None:
        if code.is_failure:
            log.error(
                "Broker %s refuses the subscription to %r: %s; asked again at the next connection.",
                self._broker,
                topic,
                code,
            )
        elif code.value == 0:
            log.warning(
                "Broker %s grants %r with QoS 0 only: messages can be lost on the way.",
                self._broker,
                topic,
            )

    def dropped(self) -> None:
        self.trouble(
            logging.WARNING,
            f"Broker {self._broker} has dropped messages, ours or others' (its $SYS count):"
            " raise max_queued_messages and max_queued_bytes there, see"
            " deploy/mosquitto/camshaft.conf.",
        )

    def trouble(self, level: int, text: str, trouble: str | None = None) -> None:
        if self._limiter.note(level, text, time.monotonic(), trouble):
            self._has_said_trouble = True
