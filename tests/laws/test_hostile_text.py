"""Strangers choose names of machines, topics and payloads; it stays text: no SQL, no terminal
codes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.commands.status import summary
from monitor.commands.status_text import render
from monitor.journal.reader import JournalReader
from monitor.journal.writer import Journal
from monitor.pipeline import pipeline as pipeline_module
from monitor.pipeline.pipeline import Pipeline
from monitor.records.batch import BadPayload, Batch, Event
from monitor.records.topic import TopicPattern
from monitor.records.verdict import Status, Verdict
from monitor.text import printable
from tests.signals import START_NS, configure, messages, noise, rules

CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="/+#\0")
INJECTIONS = [
    "'; DROP TABLE verdict; --",
    '"',
    "\\",
    "\x1b[2J\x1b]0;title\x07",
    "a\nb,c=d e=1",
    "%s{0}",
    "\u202e",
    "=cmd|x",
]
LEVELS = st.one_of(
    st.sampled_from(INJECTIONS), st.text(CHARACTERS, min_size=1, max_size=40)
)
TEXTS = st.one_of(
    st.sampled_from(INJECTIONS),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=80),
)
N_HEAD_LINES = 6  # of camshaft status


@dataclass
class Kept:
    """A journal, and what has been put into it."""

    journal: Journal
    reader: JournalReader
    sensors: set[str] = field(default_factory=set)
    n_rows: int = 0


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    path = tmp_path_factory.mktemp("hostile") / "camshaft.journal"
    journal = Journal(path)
    reader = JournalReader(path)
    yield Kept(journal, reader)
    reader.close()
    journal.close()


@settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(machine=LEVELS, point=LEVELS, topic=TEXTS, detail=TEXTS)
def test_names_and_texts_come_back_as_they_were(
    kept: Kept, machine: str, point: str, topic: str, detail: str
) -> None:
    sensor = TopicPattern.parse("vibration/{machine}/{point}/waveform").sensor(
        f"vibration/{machine}/{point}/waveform"
    )
    assert sensor == f"{machine}/{point}"
    kept.sensors.add(sensor)
    kept.n_rows += 1
    verdict = Verdict(
        sensor, 0, kept.n_rows, 10, kept.n_rows, kept.n_rows + 1, Status.BAD_DATA, "gap"
    )
    bad = BadPayload(kept.n_rows, topic, "not_json", detail, 3, b"\x00\xff\x1b")
    kept.journal.commit(
        Batch(
            verdicts=[verdict],
            bad_payloads=[bad],
            events=[Event(kept.n_rows, sensor, "silent", detail)],
        )
    )

    assert kept.reader.latest()[sensor].verdict.sensor == sensor
    assert set(kept.reader.latest()) == kept.sensors
    newest = kept.reader.bad_payloads(1)[0]
    assert (newest["topic"], newest["detail"]) == (topic, detail)
    # Nothing was dropped or doubled by a name.
    assert sum(1 for _ in kept.reader.rows()) == kept.n_rows

    shown = render(summary(kept.reader, [], 10**18)).split("\n")
    assert len(shown) == N_HEAD_LINES + len(kept.sensors)
    assert all(line.isprintable() for line in shown)


@given(TEXTS)
def test_what_is_logged_is_one_printable_line(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert len(shown) <= 300


def test_invented_names_do_not_fill_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline_module, "MAX_SENSORS", 3)
    pipeline = Pipeline(rules(configure()), {}, {}, 0.0)
    invented = [
        replace(messages(noise(10), [10])[0], topic=f"vibration/m{number}/p/waveform")
        for number in range(5)
    ]
    pipeline.process(invented, START_NS, 0.0)
    batch = pipeline.take_batch(True)
    assert len(pipeline.sensors) == 3
    assert batch.counters["bad_payloads.too_many_sensors"] == 2
    assert len(batch.settled) == 5  # settled all the same: they must not hold the others up
