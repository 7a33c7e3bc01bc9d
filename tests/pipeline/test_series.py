"""One window over many messages: whole, disordered, doubled, lost, interleaved and lying."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.journal.writer import Journal
from monitor.pipeline import series
from monitor.pipeline.pipeline import Pipeline
from monitor.pipeline.sensor import Sensor
from monitor.records.batch import Batch
from monitor.records.series import Part
from monitor.records.signal import Delivery, Message
from monitor.records.verdict import Status
from monitor.signal.payload.base import DecoderSettings, PayloadError
from monitor.signal.payload.formats import decode
from tests.signals import START_NS, configure, noise, rules

TOPIC = "vibration/m/p/waveform"
PARTS = {
    "format": "json",
    "part_index": "idx",
    "part_count": "parts",
    "series": "id",
    "sequence": None,
    "time": None,
}
RAW = {"format": "raw", "dtype": "float32"}


def pipeline(how: dict[str, Any] = RAW) -> Pipeline:
    config = configure(subscriptions=[{"topic": TOPIC_PATTERN, "payload": how}])
    return Pipeline(rules(config), {}, {}, 0.0)


TOPIC_PATTERN = "vibration/{machine}/{point}/waveform"


def message(payload: bytes, number: int, **properties: str) -> Message:
    delivery = Delivery(number, number, redelivered=False)
    return Message(TOPIC, payload, START_NS + number * 10**6, properties, delivery)


def cut(samples: np.ndarray[Any, Any], name: str, n: int, first: int = 1) -> list[Message]:
    """float32 as n parts by user property, cut anywhere."""
    data = samples.astype("<f4").tobytes()
    borders = [len(data) * at // n for at in range(n + 1)]
    found = []
    for index in range(n):
        tree: dict[str, Any] = {"messageId": name, "chunkIndex": index}
        if not index:
            tree |= {"totalChunks": n, "checksum": hashlib.sha256(data).hexdigest()}
        piece = data[borders[index] : borders[index + 1]]
        found.append(message(piece, first + index, __chunk=json.dumps(tree)))
    return found


def by_fields(
    samples: np.ndarray[Any, Any], name: object, n: int, first: int = 1
) -> list[Message]:
    found = []
    for index, piece in enumerate(np.array_split(samples, n)):
        tree = {"id": name, "idx": index + 1, "parts": n, "samples": piece.tolist()}
        found.append(message(json.dumps(tree).encode(), first + index))
    return found


def run(found: Pipeline, messages: Sequence[Message], with_tails: bool = True) -> Batch:
    for one in messages:
        found.process([one], one.received_ns, 0.0)
    return found.take_batch(with_tails)


def judged(batch: Batch) -> list[tuple[int, str]]:
    return [(verdict.first_sample, verdict.status) for verdict in batch.verdicts]


@pytest.mark.parametrize("made", [cut, by_fields])
def test_a_series_is_one_window(made: Any) -> None:
    how = RAW if made is cut else PARTS
    whole = run(pipeline(), [message(noise(1000)[0].astype("<f4").tobytes(), 1)])
    found = run(pipeline(how), made(noise(1000)[0], "a", 7))
    assert judged(found) == judged(whole) == [(0, Status.LEARNING)]
    np.testing.assert_array_equal(
        found.verdicts[0].spectrum_db, whole.verdicts[0].spectrum_db
    )
    assert len(found.settled) == 7
    assert found.books["m/p", "received", ""] == 1000
    assert found.counters["series.parts"] == 7


def test_what_is_looked_at_is_the_whole_payload_not_its_last_part(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whether bytes are what the settings say, a part of them does not show."""
    looked: list[int] = []
    monkeypatch.setattr(
        Sensor, "look", lambda _self, message, *_rest: looked.append(len(message.payload))
    )
    run(
        pipeline(), [*cut(noise(1000)[0], "a", 3), *cut(noise(1000, 1)[0], "b", 3, first=9)]
    )
    assert looked == [4000, 4000]


@settings(max_examples=20)
@given(st.permutations(range(5)), st.lists(st.integers(0, 4), max_size=3))
def test_parts_in_any_order_and_twice(order: list[int], again: list[int]) -> None:
    parts = cut(noise(1000)[0], "a", 5)
    found = run(pipeline(), [parts[at] for at in [*order, *again]])
    assert judged(found) == [(0, Status.LEARNING)]
    assert found.counters["series.repeated_parts"] == len(again)
    assert not found.bad_payloads


