"""The service's configuration: YAML in, checked settings out. Touches no network.

Each part of the service gets its own settings object, never the whole.
Everything wrong is refused before anything starts, in a sentence that names
key, value, rule and unit.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from monitor.config_connections import KafkaConnection, KafkaTopic, Secret, TlsSettings
from monitor.config_machines import MachineSettings, machine_at
from monitor.config_outputs import (
    InfluxSettings,
    KafkaOutputSettings,
    NotificationSettings,
    PrometheusSettings,
)
from monitor.config_page import PageSettings
from monitor.config_sensors import ContextSettings, SensorSettings, Subscription
from monitor.records.machine import Machine
from monitor.settings import Positive, Settings


class PublishSettings(Settings):
    """What the broker gets of us beside status and alarms.

    verdicts_every_s : each point's newest verdict, at most so often by the
        point's own time, a change at once; 0: every one
    home_assistant : Home Assistant's discovery prefix; None: it is told nothing
    """

    verdicts_every_s: float = Field(default=10.0, ge=0, le=86400)
    home_assistant: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_/-]{1,100}$")


class MqttSettings(Settings):
    host: str = "127.0.0.1"
    port: int = Field(default=1883, ge=1, le=65535)
    protocol: Literal["5", "3.1.1"] = "5"
    client_id: str = Field(default="camshaft", min_length=1, max_length=128)
    keep_alive_s: int = Field(default=30, ge=5, le=65535)
    session_expiry_s: int = Field(default=7 * 86400, ge=60, le=0xFFFFFFFE)
    receive_maximum: int = Field(default=1000, ge=2, le=65535)
    max_payload_bytes: int = Field(default=4 << 20, ge=1024, le=256 << 20)
    username: str | None = None
    password: Secret | None = None
    tls: TlsSettings | None = None
    publish: PublishSettings | None = None
    watch_dropped: bool = True  # Mosquitto's count of messages it dropped, under $SYS

    @field_validator("host")
    @classmethod
    def _bare_address(cls, value: str) -> str:
        """An IPv6 address may stand in brackets, as in a URL."""
        is_bracketed = value.startswith("[") and value.endswith("]")
        return value[1:-1] if is_bracketed else value

    @field_validator("protocol", mode="before")
    @classmethod
    def _protocol_text(cls, value: object) -> object:
        return str(value) if isinstance(value, int | float) else value

    @model_validator(mode="after")
    def _password_needs_user(self) -> Self:
        if self.password is not None and self.username is None:
            raise ValueError("password is given without a username")
        return self


class KeptWindowSettings(Settings):
    """Which raw windows to keep. All NG, those around a change of status, and one OK in every
    ok_every.
    """

    max_bytes: int = Field(default=2 << 30, ge=1 << 20)
    ok_every: int = Field(default=1000, ge=1)
    around_change: int = Field(default=2, ge=0, le=100)


MapsKept = Literal["all", "changes", "ng"]


class TrendSettings(Settings):
    """How long rows of ten minutes and of hours are kept. Those of days are kept for ever."""

    ten_minutes_days: int = Field(default=60, ge=2, le=36_500)
    hours_days: int = Field(default=1096, ge=32, le=36_500)


class JournalSettings(Settings):
    """maps : whose maps and spectra to keep. All; of NG windows; or changes: NG, around a change
    and one in so many, as kept_windows says.
    """

    path: Path = Path("camshaft.journal")
    max_bytes: int = Field(default=8 << 30, ge=16 << 20)
    maps: MapsKept = "all"
    kept_windows: KeptWindowSettings = KeptWindowSettings()
    trends: TrendSettings = TrendSettings()


AdviceName = Annotated[str, Field(min_length=1, max_length=60)]
AdviceText = Annotated[str, Field(min_length=1, max_length=300)]


class AdviceSettings(Settings):
    """What to check and do for one failure mode or named part, in place of the shipped text."""

    check: tuple[AdviceText, ...] = Field(default=(), max_length=10)
    do: tuple[AdviceText, ...] = Field(min_length=1, max_length=10)
    source: str = Field(default="", max_length=300)


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


LogLevel = Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(_upper)]
ModuleName = Annotated[str, Field(pattern=r"^[a-z_]+(\.[a-z_]+)*$")]


class LoggingSettings(Settings):
    """levels: of parts, by the names of their modules: monitor.sources, monitor.outputs.webhook."""

    level: LogLevel = "INFO"
    levels: dict[ModuleName, LogLevel] = Field(default={}, max_length=50)
    format: Literal["text", "json"] = "text"


class KafkaSettings(KafkaConnection):
    """What `camshaft forward` writes to, and the service reads with `source: kafka`.

    topic : must exist; its number of partitions must stay
    group : of the service's processes, which share the partitions out
    partition : the only one to read, without joining the group
    session_timeout_s : after which a member that is not heard loses its
        partitions to the others
    state_topic : compacted; where a partition's next owner finds what it needs
        if it has not the old one's journal
    """

    topic: KafkaTopic = "camshaft"
    group: KafkaTopic = "camshaft"
    partition: int | None = Field(default=None, ge=0, le=99_999)
    session_timeout_s: float = Field(default=45.0, ge=6.0, le=1800.0)
    state_topic: KafkaTopic | None = None

    @model_validator(mode="after")
    def _topics_differ(self) -> Self:
        if self.state_topic == self.topic:
            raise ValueError(f"state_topic = {self.topic}: is the topic of the data")
        return self


class Config(Settings):
    instance: str = Field(default="camshaft", pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    mqtt: MqttSettings = MqttSettings()
    subscriptions: tuple[Subscription, ...] = Field(min_length=1)
    sensors: tuple[SensorSettings, ...] = Field(min_length=1)
    context: tuple[ContextSettings, ...] = Field(default=(), max_length=50)
    machines: tuple[MachineSettings, ...] = Field(default=(), max_length=1000)
    models_folder: Path | None = None
    journal: JournalSettings = JournalSettings()
    influx: tuple[InfluxSettings, ...] = Field(default=(), max_length=8)
    notifications: NotificationSettings = NotificationSettings()
    source: Literal["mqtt", "kafka"] = "mqtt"
    kafka: KafkaSettings | None = None
    kafka_output: KafkaOutputSettings | None = None
    page: PageSettings = PageSettings()
    advice: dict[AdviceName, AdviceSettings] = Field(default={}, max_length=100)
    prometheus: PrometheusSettings | None = None
    # None: the broker holds what we cannot take yet; nothing is shed.
    max_lag_s: Positive | None = None
    # Threads that judge. None: one for each processor, at most four.
    workers: int | None = Field(default=None, ge=1, le=64)
    logging: LoggingSettings = LoggingSettings()

    @field_validator("influx", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        """One database is written without a list, none as nothing."""
        if value is None:
            return ()
        return [value] if isinstance(value, dict) else value

    @field_validator("influx")
    @classmethod
    def _names_differ(cls, value: tuple[InfluxSettings, ...]) -> tuple[InfluxSettings, ...]:
        names = [database.name for database in value]
        if len(set(names)) != len(names):
            raise ValueError(f"each name may stand once only, found {names}")
        return value

    @model_validator(mode="after")
    def _topics_differ(self) -> Self:
        topics = [subscription.topic for subscription in self.subscriptions]
        if len(set(topics)) != len(topics):
            raise ValueError("subscriptions: each topic may stand once only")
        return self

    @model_validator(mode="after")
    def _source_is_there(self) -> Self:
        if self.source == "kafka" and self.kafka is None:
            raise ValueError("source = kafka: needs the section kafka, with its brokers")
        if self.source == "kafka" and self.mqtt.publish is not None:
            raise ValueError(
                "mqtt.publish: needs source = mqtt; with source = kafka nothing is published"
            )
        return self

    def sensor(self, name: str) -> SensorSettings | None:
        """The first rule that fits "machine/point", or None."""
        return next((rule for rule in self.sensors if rule.fits(name)), None)

    def machine(self, name: str) -> Machine | None:
        """What is known of the machine at "machine/point", or None."""
        return machine_at(self.machines, name)
