"""Clocks, sensors and publishers that misbehave: steps, drift, duplicates, disorder, floods,
garbage.
"""

from __future__ import annotations

import math
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from monitor.journal.reader import JournalReader
from tests.faults import fuzz
from tests.faults.campaign import Done, scenario
from tests.faults.stage import Stage, n_taken
from tests.servers.recording import TOPIC, Cut, Recording
from tests.servers.service import Service, resident_mb

HOUR_NS = 3600 * 10**9
STEPPED_CLOCK = Path(__file__).parent / "stepped_clock"


@scenario("the service's clock steps by an hour, both ways", "nothing lost")
def clock_steps(stage: Stage) -> Done:
    """The wall clock of every look that Python takes; the monotonic clock goes on, as it does for
    real.
    """
    offset = stage.folder / "offset"
    offset.write_text("0", encoding="ascii")
    paths = [str(STEPPED_CLOCK), os.environ.get("PYTHONPATH", "")]
    stepped = {
        "STEPPED_CLOCK": str(offset),
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
    }
    service = stage.start(environment=stepped)

    def step(text: str) -> None:
        """At once: the file is read at each look at the clock."""
        new = offset.with_suffix(".new")
        new.write_text(text, encoding="ascii")
        new.replace(offset)

    stage.play(faults={0.3: lambda: step("3600"), 0.6: lambda: step("-3600")})
    hours = {line[11:13] for line in service.log().splitlines() if line[:2] == "20"}
    assert service.stop()[0] == 0
    hours |= {line[11:13] for line in service.log().splitlines() if line[:2] == "20"}
    assert len(hours) > 1, "the clock did step"
    step("0")
    service.start()
    return Done("+1 h, then -1 h")