def test_interleaved_series_are_told_apart() -> None:
    one, other = cut(noise(1000)[0], "a", 4), cut(noise(1000, 1)[0], "b", 4, first=10)
    mixed = [part for pair in zip(one, other, strict=True) for part in pair]
    found = run(pipeline(), mixed)
    assert judged(found) == [(0, Status.LEARNING), (1000, Status.LEARNING)]
    direct = run(pipeline(), [*one, *other])
    for here, there in zip(found.verdicts, direct.verdicts, strict=True):
        np.testing.assert_array_equal(here.spectrum_db, there.spectrum_db)


def test_a_lost_part_is_a_gap_that_is_counted() -> None:
    first, lost, third = (cut(noise(500)[0], name, 4) for name in "abc")
    service = pipeline()
    batch = run(service, [*first, *lost[:2], *lost[3:], *third])
    # The samples of the third are not spliced to those of the first.
    assert [(v.reason, v.n_samples) for v in batch.verdicts] == [("gap", 500)]
    heard_ns = max(one.received_ns for one in lost)
    service.tick(heard_ns + 60 * 10**9, 0.0)
    assert not service.take_batch(True).bad_payloads
    service.tick(heard_ns + 60 * 10**9 + 1, 0.0)
    batch = service.take_batch(True)
    (bad,) = batch.bad_payloads
    assert (bad.reason, bad.topic) == ("incomplete_series", TOPIC)
    assert bad.detail == "Of series 'b' 3 of 4 parts came within 60 s."
    assert batch.parts == {(TOPIC, "b", index): None for index in (0, 1, 3)}


def test_parts_are_settled_before_the_series_is_whole() -> None:
    """A broker that lets two messages be under way would never send the third."""
    service = pipeline()
    parts = cut(noise(1000)[0], "a", 5)
    batch = run(service, parts[:2])
    assert len(batch.settled) == 2
    assert set(batch.parts) == {(TOPIC, "a", 0), (TOPIC, "a", 1)}


@pytest.mark.parametrize("made", [cut, by_fields])
@pytest.mark.parametrize("n_before", [1, 3, 4])
def test_a_restart_within_a_series_loses_and_doubles_nothing(
    tmp_path: Path, made: Any, n_before: int
) -> None:
    how, parts = RAW if made is cut else PARTS, made(noise(1200)[0], "a", 4)
    journal = Journal(tmp_path / "journal")
    journal.commit(run(pipeline(how), parts[:n_before]))
    kept = journal.streams(), journal.digests()
    config = configure(subscriptions=[{"topic": TOPIC_PATTERN, "payload": how}])
    second = Pipeline(rules(config), *kept, 0.0, journal.remembered())
    # What was settled may come again all the same.
    again = [
        replace(one, delivery=Delivery(9, one.delivery.key, True))
        for one in parts[:n_before]
    ]
    batch = run(second, [*again, *parts[n_before:]])
    journal.commit(batch)
    stream = journal.streams()["m/p"]
    assert stream.tail is not None
    assert stream.tail.shape == (1, 200)
    np.testing.assert_array_equal(stream.tail[0], noise(1200)[0][1000:])
    assert not journal.remembered().parts


def test_what_is_stored_goes_only_when_the_samples_are_stored(tmp_path: Path) -> None:
    """Killed in between, the first parts would be gone: their messages are settled."""
    parts = cut(noise(700)[0], "a", 4)
    service, journal = pipeline(), Journal(tmp_path / "journal")
    journal.commit(run(service, parts[:3]))
    journal.commit(run(service, parts[3:], with_tails=False))  # no window is whole
    assert len(journal.remembered().parts) == 3
    journal.commit(service.take_batch(True))
    assert not journal.remembered().parts
    assert journal.streams()["m/p"].tail is not None


