"""Each point's state as the service reports it, by the host's clock."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.health import ALL_POINTS_S, PointStates
from monitor.journal.cursors import Cursor, HealthFigures
from monitor.journal.reader import JournalReader
from monitor.journal.writer import Journal
from monitor.outputs.influx.rows import lines_for
from monitor.records.verdict import Status
from tests.servers.strict_line_protocol import parse
from tests.verdicts import make_verdict

states = st.tuples(st.sampled_from("abc"), st.sampled_from(Status), st.booleans())


@given(
    turns=st.lists(st.lists(states, max_size=4), max_size=12),
    step_s=st.floats(0.1, 2 * ALL_POINTS_S),
)
def test_the_reports_add_up_to_the_newest_state_of_each_point(
    turns: list[list[tuple[str, Status, bool]]], step_s: float
) -> None:
    points, newest = PointStates({"a": True}), {"a": ("", True)}
    told: dict[str, tuple[str, bool]] = {}
    for turn, verdicts in enumerate(turns):
        for sensor, status, alarm in verdicts:
            word = "raised" if alarm else "clear"
            points.note([make_verdict(sensor=sensor, status=status, alarm=word)])
            newest[sensor] = (status.value, alarm)
        report = points.report(turn * step_s)
        told |= report
        assert told == newest
        if step_s >= ALL_POINTS_S or turn == 0:
            assert report == newest


def test_an_alarm_that_stood_before_a_start_is_reported_at_once() -> None:
    points = PointStates({"m/p": True, "m/q": False})
    assert points.report(7.3) == {"m/p": ("", True), "m/q": ("", False)}
    assert points.report(17.3) == {}
    assert points.report(7.3 + ALL_POINTS_S) == {"m/p": ("", True), "m/q": ("", False)}


@pytest.mark.parametrize(
    ("state", "fields"),
    [(("NO_DATA", True), {"alarm": 1, "severity": 4}), (("", False), {"alarm": 0})],
)
def test_states_go_from_the_journal_to_influxdb_and_nowhere_else(
    tmp_path: Path, state: tuple[str, bool], fields: dict[str, int]
) -> None:
    path = tmp_path / "journal"
    Journal(path).store_health(
        1_700_000_000_123_600_417, {"uptime_s": 1.0}, {"m 1/p": state}
    )
    reported = JournalReader(path).health()
    assert reported == (1_700_000_000_123_600_417, {"uptime_s": 1.0})
    (row,) = Cursor(path, "influx", ("health",)).pending(9)
    assert isinstance(row.content, HealthFigures)
    health, point = parse("\n".join(lines_for("plant-1", "all")(row)))
    assert (health.measurement, health.fields) == ("monitor_health", {"uptime_s": 1.0})
    assert (point.measurement, point.fields) == ("monitor_point", fields)
    assert point.tags == {"machine": "m 1", "point": "p"}
    assert point.time_ns == 1_700_000_000_123_600_417
