"""A plant whose machines hum or rattle: pipeline and journal are real; no broker, no clock."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import yaml

from monitor.cli import main
from monitor.commissioner import Commissioner
from monitor.config_file import load_config
from monitor.journal.commissioning import CommissioningStore
from monitor.journal.views import JournalViews, StoredEvent
from monitor.journal.writer import Journal
from monitor.pipeline.pipeline import Pipeline
from monitor.records.signal import Message
from monitor.records.verdict import Verdict
from tests.signals import RATE_HZ, START_NS, rules

SENSOR = "pump-1/bearing"


class Plant:
    """One folder: configuration, journal, and a service's pipeline that works on it."""

    def __init__(
        self,
        folder: Path,
        rate_hz: float = RATE_HZ,
        journal: dict[str, Any] | None = None,
        **rule: Any,
    ) -> None:
        """rate_hz : at which the sensors sample, whatever the rule says
        journal : settings of the journal
        """
        self.folder, self.path, self._rate_hz = folder, folder / "journal", rate_hz
        self._journal_settings = journal or {}
        self._clock: dict[str, int] = {}  # samples sent, by sensor
        self._n_sent = 0
        self.start(**rule)

    def start(self, **rule: Any) -> None:
        """A service starts here, or starts again, with this rule for all sensors."""
        self.configure(**rule)
        self.journal = Journal(self.path)
        settings = rules(load_config(self.config))
        streams, digests = self.journal.streams(), self.journal.digests()
        self.pipeline = Pipeline(settings, streams, digests, 0.0)
        self.commissioner = Commissioner(self.path, self.pipeline.geometry)
        self.tick()

    def reload(self, **rule: Any) -> None:
        """SIGHUP."""
        self.configure(**rule)
        self.pipeline.change_rules(rules(load_config(self.config)))

    def configure(self, **rule: Any) -> None:
        tree = {
            "subscriptions": [
                {
                    "topic": "vibration/{machine}/{point}/waveform",
                    "payload": {"format": "raw", "dtype": "float32"},
                }
            ],
            "sensors": [{"sample_rate_hz": self._rate_hz, "window_s": 0.5, **rule}],
            "journal": {"path": "journal", **self._journal_settings},
        }
        self.config.write_text(yaml.safe_dump(tree))

    @property
    def config(self) -> Path:
        return self.folder / "camshaft.yaml"

    def run(
        self, seconds: float, level: float = 1.0, sensor: str = SENSOR, n_channels: int = 1
    ) -> list[Verdict]:
        """The machine runs on for so long; a level of 1 is its healthy self. Returns the verdicts
        on that.
        """
        self.tick()
        rng = np.random.default_rng([self._clock.get(sensor, 0), len(sensor)])
        samples = level * rng.normal(size=(round(seconds * self._rate_hz), n_channels))
        first = self._clock.get(sensor, 0)
        machine, _, point = sensor.partition("/")
        message = Message(
            topic=f"vibration/{machine}/{point}/waveform",
            payload=samples.astype("<f4").tobytes(),
            received_ns=START_NS,
            properties={
                "start_time_ns": str(START_NS + round(first / self._rate_hz * 1e9))
            },
            delivery=None,
        )
        self._clock[sensor] = first + len(samples)
        before = self._last_row()
        self.pipeline.process([message], START_NS, 0.0)
        self.journal.commit(self.pipeline.take_batch(True))
        return [row.verdict for row in self.views().rows(sensor, before)]

    def pause(self, seconds: float, sensor: str = SENSOR) -> None:
        """The sensor sends nothing for so long."""
        self._clock[sensor] += round(seconds * self._rate_hz)

    def tick(self) -> None:
        """The service looks for what was commissioned or undone."""
        commissioned = self.commissioner.step(START_NS)
        self.pipeline.keep_all_maps_of(self.commissioner.waiting)
        if commissioned is not None:
            self.pipeline.commission(commissioned)

    def command(self, *words: str) -> int:
        """`camshaft commission`, beside the running service. Returns its exit code."""
        return main(["commission", *words, "-c", str(self.config)])

    def store(self) -> CommissioningStore:
        return CommissioningStore(self.path)

    def views(self) -> JournalViews:
        return JournalViews(self.path)

    def events(self, kind: str) -> list[StoredEvent]:
        return [event for event in self.views().new_events(0, -1) if event.kind == kind]

    def _last_row(self) -> int:
        return self.views().last_row_id()