def spoilt(part: Message, **changes: Any) -> Message:
    tree = json.loads(part.properties["__chunk"]) | changes
    return replace(part, properties={"__chunk": json.dumps(tree)})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"totalChunks": 10**9}, "bad_part"),
        ({"totalChunks": 0}, "bad_part"),
        ({"totalChunks": -1}, "bad_part"),
        ({"totalChunks": True}, "bad_part"),
        ({"totalChunks": 2.5}, "bad_part"),
        ({"chunkIndex": -1}, "bad_part"),
        ({"chunkIndex": 10**30}, "bad_part"),
        ({"chunkIndex": None}, "bad_part"),
        ({"messageId": None}, "bad_part"),
        ({"messageId": "x" * 200}, "bad_part"),
        ({"messageId": ["a"]}, "bad_part"),
    ],
)
def test_what_lies_is_refused(changes: dict[str, Any], reason: str) -> None:
    part = cut(noise(1000)[0], "a", 4)[0]
    batch = run(pipeline(), [spoilt(part, **changes)])
    assert [bad.reason for bad in batch.bad_payloads] == [reason]
    assert not batch.parts


def test_a_part_by_itself_is_no_payload() -> None:
    """As doctor and record would read it."""
    config = configure()
    part = cut(noise(1000)[0], "a", 4)[0]
    with pytest.raises(PayloadError, match="one part of a longer payload"):
        decode(part, DecoderSettings(config.subscriptions[0].payload, "m/p", config.sensor))


@pytest.mark.parametrize("text", ["", "{", "[" * 900, "[1]", "nonsense", '"a"', "1"])
def test_a_property_that_is_none_is_refused(text: str) -> None:
    batch = run(pipeline(), [message(bytes(8), 1, __chunk=text)])
    assert [bad.reason for bad in batch.bad_payloads] == ["bad_part"]


def test_two_totals_or_a_part_beyond_are_refused() -> None:
    parts = cut(noise(1000)[0], "a", 4)
    for other in (
        spoilt(parts[1], totalChunks=5),
        spoilt(parts[1], chunkIndex=5),
        spoilt(parts[1], chunkIndex=4),  # with part 0 there are five
        replace(spoilt(parts[0], totalChunks=4), payload=b"other"),
    ):
        batch = run(pipeline(), [parts[0], other])
        assert [bad.reason for bad in batch.bad_payloads] == ["bad_part"]


def test_a_wrong_checksum_is_refused_and_an_unknown_kind_is_not_looked_at() -> None:
    parts = cut(noise(1000)[0], "a", 4)
    batch = run(pipeline(), [spoilt(parts[0], checksum="0" * 64), *parts[1:]])
    assert [bad.reason for bad in batch.bad_payloads] == ["bad_checksum"]
    assert not batch.verdicts
    assert all(stored is None for stored in batch.parts.values())
    assert judged(run(pipeline(), [spoilt(parts[0], checksum="xyz"), *parts[1:]]))


def test_what_waits_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(series, "MAX_SERIES", 5)
    monkeypatch.setattr(series, "MAX_BYTES", 1000)
    service = pipeline()
    many = [
        part for at in range(50) for part in cut(noise(40)[0], f"s{at}", 2, first=at)[:1]
    ]
    batch = run(service, many)
    assert len(batch.bad_payloads) == 45
    assert sum(stored is not None for stored in batch.parts.values()) == 5
    large = [
        part for at in range(9) for part in cut(noise(150)[0], f"l{at}", 2, first=at)[:1]
    ]
    run(service, large)
    assert service._memory.series._n_bytes <= 1000
    assert run(service, cut(noise(900)[0], "z", 2)[:1]).bad_payloads
    assert not service._memory.series._n_bytes


def test_a_series_longer_than_a_payload_may_be_is_refused() -> None:
    config = configure(mqtt={"max_payload_bytes": 3000})
    batch = run(Pipeline(rules(config), {}, {}, 0.0), cut(noise(1000)[0], "a", 4))
    assert [bad.reason for bad in batch.bad_payloads] == ["too_large"]