@scenario("sensor clocks step by an hour, both ways", "explained", quick=True)
def sensor_clocks_step(stage: Stage) -> Done:
    stage.start()
    third = len(stage.cuts) // 3
    stage.play(
        cuts=_shifted(stage.cuts, lambda n: (0, HOUR_NS, -HOUR_NS)[min(n // third, 2)])
    )
    return Done("each sensor +1 h, then -2 h", same_times=False)


@scenario("sensor clocks drift by 1 %", "nothing lost")
def sensor_clocks_drift(stage: Stage) -> Done:
    """Cheap sensors are off by percents; it is measured and reported,
    and the windows are judged.
    """
    stage.start()
    stage.play(
        cuts=_shifted(stage.cuts, lambda n: n // stage.recording.n_sensors * 500_000)
    )
    return Done("0.5 ms for each message of 50 ms", same_times=False)


@scenario("sensor clocks run backwards", "explained")
def sensor_clocks_run_back(stage: Stage) -> Done:
    stage.start()
    message_ns = round(stage.options.message_s * 1e9)
    quarter = len(stage.cuts) // 4

    def shift(n: int) -> int:
        """In the second quarter time runs backwards as fast as it should run forwards."""
        return (
            -2
            * message_ns
            * (min(max(n - quarter, 0), quarter) // stage.recording.n_sensors)
        )

    stage.play(cuts=_shifted(stage.cuts, shift))
    return Done("a quarter of the recording with time running backwards", same_times=False)


@scenario("duplicates", "nothing lost", quick=True)
def duplicates(stage: Stage) -> Done:
    """Sent twice at once, and again a while later."""
    stage.start()
    rng, cuts = random.Random(3), []
    n_repeated = 0
    for n, cut in enumerate(stage.cuts):
        again = [cut] * (rng.random() < 0.1)
        late = [stage.cuts[max(0, n - rng.randrange(1, 100))]] * (rng.random() < 0.05)
        cuts += [cut, *again, *late]
        n_repeated += len(again) + len(late)
    stage.play(cuts=cuts)
    return Done(f"{n_repeated} messages a second time, some up to 100 messages later")


@scenario("reordering", "explained", quick=True)
def reordering(stage: Stage) -> Done:
    """A message overtaken by the next of its sensor: the gap is reported, the late one is dropped
    as out_of_order.
    """
    stage.start()
    cuts, rng, n_swaps = list(stage.cuts), random.Random(4), 20
    step = stage.recording.n_sensors
    for k in range(n_swaps):
        n = rng.randrange(
            k * len(cuts) // n_swaps, (k + 1) * len(cuts) // n_swaps - step - 1
        )
        cuts[n], cuts[n + step] = cuts[n + step], cuts[n]
    stage.play(cuts=cuts)
    return Done(f"{n_swaps} messages overtaken")


FLOOD = Recording(n_sensors=10, duration_s=16.0)
FLOOD_MESSAGE_S = 0.01
MOST_MB = 250.0
TOO_MUCH = 5  # times what the service is let take


@scenario(
    "flood at five times the sustainable rate",
    "nothing lost",
    recording=FLOOD,
    message_s=FLOOD_MESSAGE_S,
)
def flood(stage: Stage) -> Done:
    """Without max_lag_s the broker holds what the service cannot take yet."""
    stage.start()
    with _Governor(stage) as governor:
        stage.play(seconds=stage.recording.duration_s)
        governor.check()
    return Done(governor.report())


@scenario(
    "flood, with max_lag_s, then relief",
    "explained",
    recording=FLOOD,
    message_s=FLOOD_MESSAGE_S,
)
def flood_shed(stage: Stage) -> Done:
    """The oldest windows are shed as overload, in turn by sensor; when the flood ends, windows are
    judged again. Relief is twice as long: a slow machine needs some of it to
    catch up.
    """
    service = stage.start(max_lag_s=1.0)
    now_ns = time.time_ns()
    cuts = _shifted(stage.cuts, lambda n: now_ns - stage.recording.t0_ns)
    flooded = len(cuts) // 3
    with _Governor(stage) as governor:
        stage.play(seconds=stage.recording.duration_s / 3, cuts=cuts[:flooded])
        governor.check()
    stage.play(seconds=stage.recording.duration_s * 2 / 3, cuts=cuts[flooded:])
    n_samples = stage.recording.n_samples * stage.recording.n_sensors
    service.wait(lambda: stage.n_taken() == n_samples, 60.0)
    shed = [
        book.get(("dropped", "overload"), 0)
        for book in service.reader().books().samples.values()
    ]
    n_window = stage.recording.n_window
    assert min(shed) > 0, f"shed samples by sensor: {shed}"
    assert max(shed) - min(shed) <= 4 * n_window, f"not in turn: {shed}"
    last_ns = now_ns + round((stage.recording.duration_s - 1) * 1e9)
    judged = {v.sensor for v in service.rows().values() if v.end_ns >= last_ns}
    assert judged == set(stage.recording.sensors), "it recovered"
    service.wait(lambda: service.event_kinds()[-1:] == ["overload_over"])
    return Done(governor.report(), same_times=False)


class _Governor:
    """Stops the service again and again, so that it takes a fifth of what is published, and watches
    its memory.
    """

    def __init__(self, stage: Stage) -> None:
        assert stage.service.process is not None
        recording = stage.recording
        self._stage, self._process = stage, stage.service.process
        self._n_published_per_s = recording.n_sensors * recording.sample_rate_hz
        self._begin_s = time.monotonic()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._cycle, daemon=True)
        self._most_mb, self._share = 0.0, 0.0

    def check(self) -> None:
        """At the end of the flood: it was one, and memory did not grow with it."""
        taken = self._stage.n_taken()
        self._share = taken / ((time.monotonic() - self._begin_s) * self._n_published_per_s)
        assert self._share < 1.5 / TOO_MUCH, f"it took {self._share:.0%} of the flood"
        assert self._most_mb < MOST_MB, f"{self._most_mb:.0f} MB resident"

    def report(self) -> str:
        rate = self._stage.recording.n_sensors / FLOOD_MESSAGE_S
        return (
            f"{rate:.0f} messages/s, {self._share:.0%} of them taken; at most {self._most_mb:.0f}"
            " MB resident"
        )

    def _cycle(self) -> None:
        reader = JournalReader(self._stage.service.journal_path)
        while not self._stopping.wait(0.005):
            allowed = (
                self._n_published_per_s / TOO_MUCH * (time.monotonic() - self._begin_s)
            )
            behind = n_taken(reader.books(), self._stage.recording.sensors) < allowed
            self._process.send_signal(signal.SIGCONT if behind else signal.SIGSTOP)
            self._most_mb = max(self._most_mb, resident_mb(self._process.pid))
        self._process.send_signal(signal.SIGCONT)
        reader.close()

    def __enter__(self) -> _Governor:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()


@scenario("fuzzed payloads", "nothing lost", quick=True)
def fuzzed(stage: Stage) -> Done:
    """Between any number of bad payloads the good ones get through,
    and every bad one is counted.
    """
    n_fuzzed, n_corpus = (4_000, fuzz.N_QUICK) if stage.quick else (10**6, fuzz.N_CORPUS)
    topics = [
        {"topic": TOPIC, "payload": {"format": "raw", "dtype": "float32"}},
        *fuzz.subscriptions(),
    ]
    recording = stage.recording
    rules = [
        {
            "match": "m*",
            "sample_rate_hz": recording.sample_rate_hz,
            "window_s": recording.window_s,
            "expected_period_s": 3600,
        },
        *fuzz.rules(expected_period_s=3600),
    ]
    service = stage.start(
        subscriptions=topics,
        sensors=rules,
        context=fuzz.CONTEXT,
        mqtt={"max_payload_bytes": fuzz.MAX_BYTES},
    )
    every = math.ceil(n_fuzzed / len(stage.cuts))
    source = fuzz.payloads(5, n_corpus)
    n_messages = 0  # that reach the pipeline: one too large ends at the edge
    for cut in stage.cuts:
        n_messages += 1
        for _ in range(every):
            topic, payload, properties = next(source)
            n_messages += len(payload) <= fuzz.MAX_BYTES
            stage.publisher.publish(topic, payload, properties)
        stage.publisher.send(cut)
        stage.publisher.flush(n_open=1000)
    stage.publisher.flush()
    service.wait_count(lambda: _n_met(service), n_messages, "all messages are met")
    bad = {
        k: n
        for k, n in service.reader().books().counters.items()
        if k.startswith("bad_payloads.")
    }
    assert len(bad) >= 20, f"reasons met: {bad}"
    return Done(
        f"{every * len(stage.cuts):,} fuzzed payloads, {sum(bad.values()):,} refused for {len(bad)}"
        " reasons"
    )


def _n_met(service: Service) -> int:
    """Messages that the pipeline has settled."""
    return service.reader().books().counters.get("messages_received", 0)


def _shifted(cuts: list[Cut], shift_ns: Callable[[int], int]) -> list[Cut]:
    """Messages whose time stamps are off by shift_ns(index)."""

    def shifted() -> Iterator[Cut]:
        for n, cut in enumerate(cuts):
            properties = dict(cut.properties)
            properties["start_time_ns"] = str(
                int(properties["start_time_ns"]) + shift_ns(n)
            )
            yield replace(cut, properties=tuple(properties.items()))

    return list(shifted())
