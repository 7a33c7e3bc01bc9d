"""Home Assistant's discovery: one device a machine; nobody has to write a configuration there.

https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload. What
it shows comes from the topics of alarms, verdicts and status; here is only
where to find it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from monitor.config import Config
from monitor.journal.announced import Announced
from monitor.journal.cursors import JournalRow
from monitor.journal.places import RowKind
from monitor.journal.views import JournalViews
from monitor.outputs.alarm_topics import LOOK_NS, Publish
from monitor.outputs.base import Step
from monitor.outputs.notify import alarm_topic, verdict_topic
from monitor.records.verdict import Status

Tree = dict[str, Any]


class Devices:
    """From sensors to what is announced. Pure.

    prefix : of the topics; None: nothing is announced, and what was is taken
        back
    """

    def __init__(self, config: Config, prefix: str | None, version: str) -> None:
        self._config, self._prefix, self._version = config, prefix, version

    def of(self, sensors: Iterable[str]) -> dict[str, Tree]:
        """Each machine's device by its topic. Sensors without a rule are of a plant that was."""
        if self._prefix is None:
            return {}
        machines: dict[str, list[str]] = {}
        for sensor in sensors:
            if self._config.sensor(sensor) is not None:
                machines.setdefault(sensor.rpartition("/")[0], []).append(sensor)
        return {self._topic(name): self._device(name, machines[name]) for name in machines}

    def _topic(self, machine: str) -> str:
        return f"{self._prefix}/device/{self._id(machine)}/config"

    def _id(self, machine: str) -> str:
        return f"camshaft_{identifier(self._config.instance)}_{identifier(machine)}"

    def _device(self, machine: str, sensors: Sequence[str]) -> Tree:
        device = {
            "identifiers": [self._id(machine)],
            "name": machine,
            "manufacturer": "Camshaft",
            "model": "Vibration monitoring",
            **self._link(),
        }
        components: Tree = {}
        for sensor in sensors:
            components |= self._components(machine, sensor)
        return {
            "device": device,
            "origin": {"name": "Camshaft", "sw_version": self._version},
            "availability_topic": status_topic(self._config.instance),
            "components": components,
        }

    def _link(self) -> Tree:
        page = self._config.notifications.page_url
        return {} if page is None else {"configuration_url": f"{page.rstrip('/')}/#/"}

    def _components(self, machine: str, sensor: str) -> Tree:
        point = sensor.rpartition("/")[2]
        instance = self._config.instance
        alarm = alarm_topic(instance, sensor)
        found = {
            "problem": {
                "platform": "binary_sensor",
                "name": f"{point} alarm",
                "device_class": "problem",
                "state_topic": alarm,
                "value_template": "{{ 'OFF' if value_json.state == 'cleared' else 'ON' }}",
                "json_attributes_topic": alarm,
            },
            **{
                key: {
                    "platform": "sensor",
                    "state_topic": verdict_topic(instance, sensor),
                    **more,
                }
                for key, more in _sensors(point).items()
            },
        }
        place = f"{identifier(point)}_"
        unique = f"{self._id(machine)}_{place}"
        return {
            f"{place}{key}": {**component, "unique_id": f"{unique}{key}"}
            for key, component in found.items()
        }


def _sensors(point: str) -> dict[str, Tree]:
    """What a point's verdict says."""
    return {
        "status": {
            "name": f"{point} status",
            "device_class": "enum",
            "options": [str(status) for status in Status],
            "value_template": "{{ value_json.status }}",
        },
        "probability": {
            "name": f"{point} P(NG)",
            "unit_of_measurement": "%",
            "state_class": "measurement",
            "suggested_display_precision": 1,
            "value_template": (
                "{{ none if value_json.probability is none else value_json.probability * 100 }}"
            ),
        },
        "band": {
            "name": f"{point} strongest band",
            "value_template": (
                "{{ none if value_json.band is none else '%.0f to %.0f Hz' %"
                " (value_json.band.low_hz, value_json.band.high_hz) }}"
            ),
        },
    }


def status_topic(instance: str) -> str:
    """Where the service's last will says online or offline, as Home Assistant expects it."""
    return f"camshaft/{instance}/status"


def identifier(name: str) -> str:
    """The name in letters that a topic of discovery may have. Two names never have the same."""
    plain = re.sub(r"[^A-Za-z0-9-]", "-", name)
    if plain == name and not re.search("-[0-9a-f]{8}$", name):
        return name
    return f"{plain[:40]}-{sha256(name.encode()).hexdigest()[:8]}"


class HomeAssistant:
    """An output (outputs.base.Output) that needs no rows: it looks for new points by the clock."""

    name = "home_assistant"
    title = "Home Assistant's discovery"
    kinds: Sequence[RowKind] = ()
    from_start = False
    batch_rows = 1
    rejection = ""
    log_period_s = 3600.0

    def __init__(
        self,
        devices: Devices,
        views: JournalViews,
        announced: Announced,
        publish: Publish,
        n_connects: Callable[[], int],
    ) -> None:
        self._devices, self._views, self._announced = devices, views, announced
        self._publish, self._n_connects = publish, n_connects
        self._n_connects_seen = 0
        self._looked_ns = 0

    def step(self, _rows: Sequence[JournalRow], now_ns: int) -> Step:
        """Raises JournalError."""
        n_connects = self._n_connects()
        is_new = n_connects != self._n_connects_seen
        if n_connects == 0 or (not is_new and 0 <= now_ns - self._looked_ns < LOOK_NS):
            return Step()
        if self._announce(self._devices.of(self._views.sensors()), is_new):
            self._n_connects_seen, self._looked_ns = n_connects, now_ns
        return Step()

    def close(self) -> None:
        self._views.close()
        self._announced.close()

    def _announce(self, wanted: Mapping[str, Tree], is_new: bool) -> bool:
        """is_new : the broker may have forgotten. False where the client takes no more now."""
        before = self._announced.topics()
        for topic in before.keys() - wanted.keys():
            if not self._publish(topic, "", True):
                return False
            self._announced.forget(topic)
        for topic, tree in wanted.items():
            payload = json.dumps(tree)
            if payload == before.get(topic) and not is_new:
                continue
            farewell = _farewell(tree, before.get(topic))
            if farewell is not None and not self._publish(topic, farewell, True):
                return False
            if not self._publish(topic, payload, True):
                return False
            self._announced.keep(topic, payload)
        return True


def _farewell(tree: Tree, before: str | None) -> str | None:
    """The device, and of its former components only the platform, which removes them. None where
    none has gone.
    """
    known = {} if before is None else json.loads(before)["components"]
    gone = {
        key: {"platform": component["platform"]}
        for key, component in known.items()
        if key not in tree["components"]
    }
    return (
        json.dumps({**tree, "components": {**tree["components"], **gone}}) if gone else None
    )
