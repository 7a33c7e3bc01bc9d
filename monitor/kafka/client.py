"""The one way to Kafka's client, confluent-kafka over librdkafka: its settings made of ours, its
log lines made quiet, its errors put into words.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

from monitor.config_connections import KafkaConnection
from monitor.settings import ConfigError
from monitor.text import printable
from monitor.tls import client_context

try:
    from confluent_kafka import KafkaError, KafkaException, Message, Producer
    from confluent_kafka.admin import AdminClient
    from confluent_kafka.admin._config import ConfigResource
except ModuleNotFoundError as error:  # it is an extra: the service does without
    raise ConfigError(
        "kafka: this needs the package confluent-kafka: install constraints/page.txt in place of"
        " daemon.txt, or the extra camshaft[kafka]."
    ) from error

__all__ = [
    "KafkaError",
    "KafkaException",
    "Message",
    "News",
    "Producer",
    "client_settings",
    "is_too_large",
    "new_producer",
    "said",
    "topic_limit",
    "topic_setting",
]

# What Java's clients compute of a key; of none, any partition.
PARTITIONER = "murmur2_random"
ANSWER_S = 5.0
CONNECT_MS = 5_000
BACKOFF_MS = (100, 10_000)  # between two attempts to connect
# librdkafka says when a connection failed: another sentence at every attempt
MOMENT = re.compile(r" \(after \d+ms in state \w+\)")

log = logging.getLogger(__name__)


class News:
    """What the client says of itself from the thread that polls it.

    last_error : the newest trouble, '' once something arrived after it
    fatal : why this client can do nothing any more, '' while it can
    """

    def __init__(self) -> None:
        self.last_error = self.fatal = ""

    def note(self, error: KafkaError) -> None:
        if error.fatal():
            self.fatal = said(error)
        # That all brokers are down says less than the reason before it.
        elif error.code() != KafkaError._ALL_BROKERS_DOWN or not self.last_error:
            self.last_error = said(error)


def said(error: KafkaError) -> str:
    """One clause for a person."""
    return printable(MOMENT.sub("", error.str() or error.name()), 200)


def is_too_large(error: KafkaError) -> bool:
    return error.code() == KafkaError.MSG_SIZE_TOO_LARGE


def client_settings(
    settings: KafkaConnection, section: str, client_id: str
) -> dict[str, Any]:
    """librdkafka's settings of a connection. Reads secret and certificates. Raises ConfigError.

    section : of the configuration, for errors
    """
    found: dict[str, Any] = {
        "bootstrap.servers": ",".join(settings.brokers),
        "client.id": client_id,
        "socket.keepalive.enable": True,
        "socket.connection.setup.timeout.ms": CONNECT_MS,
        "reconnect.backoff.ms": BACKOFF_MS[0],
        "reconnect.backoff.max.ms": BACKOFF_MS[1],
        "logger": _silent(),  # its lines repeat each attempt; News has what is new
    }
    protocol = "PLAINTEXT" if settings.tls is None else "SSL"
    if settings.tls is not None:
        client_context(settings.tls, f"{section}.tls")  # refuses bad files in our words
        files = {
            "ssl.ca.location": settings.tls.ca_file,
            "ssl.certificate.location": settings.tls.certificate_file,
            "ssl.key.location": settings.tls.key_file,
        }
        found |= {key: str(path) for key, path in files.items() if path is not None}
    if settings.username is not None and settings.password is not None:
        protocol = f"SASL_{protocol}"
        found |= {
            "sasl.mechanism": settings.mechanism,
            "sasl.username": settings.username,
            "sasl.password": settings.password.read(),
        }
    return found | {"security.protocol": protocol}


def new_producer(connection: Mapping[str, Any], news: News, timeout_ms: int) -> Producer:
    """Each record is on all replicas in sync before its report comes, once and in order.

    connection : client_settings, and what else the user wants
    timeout_ms : after which a record's report says that it failed; 0: never
    """
    return Producer(
        {
            "acks": "all",
            "enable.idempotence": True,
            "partitioner": PARTITIONER,
            "message.timeout.ms": timeout_ms,
            "error_cb": news.note,
            **connection,
        }
    )


def topic_limit(connection: Mapping[str, Any], topic: str) -> int | None:
    """The topic's max.message.bytes, of a batch of records. None where we may not ask."""
    found = topic_setting(connection, topic, "max.message.bytes")
    return None if found is None else int(found)


def topic_setting(connection: Mapping[str, Any], topic: str, name: str) -> str | None:
    """As Kafka has it. None where we may not ask."""
    client = AdminClient(dict(connection))  # the answer comes while it lives
    wish = ConfigResource(ConfigResource.Type.TOPIC, topic)
    try:
        (answer,) = client.describe_configs([wish], request_timeout=ANSWER_S).values()
        return str(answer.result(ANSWER_S)[name].value)
    except (KafkaException, KeyError, TypeError, ValueError, TimeoutError) as error:
        log.debug("%s of topic %s is not known: %s.", name, topic, error)
        return None


def _silent() -> logging.Logger:
    logger = logging.Logger(f"{__name__}.librdkafka", logging.CRITICAL)
    logger.addHandler(logging.NullHandler())
    return logger