def test_parts_that_do_not_fit_together_are_refused() -> None:
    trees = [
        {"id": 7, "idx": 0, "parts": 2, "samples": [1, 2], "sample_rate_hz": 2000},
        {"id": 7, "idx": 1, "parts": 2, "samples": [3, 4], "sample_rate_hz": 1999},
    ]
    sent = [message(json.dumps(tree).encode(), at + 1) for at, tree in enumerate(trees)]
    batch = run(pipeline(PARTS), sent)
    assert [bad.reason for bad in batch.bad_payloads] == ["bad_part"]


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"part_count": None}, "belong together"),
        ({"part_index": None, "part_count": None}, "series needs part_index"),
        ({"series": None}, "needs series, or sequence"),
        ({"parts": "."}, "cannot go with parts"),
    ],
)
def test_settings_that_cannot_work_are_refused(changes: dict[str, Any], rule: str) -> None:
    with pytest.raises(Exception, match=rule):
        pipeline(PARTS | changes)


def test_the_sequence_may_name_the_series() -> None:
    how = PARTS | {"series": None, "sequence": "id"}
    sent = [*by_fields(noise(1000)[0], 41, 3), *by_fields(noise(1000)[0], 42, 3, first=9)]
    batch = run(pipeline(how), sent)
    assert judged(batch) == [(0, Status.LEARNING), (1000, Status.LEARNING)]
    assert batch.streams[0].position.sequence == 42


@pytest.mark.parametrize(("n_bytes", "n_waiting"), [(1, 1000), (16 << 20, 4)])
def test_a_thousand_series_and_64_mib_wait(n_bytes: int, n_waiting: int) -> None:
    book, payload = series.SeriesBook({}, 1 << 30), bytes(n_bytes)
    for number in range(n_waiting + 1):
        assert not book.take_news().given_up
        book.add(Part(str(number), 0, 2), message(payload, number))
    ((oldest, _),) = book.take_news().given_up
    assert oldest.received_ns == START_NS


def one_part(topic: str, name: str) -> tuple[Part, Message]:
    """A series of one part alone."""
    return Part(name, 0, 1), Message(topic, name.encode(), START_NS)


def is_repeated(book: series.SeriesBook, topic: str, name: str) -> bool:
    """Whether the part of a series that was whole is known when it comes again."""
    book.take_news()
    whole = book.add(*one_part(topic, name))
    n_repeated = book.take_news().counters["series.repeated_parts"]
    assert n_repeated == (whole is None)
    return bool(n_repeated)


def test_the_last_series_of_a_thousand_topics_are_known_when_they_come_again() -> None:
    book = series.SeriesBook({}, 100)
    for number in range(1000):
        assert book.add(*one_part(f"t{number}", "a")) is not None
    assert is_repeated(book, "t0", "a")
    book.add(*one_part("t0", "b"))  # which makes it the newest
    assert not is_repeated(book, "t0", "a")
    book.add(*one_part("t1000", "a"))
    assert [is_repeated(book, f"t{n}", "a") for n in (0, 2, 999, 1)] == [
        True,
        True,
        True,
        False,
    ]


def test_a_part_that_comes_twice_while_others_are_missing_is_counted_once() -> None:
    book = series.SeriesBook({}, 100)
    for _ in range(3):
        assert book.add(Part("a", 0, 2), message(b"x", 1)) is None
    counters = book.take_news().counters
    assert (counters["series.parts"], counters["series.repeated_parts"]) == (1, 2)


def test_a_part_that_makes_a_series_too_long_is_not_kept() -> None:
    book = series.SeriesBook({}, 30)
    for index in range(3):
        book.add(Part("a", index, 4), message(bytes(10), index))
    with pytest.raises(PayloadError, match=r"has 40 bytes, at most 30"):
        book.add(Part("a", 3, 4), message(bytes(10), 3))
    assert len(book.take_news().parts) == 3
    assert book.take_whole() is None


def test_an_older_series_of_the_same_topic_may_still_wait() -> None:
    book = series.SeriesBook({}, 30)
    book.add(Part("older", 0, 2), message(b"x", 1))
    book.add(Part("b", 0, 2), message(b"x", 2))
    book.add(Part("younger", 0, 2), message(b"x", 2))
    found = book.add(Part("b", 1, 2), message(b"y", 3))
    assert found is not None
    assert found.follows_incomplete
    found = book.add(Part("older", 1, 2), message(b"y", 4))
    assert found is not None
    assert not found.follows_incomplete
    other = book.add(*one_part("elsewhere", "c"))
    assert other is not None
    assert not other.follows_incomplete
