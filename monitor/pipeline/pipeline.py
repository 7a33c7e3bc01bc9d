"""Messages in, a batch of verdicts out. Pure but for its sensors' state: no clock, no file, no
thread.

Keeps account of every sample (received = analysed + judged_bad + dropped + waiting) and of every
message until all that it brought is in a committed batch.
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from monitor.config import KeptWindowSettings, Subscription
from monitor.pipeline.analysis import Analyser, Analysis
from monitor.pipeline.overload import Overload
from monitor.pipeline.sensor import Sensor
from monitor.records import labels
from monitor.records.batch import BadPayload, Batch, Event
from monitor.records.commissioned import Commissioned
from monitor.records.signal import Chunk, Delivery, Drop, Gap, Message, Window
from monitor.records.stream import StoredStream
from monitor.records.topic import TopicPattern
from monitor.records.verdict import Status, Verdict
from monitor.signal.payload import PayloadError, decode

MAX_SENSORS = 5000  # a hostile publisher may invent names; each would cost memory
MAX_NAME = 200
HEAD_BYTES = 64  # of a bad payload, kept for inspection
RUNNING_WORDS = {"1": True, "true": True, "on": True, "0": False, "false": False, "off": False}


@dataclass(frozen=True, slots=True)
class _Cut:
    """A piece of a stream with what held when it was cut."""

    sensor: Sensor
    analyser: Analyser
    item: Window | Gap
    running: bool | None = None  # what the running-state topic had said last


Work = list[_Cut]  # in order of arrival


@dataclass(frozen=True, slots=True)
class Rules:
    """What the configuration says to the pipeline."""

    subscriptions: tuple[Subscription, ...]
    analysers: tuple[
        Analyser, ...
    ]  # one a sensor rule, in their order: the first that fits a name holds
    kept_windows: KeptWindowSettings
    max_payload_bytes: int
    max_lag_s: float | None
    failure_modes: tuple[str, ...] = ()  # that a label may name


@dataclass(frozen=True, slots=True)
class _Receipt:
    """A message on its way to its acknowledgement: settled when its sensor's stream is stored up to
    n_received.
    """

    delivery: Delivery
    sensor: str
    n_received: int
    digest: int
    at_s: float  # when it came


class Pipeline:
    """process() and tick() fill the current batch; take_batch() hands it over for one commit."""

    def __init__(
        self,
        rules: Rules,
        streams: Mapping[str, StoredStream],
        packets: Mapping[int, int],
        now_s: float,
    ) -> None:
        self.sensors: dict[str, Sensor] = {}
        self.n_pending = 0  # messages that no commit has settled yet
        self._packets = dict(packets)
        self._receipts: deque[_Receipt] = deque()
        self._commissioned: Mapping[str, Commissioned] = {}
        self._is_running: dict[
            tuple[str, str, str], bool
        ] = {}  # (topic pattern, machine, point or ""): last word
        self._batch = Batch()
        self._overload = Overload()
        self._touched: set[str] = (
            set()
        )  # sensors with samples counted since the last batch: their stream must go along
        self._dirty: set[str] = set()  # sensors with samples since the last batch
        self._stored: dict[str, int] = {}  # n_received up to which the stream is in a batch
        self.change_rules(rules)
        for name, stored in streams.items():
            if (sensor := self._make_sensor(name, now_s)) is not None:
                sensor.restore(stored)

    def change_rules(self, rules: Rules) -> None:
        """Take a new configuration over; known sensors change at their next window border."""
        self._rules = rules
        self._topics = [(TopicPattern.parse(s.topic), s.payload) for s in rules.subscriptions]
        self._running_topics = {
            running.topic: TopicPattern.parse(running.topic)
            for analyser in rules.analysers
            if (running := analyser.rule.running) is not None and running.topic is not None
        }
        for sensor in self.sensors.values():
            analyser = self._analyser(sensor.name)
            if analyser is not None:
                sensor.adopt(analyser)

    def commission(self, commissioned: Mapping[str, Commissioned]) -> None:
        """Use these baselines and thresholds from the next window on."""
        self._commissioned = commissioned
        for sensor in self.sensors.values():
            sensor.commissioned = commissioned.get(sensor.name)

    def connected(self, now_s: float, session_present: bool) -> None:
        """The broker is there (again): silence is measured from now; a lost session makes old
        packet ids void.
        """
        for sensor in self.sensors.values():
            sensor.heard_s = now_s
        if not session_present:
            self._packets.clear()

    def process(self, messages: Sequence[Message], now_ns: int, now_s: float) -> None:
        """Take messages in order of receipt. now_s counts seconds spent listening."""
        work: Work = []
        for message in messages:
            head = f"{message.topic}\0{message.properties}".encode("utf-8", "replace")
            digest = zlib.crc32(message.payload, zlib.crc32(head))
            name = self._take(message, digest, work, now_s)
            self._note_receipt(message, name, digest, now_s)
        self._judge(self._shed(work, now_ns))

    def refuse(self, message: Message, reason: str, detail: str) -> None:
        """Count a message that cannot be used, and keep its first bytes."""
        self._batch.counters[f"bad_payloads.{reason}"] += 1
        head, topic = message.payload[:HEAD_BYTES], message.topic[:MAX_NAME]
        bad = BadPayload(message.received_ns, topic, reason, detail, len(message.payload), head)
        self._batch.bad_payloads.append(bad)

    def tick(self, now_ns: int, now_s: float) -> None:
        """Find sensors that fell silent: their unfinished window is dropped, and a NO_DATA row says
        so.
        """
        if (event := self._overload.tick(now_ns)) is not None:
            self._batch.events.append(event)
        for sensor in self.sensors.values():
            if not sensor.is_overdue(now_s):
                continue
            sensor.silent = True
            self._ended(sensor, sensor.windower.end_segment("segment_end"), [])
            self._batch.verdicts.append(sensor.no_data(now_ns))
            self._batch.events.append(
                Event(now_ns, sensor.name, "silent", "no message for three expected periods")
            )
            self._touched.add(sensor.name)

    def event(self, event: Event) -> None:
        """Put something that happened outside on record."""
        self._batch.events.append(event)

    @property
    def has_verdicts(self) -> bool:
        """Somebody may wait for the current batch."""
        return bool(self._batch.verdicts)

    def waited_s(self, now_s: float) -> float:
        """How long the oldest message without settlement has waited, as of the last batch; 0 where
        none does.
        """
        return now_s - self._receipts[0].at_s if self._receipts else 0.0

    def take_batch(self, with_tails: bool) -> Batch:
        """The current batch, with the streams of all sensors that it touches; with_tails: of all
        that got samples.

        Every message whose samples are thereby stored is in batch.settled, in order of receipt.
        """
        batch, self._batch = self._batch, Batch()
        for name in sorted(self._dirty | self._touched if with_tails else self._touched):
            batch.streams.append(self.sensors[name].update())
            self._stored[name] = self.sensors[name].n_received
            self._dirty.discard(name)
        self._touched.clear()
        for key in [
            key for key in batch.books if key[0] in self._dirty
        ]:  # booked when their stream is stored, not before
            self._batch.books[key] = batch.books.pop(key)
        waiting: deque[_Receipt] = deque()
        for receipt in self._receipts:
            if receipt.n_received <= self._stored.get(receipt.sensor, 0):
                batch.settled.append(receipt.delivery)
                batch.packets[receipt.delivery.packet_id] = receipt.digest
            else:
                waiting.append(receipt)
        self._receipts = waiting
        if batch.settled:
            batch.counters["messages_received"] += len(batch.settled)
        self.n_pending = len(waiting)
        return batch

    def _take(self, message: Message, digest: int, work: Work, now_s: float) -> str:
        """One message up to its windows. Returns the sensor whose stream must be stored before it
        is settled, or ''.
        """
        delivery = message.delivery
        if (
            delivery is not None
            and delivery.duplicate
            and self._packets.get(delivery.packet_id) == digest
        ):
            self._batch.counters["messages_redelivered"] += 1
            return self._sensor_name(message.topic) or ""
        try:
            sensor, chunk = self._decode(message, now_s)
        except PayloadError as error:
            self.refuse(message, error.reason, error.detail)
            return ""
        if sensor is None or chunk is None:
            return ""
        self._push(sensor, chunk, digest, work, now_s)
        return sensor.name

    def _decode(self, message: Message, now_s: float) -> tuple[Sensor | None, Chunk | None]:
        """The sensor and its chunk; (None, None) for a running-state message.
        Raises PayloadError.
        """
        name, found = self._sensor_name(message.topic), None
        for pattern, payload in self._topics:
            if name is not None and pattern.match(message.topic) is not None:
                found = payload
                break
        if name is None or found is None:
            if self._take_running(message) or self._take_label(message):
                return None, None
            raise PayloadError(
                "unmatched_topic", f"Topic {message.topic[:MAX_NAME]!r} fits no subscription."
            )
        known = self.sensors.get(name)
        analyser = known.analyser if known else self._analyser(name)
        if analyser is None:
            raise PayloadError(
                "unmatched_sensor", f"Sensor {name!r} fits none of the rules under sensors."
            )
        chunk = decode(message, found, name, analyser.rule, self._rules.max_payload_bytes)
        sensor = known or self._make_sensor(
            name, now_s
        )  # only now: garbage on invented names makes no sensor
        if sensor is None:
            raise PayloadError(
                "too_many_sensors", f"Sensor {name!r} would be one more than {MAX_SENSORS}."
            )
        return sensor, chunk

    def _push(self, sensor: Sensor, chunk: Chunk, digest: int, work: Work, now_s: float) -> None:
        n = chunk.samples.shape[1]
        sensor.heard_s = now_s
        if sensor.silent:
            sensor.silent = False
            self._batch.events.append(
                Event(chunk.received_ns, sensor.name, "back", "messages again")
            )
        if not sensor.windower.n_waiting:
            sensor.at_border()
        sensor.n_received += n
        self._batch.books[sensor.name, "received", ""] += n
        self._dirty.add(sensor.name)
        self._ended(sensor, sensor.windower.push(chunk, digest), work)
        while (window := sensor.windower.cut()) is not None:
            work.append(_Cut(sensor, sensor.analyser, window, self._running(sensor)))
            self._batch.window_received_ns.append(chunk.received_ns)
            sensor.at_border()

    def _ended(self, sensor: Sensor, ended: Iterable[Gap | Drop], work: Work) -> None:
        for item in ended:
            self._touched.add(sensor.name)
            if isinstance(item, Drop):
                self._batch.books[sensor.name, "dropped", item.reason] += item.n_samples
                continue
            self._batch.counters[f"breaks.{item.reason}"] += 1
            if item.n_samples:
                work.append(_Cut(sensor, sensor.analyser, item))

    def _shed(self, work: Work, now_ns: int) -> Work:
        """Drop windows that are too old, where max_lag_s says what that is."""
        kept = []
        for cut in work:
            if isinstance(cut.item, Window) and self._overload.sheds(
                cut.item, self._rules.max_lag_s, now_ns
            ):
                self._batch.books[cut.sensor.name, "dropped", "overload"] += cut.item.n_new
                self._touched.add(cut.sensor.name)
            else:
                kept.append(cut)
        if len(kept) < len(work):
            self._batch.counters["windows_shed"] += len(work) - len(kept)
        return kept

    def _judge(self, work: Work) -> None:
        """Analyse all windows, rule by rule and batched over sensors; then verdicts in order of
        arrival.
        """
        by_rule: dict[int, list[int]] = {}
        for index, cut in enumerate(work):
            if isinstance(cut.item, Window):
                by_rule.setdefault(id(cut.analyser), []).append(index)
        analyses: dict[int, Analysis] = {}
        for indices in by_rule.values():
            windows = [item for i in indices if isinstance(item := work[i].item, Window)]
            analyses.update(zip(indices, work[indices[0]].analyser.analyse(windows), strict=True))
        for index, cut in enumerate(work):
            if isinstance(cut.item, Gap):
                self._book(cut.sensor.judge_gap(cut.item), cut.item.n_new)
                continue
            verdict, kept, events = cut.sensor.judge(
                cut.item, analyses[index], cut.analyser, cut.running
            )
            self._batch.kept_windows += kept
            self._batch.events += events
            self._book(verdict, cut.item.n_new)

    def _book(self, verdict: Verdict, n_new: int) -> None:
        bad = verdict.status is Status.BAD_DATA
        key = (
            (verdict.sensor, "judged_bad", verdict.reason)
            if bad
            else (verdict.sensor, "analysed", verdict.status.value)
        )
        self._batch.books[key] += n_new
        self._batch.counters[f"windows.{verdict.status}"] += 1
        if verdict.reason == "map_mismatch":
            self._batch.counters["errors.map_mismatch"] += 1
        self._batch.verdicts.append(verdict)
        self._touched.add(verdict.sensor)

    def _note_receipt(self, message: Message, name: str, digest: int, now_s: float) -> None:
        delivery = message.delivery
        if delivery is None:
            self._batch.counters["messages_received"] += 1
            return
        self._packets[delivery.packet_id] = digest
        n_received = self.sensors[name].n_received if name in self.sensors else 0
        self._receipts.append(_Receipt(delivery, name, n_received, digest, now_s))
        self.n_pending += 1

    def _take_running(self, message: Message) -> bool:
        """Note a running-state message. False if the topic is none."""
        for topic, pattern in self._running_topics.items():
            named = pattern.match(message.topic)
            if named is None:
                continue
            word = message.payload[:16].decode("utf-8", "replace").strip().lower()
            if word not in RUNNING_WORDS:
                raise PayloadError(
                    "bad_running_state",
                    f"Running state {word!r} is none of {', '.join(RUNNING_WORDS)}.",
                )
            self._is_running[topic, named["machine"], named.get("point", "")] = RUNNING_WORDS[word]
            return True
        return False

    def _take_label(self, message: Message) -> bool:
        """Note a person's label. False if the topic is another."""
        if message.topic != labels.TOPIC:
            return False
        try:
            request = labels.parse_message(
                message.payload, message.received_ns, self._rules.failure_modes
            )
        except labels.LabelError as error:
            raise PayloadError("bad_label", str(error)) from error
        self._batch.labels.append(request)
        return True

    def _running(self, sensor: Sensor) -> bool | None:
        """What the running-state topic said last of a sensor's machine or point."""
        running = sensor.rule.running
        if running is None or running.topic is None:
            return None
        machine, _, point = sensor.name.rpartition("/")
        of_machine = self._is_running.get((running.topic, machine, ""))
        return self._is_running.get((running.topic, machine, point), of_machine)

    def _sensor_name(self, topic: str) -> str | None:
        for pattern, _ in self._topics:
            name = pattern.sensor(topic)
            if name is not None and len(name) <= MAX_NAME:
                return name
        return None

    def _analyser(self, name: str) -> Analyser | None:
        return next(
            (analyser for analyser in self._rules.analysers if analyser.rule.fits(name)), None
        )

    def _make_sensor(self, name: str, now_s: float) -> Sensor | None:
        analyser = self._analyser(name)
        if analyser is None or len(self.sensors) >= MAX_SENSORS:
            return None
        sensor = Sensor(name, analyser, self._rules.kept_windows, now_s)
        sensor.commissioned = self._commissioned.get(name)
        self.sensors[name] = sensor
        return sensor
