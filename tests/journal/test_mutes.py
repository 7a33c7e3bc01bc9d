"""A mute has an end, an author and a reason; it holds until then and not a moment longer."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.journal.mutes import Mute, MuteStore
from monitor.journal.views import JournalViews
from monitor.journal.writer import Journal
from monitor.records.batch import Batch, Event
from monitor.records.notes import LONGEST_NS, NoteError, check_mute

SENSOR, S = "mill-2/spindle", 10**9


@pytest.fixture
def store(tmp_path: Path) -> Iterator[MuteStore]:
    Journal(tmp_path / "journal").close()
    found = MuteStore(tmp_path / "journal")
    yield found
    found.close()


def mute(at_s: int, until_s: int, author: str = "Ann") -> Mute:
    return Mute(SENSOR, at_s * S, until_s * S, author, "test runs")


def test_it_holds_from_its_beginning_to_its_end(store: MuteStore) -> None:
    store.mute(mute(10, 20), "then")
    held = [second for second in range(30) if SENSOR in store.standing(second * S)]
    assert held == list(range(10, 20))


def test_a_second_mute_replaces_the_first(store: MuteStore) -> None:
    store.mute(mute(10, 20), "then")
    store.mute(mute(12, 15, "Bob"), "sooner")
    assert store.standing(13 * S)[SENSOR].author == "Bob"
    assert store.standing(16 * S) == {}


def test_an_end_before_its_time_is_on_record(store: MuteStore, tmp_path: Path) -> None:
    store.mute(mute(10, 20), "then")
    assert store.unmute(SENSOR, "Bob", 12 * S)
    assert not store.unmute(SENSOR, "Bob", 13 * S)
    views = JournalViews(tmp_path / "journal")
    assert [(event.kind, event.text) for event in views.new_events(0, 9)] == [
        ("muted", "muted until then by Ann: test runs"),
        ("unmuted", "unmuted by Bob"),
    ]
    assert views.mutes(13 * S) == {}
    views.close()


def test_a_journal_of_before_mutes_has_none(tmp_path: Path) -> None:
    Journal(tmp_path / "journal").close()
    link = sqlite3.connect(tmp_path / "journal")
    link.execute("DROP TABLE mute")
    link.close()
    views = JournalViews(tmp_path / "journal")
    assert views.mutes(0) == {}
    views.close()


@pytest.mark.parametrize(
    ("author", "reason", "until_ns", "sentence"),
    [
        ("Ann", "tests", None, "A mute without an end is refused"),
        ("Ann", "tests", 10 * S, "must lie in the future"),
        ("Ann", "tests", 11 * S + LONGEST_NS, "within 90 days"),
        ("", "tests", 20 * S, "The name is missing"),
        ("Ann", "", 20 * S, "The reason is missing"),
    ],
)
def test_what_is_refused(
    author: str, reason: str, until_ns: int | None, sentence: str
) -> None:
    with pytest.raises(NoteError, match=sentence):
        check_mute(author, reason, until_ns, 10 * S)


# -- alarms that stay until somebody has seen them ------------------------------------------------

STEPS = st.lists(st.sampled_from(["raised", "cleared", "acknowledged"]), max_size=12)


@given(steps=STEPS)
def test_an_alarm_stays_until_it_is_acknowledged(
    steps: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever order a detector and a person act in, it is told as they would tell it."""
    path = tmp_path_factory.mktemp("alarms") / "journal"
    journal, stands, seen, first = Journal(path), False, True, 0
    for at_s, step in enumerate(steps, start=1):
        if (step == "raised") == stands and step != "acknowledged":
            continue
        if step == "acknowledged" and seen:
            continue
        journal.commit(Batch(events=[Event(at_s * S, SENSOR, f"alarm_{step}")]))
        if step == "acknowledged":
            seen = True
        else:
            stands = step == "raised"
        if step == "raised":
            first = at_s if seen else first
            seen = False
    views = JournalViews(path)
    story = views.alarm_stories().get(SENSOR)
    views.close()
    journal.close()
    if first == 0:
        assert story is None
        return
    assert story is not None
    expected = {(True, False): "raised", (True, True): "acknowledged"}
    expected |= {(False, False): "unseen", (False, True): "clear"}
    assert story.state == expected[stands, seen]
    if not seen:
        assert story.first.at_ns == first * S
