"""Alarms of a muted point wait; what still stands at the end is told then."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from monitor.config_outputs import WebhookSettings
from monitor.journal.cursors import Cursor
from monitor.journal.mutes import Mute, MuteStore
from monitor.journal.views import JournalViews
from monitor.journal.writer import Journal
from monitor.outputs.alarm_topics import AlarmTopics
from monitor.outputs.notices import NoticeRules
from monitor.outputs.runner import Runner
from monitor.outputs.webhook import Webhook, cursor_name
from monitor.records.batch import Batch, Event

SENSOR, S = "mill-2/spindle", 10**9
FIRST_S, LAST_S = 20, 60  # of the mute


class Told(Webhook):
    """Keeps what it would have sent."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.sent: list[dict[str, Any]] = []

    def _post(self, tree: dict[str, Any]) -> tuple[int, str]:
        self.sent.append(tree)
        return 200, ""


def run(
    path: Path, at_s: dict[int, str], unmute_s: int | None = None
) -> list[tuple[int, str]]:
    """When a webhook is told what, of a point whose alarm changes at these times."""
    journal = Journal(path)
    settings = WebhookSettings(name="chat", url="http://127.0.0.1:9/")
    cursor = Cursor(path, cursor_name(settings), Webhook.kinds, from_start=False)
    hook = Told(settings, cursor, NoticeRules("plant-1", 0.0))
    runner, mutes, told = Runner(hook, cursor), MuteStore(path), []
    for second in range(100):
        if second == FIRST_S:
            mutes.mute(Mute(SENSOR, FIRST_S * S, LAST_S * S, "Ann", "tests"), "then")
        if second == unmute_s:
            mutes.unmute(SENSOR, "Ann", second * S)
        if second in at_s:
            journal.commit(
                Batch(events=[Event(second * S, SENSOR, f"alarm_{at_s[second]}")])
            )
        while runner.step(float(second), second * S) == 0:
            pass
        told += [(second, tree["state"]) for tree in hook.sent]
        hook.sent.clear()
    for one in (mutes, hook, cursor, journal):
        one.close()
    return told


def test_what_stands_at_the_end_is_told_then(tmp_path: Path) -> None:
    assert run(tmp_path / "j", {30: "raised"}) == [(LAST_S, "raised")]


def test_what_has_cleared_is_not_told(tmp_path: Path) -> None:
    assert run(tmp_path / "j", {30: "raised", 40: "cleared"}) == []


def test_an_early_end_tells_at_once(tmp_path: Path) -> None:
    assert run(tmp_path / "j", {30: "raised"}, unmute_s=45) == [(45, "raised")]


@given(times=st.lists(st.integers(1, 99), unique=True, max_size=6))
def test_nothing_is_told_in_a_mute_and_the_last_word_is_right(
    times: list[int], tmp_path_factory: Any
) -> None:
    states = ["raised" if index % 2 == 0 else "cleared" for index in range(len(times))]
    at_s = dict(zip(sorted(times), states, strict=True))
    told = run(tmp_path_factory.mktemp("mutes") / "j", at_s)
    assert not [second for second, _ in told if FIRST_S <= second < LAST_S]
    last = told[-1][1] if told else "cleared"
    assert last == (states[-1] if states else "cleared")


def test_the_topic_of_a_muted_point_keeps_what_was_told(tmp_path: Path) -> None:
    path, said = tmp_path / "j", []
    journal = Journal(path)

    def publish(_topic: str, payload: str, _retain: bool) -> bool:
        said.append(json.loads(payload)["state"])
        return True

    topics = AlarmTopics("plant-1", JournalViews(path), publish, lambda: 1)
    cursor = Cursor(path, topics.name, topics.kinds, topics.from_start)
    runner, mutes = Runner(topics, cursor), MuteStore(path)
    mutes.mute(Mute(SENSOR, 0, LAST_S * S, "Ann", "tests"), "then")
    journal.commit(Batch(events=[Event(30 * S, SENSOR, "alarm_raised")]))
    for second in (30, 59):
        while runner.step(float(second), second * S) == 0:
            pass
    assert said == []
    while runner.step(60.0, LAST_S * S) == 0:
        pass
    assert said == ["raised"]
    for one in (mutes, topics, cursor, journal):
        one.close()
