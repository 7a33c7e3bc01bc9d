"""Real recordings in the place of the simulated machines, published as fast as the service judges
them.
"""

from __future__ import annotations

import time
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from monitor.demo.stage import DemoError, Stage
from monitor.evidence.model_folder import (
    BUNDLED_MODELS,
    MANIFEST_NAME,
    find_model,
    load_model_manifest,
)
from monitor.recordings.manifest import RecordingSet
from monitor.recordings.recording import Label
from monitor.recordings.replay import Cut, PlayOptions, cuts, encode, topic_of
from monitor.records.verdict import Status, Verdict

OPTIONS = PlayOptions(topic="demo/{machine}/{point}/waveform")
MAX_AHEAD = 64  # messages that the service has not stored yet
# expected period: a sensor whose recordings are over is not silent, it is done
LONG_S = 1e6


def rules(manifest: RecordingSet, model: Path) -> dict[str, Any]:
    """The service's configuration for these recordings."""
    sensor = {
        "sample_rate_hz": manifest.sample_rate_hz,
        "channels": list(manifest.channels),
        "model": str(model.absolute()),
        "acquisition": (
            "snapshot" if "snapshot" in manifest.settings.files.array_axes else "continuous"
        ),
        "expected_period_s": LONG_S,
    }
    payload = {"format": "json", "encoding": "base64", "dtype": OPTIONS.dtype}
    return {
        "subscriptions": [{"topic": OPTIONS.topic, "payload": payload}],
        "sensors": [sensor],
    }


def choose_model(manifest: RecordingSet, name: str | None) -> Path:
    """The named model's folder; without a name, that of the bundled one for this rate and number of
    channels.

    Raises DemoError where none fits, ModelError where the named one cannot be
    used.
    """
    if name is not None:
        return find_model(name)
    for folder in sorted(path.parent for path in BUNDLED_MODELS.glob(f"*/{MANIFEST_NAME}")):
        found = load_model_manifest(folder)
        if (found.settings.sample_rate_hz, found.n_channels) == (
            manifest.sample_rate_hz,
            len(manifest.channels),
        ):
            return folder
    what = f"{manifest.sample_rate_hz:g} Hz and {len(manifest.channels)} channels"
    raise DemoError(
        f"No bundled model is made for {what} as {manifest.name} has: name one with --model."
    )


def machines_in_training(manifest: RecordingSet, model: Path) -> set[str]:
    """Machines that the model learned from: on these its accuracy proves nothing."""
    training = load_model_manifest(model).training
    if training.get("manifest") != manifest.name:
        return set()
    return set(training.get("machines", ()))


class RecordedPlay:
    """Publishes a manifest's recordings and compares what is said of them with their labels."""

    def __init__(self, on: Stage, manifest: RecordingSet, model: Path, match: str) -> None:
        self._on = on
        self._cuts = cuts(manifest, replace(OPTIONS, match=match), time.time_ns())
        self._in_training = machines_in_training(manifest, model)
        self._next: Cut | None = next(self._cuts, None)
        self._n_messages = 0
        self._played: dict[str, list[tuple[int, Label]]] = defaultdict(list)
        self.n_samples = 0
        self.notes: dict[str, str] = {}

    @property
    def done(self) -> bool:
        return self._next is None

    def step(self, verdicts: Mapping[str, Sequence[Verdict]]) -> None:
        """Publish a few messages, unless the service is behind. Raises DemoError if the broker
        takes no more.
        """
        n_stored = self._on.reader.books().counters.get("messages_received", 0)
        while self._next is not None and self._n_messages - n_stored < MAX_AHEAD:
            cut = self._next
            # JSON, which both versions of MQTT carry
            message, _, _ = encode(cut, OPTIONS, "3.1.1")
            if not self._on.client.publish(topic_of(cut.sensor, OPTIONS.topic), message):
                raise DemoError(
                    f"The broker takes no more messages after {self._n_messages}."
                )
            self._n_messages += 1
            self.n_samples += cut.samples.shape[1]
            self.notes[cut.sensor] = f"recorded, {cut.label}"
            self._played[cut.sensor].append((cut.start_ns, cut.label))
            self._next = next(self._cuts, None)

    def wrong(self, verdicts: Mapping[str, Sequence[Verdict]]) -> list[str]:
        """Nothing: on real recordings no accuracy is promised, only that they are judged and the
        books close.
        """
        return []

    def findings(self, verdicts: Mapping[str, Sequence[Verdict]]) -> dict[str, object]:
        """Windows by label and status, and the accuracy over those that both the label and the
        service judge.
        """
        table = Counter(
            (label, verdict.status.value)
            for sensor, judged in verdicts.items()
            for verdict, label in zip(
                judged, window_labels(judged, self._played[sensor]), strict=True
            )
        )
        ok_share, ng_share = _share(table, "ok", Status.OK), _share(table, "ng", Status.NG)
        return {
            "by_label": {
                f"{label} called {status}": n
                for (label, status), n in sorted(table.items())
            },
            "ok_called_ok": ok_share,
            "ng_called_ng": ng_share,
            "machines_in_training": [
                name
                for name in self._in_training
                if any(s.startswith(f"{name}/") for s in verdicts)
            ],
            "balanced_accuracy": (
                None if ok_share is None or ng_share is None else (ok_share + ng_share) / 2
            ),
        }


def window_labels(
    verdicts: Sequence[Verdict], played: Sequence[tuple[int, Label]]
) -> list[Label]:
    """Each window's label, from messages (start_ns, label) in order of time; unlabelled where they
    differ.
    """
    starts = [start_ns for start_ns, _ in played]
    labels: list[Label] = []
    for verdict in verdicts:
        first = max(0, bisect_right(starts, verdict.start_ns) - 1)
        found = {label for _, label in played[first : bisect_left(starts, verdict.end_ns)]}
        labels.append(found.pop() if len(found) == 1 else "unlabelled")
    return labels


def _share(table: Counter[tuple[Label, str]], label: Label, said: Status) -> float | None:
    """Of the windows with this label that were judged at all, how many were called `said`."""
    n_judged = table[label, Status.OK.value] + table[label, Status.NG.value]
    return round(table[label, said.value] / n_judged, 4) if n_judged else None
