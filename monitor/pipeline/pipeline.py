"""Messages in, a batch of verdicts out. Pure, except for the state it keeps: no clock, no file.

Keeps account of every sample (received = analysed + judged_bad + dropped +
waiting). `router.py` says what a message brings, `sensor.py` cuts it into
windows, `judging.py` judges them, `settlement.py` says which messages are
thereby settled.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

from monitor.config_sensors import SensorSettings
from monitor.pipeline.analysis import Analyser
from monitor.pipeline.catch_up import CatchUp
from monitor.pipeline.diagnosing import Diagnoser, HealthyOf, in_events, no_healthy
from monitor.pipeline.healthy import HealthyCollector, is_wanted
from monitor.pipeline.judging import Cut, Judge, Judgement, judge
from monitor.pipeline.memory import Memory
from monitor.pipeline.occluding import Occluder
from monitor.pipeline.origins import Origin, Origins, Senders
from monitor.pipeline.overload import Overload
from monitor.pipeline.router import Content, Router, Rules, RunningWord
from monitor.pipeline.running import RunningStates
from monitor.pipeline.sample_reader import MAX_NAME
from monitor.pipeline.sensor import Sensor, Stopped, Taken
from monitor.pipeline.settlement import Marks, Settlement
from monitor.records.batch import BadPayload, Batch, Event
from monitor.records.commissioned import Commissioned
from monitor.records.diagnosis import ASKED, Ask, AskAnswer
from monitor.records.geometry import Geometry
from monitor.records.labels import LabelRequest
from monitor.records.remembered import NOTHING, Remembered
from monitor.records.signal import Chunk, Drop, Gap, Message, Window
from monitor.records.stream import Piece, StoredStream
from monitor.records.verdict import Status
from monitor.signal.payload.base import PayloadError
from monitor.signal.payload.identity import id_in_properties

MAX_SENSORS = 5000  # a hostile publisher may invent names; each would cost memory
# the arrival of a message that waited longer on our side says nothing of its rate
BEHIND_NS = 1_000_000_000
MAX_UNHEARD = 500  # likewise of sensors that have sent nothing but what was refused
HEAD_BYTES = 64  # of a bad payload, kept for inspection


@dataclass(slots=True)
class _Arrival:
    """A message on its way through a turn.

    checksum : of its payload
    record : the number that its source gave it, where such are noted
    now_s : seconds spent listening
    work : what the turn has cut so far
    """

    message: Message
    checksum: int
    record: int | None
    now_s: float
    work: list[Cut]


class Pipeline:
    """process() and tick() fill the current batch; take_batch() hands it over for one commit."""

    def __init__(
        self,
        rules: Rules,
        streams: Mapping[str, StoredStream],
        digests: Mapping[int, int],
        now_s: float,
        remembered: Remembered = NOTHING,
        healthy_of: HealthyOf = no_healthy,
        judge: Judge = judge,
        first_record: int | None = None,
    ) -> None:
        """streams, digests, remembered : where an earlier process stopped, as the journal holds
        it.

        healthy_of : a sensor's signal of when its machine was well, of earlier batches
        judge : a turn's windows, in this thread or several
        first_record : the first that a source with numbered records delivers;
            None where nobody needs their numbers
        """
        self.sensors: dict[str, Sensor] = {}
        self._rules = rules
        self._judge = judge
        self._memory = Memory(remembered, rules.max_payload_bytes)
        self._router = Router(rules, self._memory)
        self._origins = Origins()
        self._senders = Senders()
        self._settlement = Settlement(digests)
        self._running = RunningStates()
        self._overload = Overload()
        self._commissioned: Mapping[str, Commissioned] = {}
        self._all_maps_of: Set[str] = frozenset()
        self._batch = Batch()
        # Sensors whose samples were counted since the last batch: their stream must go along.
        self._touched: set[str] = set()
        # Of sensors that their messages name: the topic each came on last.
        self._topics: dict[str, str] = {}
        # Sensors not heard since the last connection began, and whether messages were owed to us.
        self._unsure: dict[str, bool] = {}
        self._is_behind = False  # messages wait on our side
        # sensors that have sent nothing but what was refused
        self._unheard: set[str] = set()
        self._healthy_of = healthy_of
        self._healthy = HealthyCollector(remembered.healthy)
        self._diagnoser = self._new_diagnoser()
        self._asked: set[int] = set()  # that this process has taken
        self._occluder = Occluder()
        # sensors with samples since their stream was last stored
        self._fresh: set[str] = set()
        self._first_record = first_record
        for name in streams:
            if (analyser := self._router.analyser(name)) is not None:
                self._make_sensor(name, analyser, now_s)
        ours = {name: streams[name] for name in self.sensors}
        self._catch_up = CatchUp({} if first_record is None else ours)
        for name, stored in ours.items():
            if name not in self._catch_up:
                self.sensors[name].restore(stored)

    def _new_diagnoser(self) -> Diagnoser | None:
        answer = self._rules.answer
        if answer is None:
            return None
        return Diagnoser(answer, self._memory.context.newest, self._healthy_of)

    def change_rules(self, rules: Rules) -> None:
        """Take a new configuration over; known sensors change at their next window border."""
        self._rules = rules
        self._diagnoser = self._new_diagnoser()
        # What is still open is asked of the new one.
        self._asked = {one.ask_id for one in self._batch.answers}
        self._router = Router(rules, self._memory)
        self._origins = Origins()
        self._senders = Senders()
        for sensor in self.sensors.values():
            sensor.verdicts.condition.machine = rules.surroundings(sensor.name)
            analyser = self._router.analyser(sensor.name)
            if analyser is not None:
                sensor.adopt(analyser)

    def commission(self, commissioned: Mapping[str, Commissioned]) -> None:
        """Use these baselines and thresholds, starting with the next window."""
        self._commissioned = commissioned
        for sensor in self.sensors.values():
            sensor.verdicts.commissioned = commissioned.get(sensor.name)

    def keep_all_maps_of(self, names: Set[str]) -> None:
        """From their next window on, store every map and spectrum of these sensors."""
        if names == self._all_maps_of:
            return
        self._all_maps_of = names
        for sensor in self.sensors.values():
            sensor.verdicts.maps.keeps_all = sensor.name in names

    def geometry(self, name: str) -> Geometry | None:
        """The geometry a sensor is judged by now; None where no rule matches."""
        known = self.sensors.get(name)
        analyser = self._router.analyser(name) if known is None else known.analyser
        return None if analyser is None else analyser.geometry

    def connected(self, is_resumed: bool) -> None:
        """The source has a connection (again). What was sent in between is lost, except for
        messages that are still owed to us.

        is_resumed : it continues the session before; else delivery keys start
            over, and nothing is owed
        """
        self._unsure = dict.fromkeys(self.sensors, is_resumed)
        if not is_resumed:
            self._settlement.forget()
            self._memory.edge_nodes.forget()
            self._take_news(0)

    def forget_before(self, key: int) -> None:
        """The source delivers nothing of a smaller key, from 0 on, again."""
        self._settlement.forget_before(key)
        self._lose_tails(self._catch_up.passed(key))

    def note(self, kind: str, text: str, n: int, now_ns: int) -> None:
        """Count something that the source has found out, and put it on record."""
        self._batch.counters[kind] += n
        self.event(Event(now_ns, "", kind, text))

    def process(self, messages: Sequence[Message], now_ns: int, now_s: float) -> None:
        """Take messages in order of receipt. now_s counts seconds spent listening."""
        work: list[Cut] = []
        for message in messages:
            self._is_behind = now_ns - message.received_ns > BEHIND_NS
            checksum = zlib.crc32(message.payload)
            digest = _digest(message, checksum)
            marks = self._settlement.seen_before(message.delivery, digest)
            if marks is None:
                record = self._record_of(message)
                marks = self._take(_Arrival(message, checksum, record, now_s, work))
            else:
                self._batch.counters["messages_redelivered"] += 1
            if message.delivery is None:
                self._batch.counters["messages_received"] += 1
            else:
                self._settlement.note(message.delivery, marks, digest, now_s)
        for judgement in self._judge(self._shed(work, now_ns)):
            self._book(judgement)
        self._diagnose(now_ns)
        if not (messages and self._is_behind):  # else the next ones have waited long enough
            self._occlude()

    def _occlude(self) -> None:
        """A step a turn: each takes as long as some windows."""
        found = self._occluder.step()
        if found is not None:
            self._batch.occlusions.append(found)

    @property
    def is_occluding(self) -> bool:
        """It needs turns, with messages or without."""
        return self._occluder.is_busy

    def _diagnose(self, now_ns: int) -> None:
        """At most one a turn: it takes as long as some hundred windows."""
        found = None if self._diagnoser is None else self._diagnoser.step(now_ns)
        if found is None:
            return
        self._batch.diagnoses.append(found.diagnosed)
        for asked in found.asks:
            self._answer_ask(asked, found.diagnosed.text, found.diagnosed.at_ns)
        if not found.asks:
            events = in_events(self._batch.events, found.diagnosed, found.is_first)
            self._batch.events = events

    def ask(self, wanted: Iterable[Ask], now_ns: int) -> None:
        """Diagnose these sensors with their next windows. Known asks are skipped."""
        for one in wanted:
            if one.ask_id in self._asked:
                continue
            self._asked.add(one.ask_id)
            if self._diagnoser is None or self._rules.surroundings(one.sensor) is None:
                text = "no entry of machines fits this point, so no part of it is known"
                self._answer_ask(one, text, now_ns)
            else:
                self._diagnoser.ask(one)

    def _answer_ask(self, asked: Ask, text: str, at_ns: int) -> None:
        self._batch.answers.append(AskAnswer(asked.ask_id, at_ns, text))
        self.event(Event(at_ns, asked.sensor, ASKED, f"asked by {asked.author}: {text}"))

    def refuse(self, message: Message, reason: str, detail: str) -> None:
        """Count a message that cannot be used, and keep its first bytes."""
        name = self._router.whole_name(message.topic)
        self._batch.counters[f"bad_payloads.{reason}"] += 1
        head, topic = message.payload[:HEAD_BYTES], message.topic[:MAX_NAME]
        n_bytes = len(message.payload)
        bad = BadPayload(message.received_ns, topic, reason, detail, n_bytes, head, name)
        self._batch.bad_payloads.append(bad)

    def tick(self, now_ns: int, now_s: float) -> None:
        """Find sensors that fell silent: their unfinished window is dropped, and a row says so."""
        if (event := self._overload.tick(now_ns)) is not None:
            self.event(event)
        for name, first_sample in self._overload.unjudged():
            self._batch.verdicts.append(self.sensors[name].overloaded(first_sample, now_ns))
            self._touched.add(name)
        for asked in [] if self._diagnoser is None else self._diagnoser.given_up(now_ns):
            self._answer_ask(asked, "no signal came that can be diagnosed", now_ns)
        self._memory.series.tick(now_ns)
        self._take_news(now_ns)
        for sensor in self.sensors.values():
            if sensor.name in self._catch_up:
                continue
            stopped = sensor.stopped(now_ns, now_s)
            if stopped is not None:
                self._end(sensor, stopped)

    def event(self, event: Event) -> None:
        """Put something that happened on record."""
        self._batch.events.append(event)

    @property
    def has_verdicts(self) -> bool:
        """Somebody may wait for the current batch."""
        return bool(self._batch.verdicts)

    @property
    def n_pending(self) -> int:
        """Messages that no batch has settled yet."""
        return self._settlement.n_pending

    def waited_s(self, now_s: float) -> float:
        """How long the oldest message that is not settled has waited; 0 where none does."""
        return self._settlement.waited_s(now_s)

    def take_batch(self, with_tails: bool) -> Batch:
        """The current batch, with the streams of all sensors that it touches.

        with_tails : with the streams of all that got samples, so that their
            messages are settled
        Every message whose samples are thereby stored is in batch.settled, in
        order of receipt.
        """
        batch, self._batch = self._batch, Batch()
        chosen = self._fresh | self._touched if with_tails else self._touched
        for name in sorted(chosen):
            sensor = self.sensors[name]
            batch.streams.append(sensor.update())
            self._settlement.stored(name, sensor.n_received)
            self._fresh.discard(name)
        self._touched.clear()
        self._keep_books_of_fresh(batch)
        for receipt in self._settlement.settle():
            batch.settled.append(receipt.delivery)
            for key in receipt.delivery.keys:
                batch.digests[key] = receipt.digest
        self._memory.discard(batch, self._settlement.is_stored)
        if batch.settled:
            batch.counters["messages_received"] += len(batch.settled)
        return batch

    def _keep_books_of_fresh(self, batch: Batch) -> None:
        """Samples enter the books when their stream is stored, not before."""
        for key in [key for key in batch.books if key[0] in self._fresh]:
            self._batch.books[key] = batch.books.pop(key)

    def _take(self, arrival: _Arrival) -> Marks:
        """One message up to its windows. Returns what must be stored before it is settled."""
        if arrival.message.after_loss:
            topic = arrival.message.topic
            self._note_missing(topic, "refused_message", arrival.record)
        marks = {}
        for index, (sensor, chunk) in enumerate(self._chunks(arrival)):
            # Two chunks of one message are no duplicates of each other.
            checksum = arrival.checksum
            own = checksum if index == 0 else zlib.crc32(b"%d" % index, checksum)
            if self._take_chunk(sensor, chunk, own, arrival):
                marks[sensor.name] = sensor.n_received
        self._memory.taken(marks)
        return marks

    def _chunks(self, arrival: _Arrival) -> list[tuple[Sensor, Chunk]]:
        """What the message brings of sensors: nothing where it brings something else, or is
        refused.
        """
        message = arrival.message
        try:
            content = self._read(message)
            self._note_context(message)
            if isinstance(content, RunningWord):
                self._running.note(content)
                return []
            if isinstance(content, LabelRequest):
                self._batch.labels.append(content)
                return []
            sensors = self._sensors_of(content, arrival.now_s)
        except PayloadError as error:
            detail = f"{error.detail} {self._router.hint(message)}".strip()
            self.refuse(message, error.reason, detail)
            if not message.retained:  # that one is from some other time
                self._note_missing(message.topic, "refused_message", arrival.record)
                self._note_not_understood(message, detail, arrival.now_s)
            return []
        self._note_topic(message.topic, sensors)
        return list(zip(sensors, content, strict=True))

    def _take_chunk(
        self, sensor: Sensor, chunk: Chunk, checksum: int, arrival: _Arrival
    ) -> bool:
        """Whether the sensor's samples must be stored before the message is settled.

        checksum : tells the chunk from others, also of its message
        """
        message, record = arrival.message, arrival.record
        if record is not None:
            if self._catch_up.is_known(sensor.name, record):
                return self._read_again(sensor, chunk, record)
            self._lose_tails([sensor.name] if sensor.name in self._catch_up else [])
            sensor.newest_record = record
        if self._is_of_other_sender(sensor, chunk, message):
            return False
        origin = self._origin(sensor, message, checksum)
        if origin is Origin.FOREIGN:
            return False
        if origin is Origin.REPEATED:
            self._drop(chunk, "duplicate")
        elif message.retained and sensor.is_past(chunk):
            self._drop(chunk, "retained")
        else:
            self._note_outage(sensor, message)
            if self._is_behind:
                sensor.note_held()
            if sensor.is_look_due(arrival.now_s):
                whole = self._memory.whole_of(message)
                payload = self._router.payload_of(message.topic)
                sensor.look(whole, payload, chunk, arrival.now_s)
            self._push(sensor, chunk, checksum, arrival)
        return True

    def _record_of(self, message: Message) -> int | None:
        """The number that the source gave it, where such are noted."""
        if self._first_record is None or message.delivery is None:
            return None
        record = message.delivery.key
        if record is not None and record < self._first_record:  # its topic was made anew
            self._lose_tails(self._catch_up.forget())
        return record

    def _piece(self, chunk: Chunk, record: int | None) -> Piece | None:
        if record is None:
            return None
        return Piece(self._memory.first_record(record), record, chunk.samples.shape[1])

    def _read_again(self, sensor: Sensor, chunk: Chunk, record: int) -> bool:
        """Whether samples that an earlier owner took are of the unfinished window."""
        if not self._catch_up.take(sensor.name, record, chunk.samples):
            return False
        sensor.note_read_again(chunk.samples.shape[1])
        whole = self._catch_up.whole(sensor.name)
        if whole is not None:
            sensor.refill(*whole)
            self._fresh.add(sensor.name)
        return True

    def _lose_tails(self, names: Iterable[str]) -> None:
        """The records of these sensors' unfinished windows can no longer be read."""
        for name in names:
            n_lost = self.sensors[name].restore_without_tail(self._catch_up.give_up(name))
            self._batch.books[name, "dropped", "records_gone"] += n_lost
            self._touched.add(name)

    def _note_context(self, message: Message) -> None:
        if told := self._router.context(message):
            self._memory.context.note(told)
            self._batch.context.update(told)
            if self._diagnoser is not None:
                self._diagnoser.speeds.note(told)

    def _read(self, message: Message) -> Content:
        """What the message brings. Raises PayloadError; also then there may be news."""
        try:
            return self._router.read(message, self._rule_of)
        finally:
            self._take_news(message.received_ns, message.topic)

    def _take_news(self, now_ns: int, topic: str = "") -> None:
        """What messages showed beside what they brought."""
        noticed = self._memory.take_news(self._batch, topic)
        for message, text in noticed.given_up:
            self.refuse(message, "incomplete_series", text)
        for missing in noticed.missing:
            self._note_missing(missing, "gap")
        for dead, kind in noticed.dead:
            for name in sorted(self._names_on(dead)):
                sensor = self.sensors[name]
                if not sensor.is_silent and name not in self._catch_up:
                    self._end(sensor, sensor.died(now_ns, f"{kind}: its sender has ended"))

    def _end(self, sensor: Sensor, stopped: Stopped) -> None:
        """The sensor's stream ends here."""
        self._count_ended(sensor, stopped.ended)
        self._batch.verdicts.append(stopped.verdict)
        self._batch.events += stopped.events
        self._touched.add(sensor.name)

    def _is_of_other_sender(self, sensor: Sensor, chunk: Chunk, message: Message) -> bool:
        """Whether another sender takes turns with the sensor's. Its message is refused here."""
        said = chunk.origin or id_in_properties(message.properties)
        name = sensor.name
        if not said or not self._senders.is_foreign(name, said, sensor.is_silent):
            return False
        text = (
            f"Messages on {message.topic!r} come from several senders, here {said!r}, and all are"
            f" sensor {name!r}, which is {self._senders.first_of(name)!r}: name the field that"
            " tells them apart as machine or point under the subscription's payload."
        )
        if self._senders.is_news(name):
            self.event(Event(message.received_ns, name, "ambiguous", text))
        self.refuse(message, "ambiguous_sender", text)
        return True

    def _origin(self, sensor: Sensor, message: Message, checksum: int) -> Origin:
        """Whether the message is the sensor's. One that is not is refused here."""
        if not self._router.is_ambiguous:
            return Origin.ITSELF
        name, topic = sensor.name, message.topic
        origin = self._origins.judge(name, topic, checksum, sensor.is_silent)
        if origin is Origin.MOVED:
            self.event(
                Event(message.received_ns, name, "moved", f"comes on {topic} from now on")
            )
        if origin is Origin.FOREIGN:
            text = (
                f"Topics {self._origins.topic_of(name)!r} and {topic!r} both name sensor {name!r}"
                " and bring different signals: name the level that differs under subscriptions,"
                " {site} say."
            )
            if self._origins.is_news(name, topic):
                self.event(Event(message.received_ns, name, "ambiguous", text))
            self.refuse(message, "ambiguous_topic", text)
        return origin

    def _drop(self, chunk: Chunk, reason: str) -> None:
        """Count samples that are not even taken into their sensor's stream."""
        n = chunk.samples.shape[1]
        self._batch.books[chunk.sensor, "received", ""] += n
        self._batch.books[chunk.sensor, "dropped", reason] += n
        self._touched.add(chunk.sensor)

    def _note_topic(self, topic: str, sensors: Iterable[Sensor]) -> None:
        own = self._router.sensor_of(topic)
        for sensor in sensors:
            if sensor.name != own:
                self._topics[sensor.name] = topic

    def _names_on(self, topic: str) -> set[str]:
        """The sensors of a topic: the one it names, and those last heard on it."""
        names = {name for name, heard_on in self._topics.items() if heard_on == topic}
        names.add(self._router.sensor_of(topic) or "")
        return names & self.sensors.keys()

    def _note_missing(self, topic: str, reason: str, record: int | None = None) -> None:
        """The sensors of a topic miss a message.

        record : by which that is seen; streams that hold it have taken it in
        """
        for name in self._names_on(topic):
            is_known = record is not None and self._catch_up.is_known(name, record)
            if not is_known and name not in self._catch_up:
                self.sensors[name].note_missing(reason)
                self._touched.add(name)

    def _note_not_understood(self, message: Message, detail: str, now_s: float) -> None:
        """A sensor whose every message is refused must be visible, too."""
        name = self._router.whole_name(message.topic)
        sensor = self.sensors.get(name)
        if sensor is None:
            analyser = self._router.analyser(name) if name else None
            is_full = len(self._unheard) >= MAX_UNHEARD or len(self.sensors) >= MAX_SENSORS
            if analyser is None or is_full:
                return
            sensor = self._make_sensor(name, analyser, now_s)
            self._unheard.add(name)
        sensor.note_not_understood(message, detail, now_s)

    def _note_outage(self, sensor: Sensor, message: Message) -> None:
        """The first message after a new connection."""
        is_resumed = self._unsure.pop(sensor.name, None)
        if is_resumed is None:
            return
        sensor.note_held()
        if not is_resumed or message.delivery is None:
            sensor.note_missing("outage")

    def _rule_of(self, name: str) -> SensorSettings | None:
        """A known sensor keeps its rule after a reload until its current window is complete."""
        known = self.sensors.get(name)
        if known is not None:
            return known.rule
        analyser = self._router.analyser(name)
        return None if analyser is None else analyser.rule

    def _sensors_of(self, chunks: Sequence[Chunk], now_s: float) -> list[Sensor]:
        """The sensor of each chunk. Made only here: garbage on invented names makes no sensor."""
        found = []
        for chunk in chunks:
            sensor = self.sensors.get(chunk.sensor)
            found.append(
                sensor if sensor is not None else self._new_sensor(chunk.sensor, now_s)
            )
        return found

    def _new_sensor(self, name: str, now_s: float) -> Sensor:
        analyser = self._router.analyser(name)
        if analyser is None or len(name) > MAX_NAME:
            raise PayloadError(
                "unmatched_sensor", f"Sensor {name[:MAX_NAME]!r} fits no rule."
            )
        if len(self.sensors) >= MAX_SENSORS:
            text = f"Sensor {name!r} would be one more than {MAX_SENSORS}."
            raise PayloadError("too_many_sensors", text)
        return self._make_sensor(name, analyser, now_s)

    def _make_sensor(self, name: str, analyser: Analyser, now_s: float) -> Sensor:
        sensor = Sensor(name, analyser, self._rules.journal, now_s)
        sensor.verdicts.commissioned = self._commissioned.get(name)
        sensor.verdicts.maps.keeps_all = name in self._all_maps_of
        sensor.verdicts.condition.machine = self._rules.surroundings(name)
        self.sensors[name] = sensor
        return sensor

    def _push(self, sensor: Sensor, chunk: Chunk, checksum: int, arrival: _Arrival) -> None:
        """The chunk into its sensor's stream, and what that cuts into the turn's work."""
        n, name = chunk.samples.shape[1], sensor.name
        for what in chunk.tolerated:
            self._batch.counters[f"tolerated.{what}"] += 1
        self._unheard.discard(name)
        piece = self._piece(chunk, arrival.record)
        taken = sensor.take(chunk, checksum, arrival.now_s, piece)
        if taken.unjudged is not None:
            self._batch.verdicts.append(taken.unjudged)
        if taken.is_back:
            self.event(Event(chunk.received_ns, name, "back", "messages again"))
        self._batch.events += taken.troubles
        self._batch.books[name, "received", ""] += n
        self._fresh.add(name)
        for gap in self._count_ended(sensor, taken.ended):
            arrival.work.append(Cut(sensor, taken.analyser, gap))
        arrival.work.extend(self._cuts(sensor, taken, chunk.received_ns))

    def _cuts(self, sensor: Sensor, taken: Taken, received_ns: int) -> Iterator[Cut]:
        """Windows with what holds now."""
        names = self._router.context_names
        for analyser, window in taken.windows:
            context = self._memory.context.of(sensor.name, names, received_ns)
            running = self._running.of(sensor.name, analyser.rule, context)
            is_implausible = taken.is_implausible
            self._batch.window_received_ns.append(received_ns)
            yield Cut(
                sensor, analyser, window, running, context, is_implausible, received_ns
            )

    def _count_ended(self, sensor: Sensor, ended: Iterable[Gap | Drop]) -> list[Gap]:
        """Book what will not be analysed. Returns the partial windows that become rows."""
        gaps = []
        for piece in ended:
            self._touched.add(sensor.name)
            if isinstance(piece, Drop):
                self._batch.books[sensor.name, "dropped", piece.reason] += piece.n_samples
            else:
                self._batch.counters[f"breaks.{piece.reason}"] += 1
                if piece.n_samples:
                    gaps.append(piece)
        return gaps

    def _shed(self, work: list[Cut], now_ns: int) -> list[Cut]:
        """Drop windows that are too old, where max_lag_s says what that is."""
        kept, max_lag_s = [], self._rules.max_lag_s
        for cut in work:
            if isinstance(cut.piece, Window) and self._overload.sheds(
                cut.piece, max_lag_s, now_ns
            ):
                self._batch.books[cut.sensor.name, "dropped", "overload"] += cut.piece.n_new
                self._batch.counters["windows_shed"] += 1
                self._touched.add(cut.sensor.name)
            else:
                kept.append(cut)
        return kept

    def _book(self, judgement: Judgement) -> None:
        batch = self._batch
        verdict, late = self.sensors[judgement.verdict.sensor].verdicts.maps.choose(
            judgement.verdict
        )
        batch.late_maps += late
        batch.kept_windows += judgement.kept
        batch.events += judgement.events
        batch.verdicts.append(verdict)
        self._collect(judgement)
        self._occluder.take(judgement)
        if verdict.status is Status.BAD_DATA:
            fate, why = "judged_bad", verdict.reason
        else:
            fate, why = "analysed", verdict.status.value
        batch.books[verdict.sensor, fate, why] += judgement.n_new
        _count_window(batch.counters, verdict.status, verdict.reason)
        self._touched.add(verdict.sensor)

    def _collect(self, judgement: Judgement) -> None:
        cut = judgement.cut
        if self._diagnoser is None or cut is None or not isinstance(cut.piece, Window):
            return
        known = cut.sensor.verdicts.condition.machine
        if known is None:
            return
        taken = judgement.verdict, cut.piece, cut.analyser.rule, known
        self._diagnoser.take(*taken, cut.received_ns)
        healthy = self._healthy.take(*taken) if is_wanted(known) else None
        if healthy is not None:
            self._batch.healthy.append(healthy)


def _count_window(counters: Counter[str], status: Status, reason: str) -> None:
    counters[f"windows.{status}"] += 1
    if reason == "map_mismatch":
        counters["errors.map_mismatch"] += 1


def _digest(message: Message, checksum: int) -> int:
    """checksum : of the payload"""
    head = f"{message.topic}\0{message.properties}".encode("utf-8", "replace")
    return zlib.crc32(head, checksum)
