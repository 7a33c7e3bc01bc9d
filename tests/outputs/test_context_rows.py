"""What was told of speed and tool, from messages through the journal to a real InfluxDB."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from monitor.journal.cursors import Cursor
from monitor.journal.reader import JournalReader
from monitor.journal.writer import Journal
from monitor.outputs.influx.rows import lines_for
from monitor.records.verdict import Verdict
from tests.outputs.influx_sending import InfluxSender, MemoryOutbox, drain, row_of
from tests.pipeline.test_context import SPEED, run, said, service, window
from tests.servers.influx import InfluxDatabase
from tests.servers.influx_standin import Fault, InfluxStandIn

TOOL = {"name": "tool", "topic": "plant/{machine}/tool", "valid_s": 3600}
SENT = [
    window(0),
    said("plant/m/speed", "1480", 1),
    said("plant/m/tool", "T4", 1),
    window(2),
    said("plant/m/tool", "7", 3),
    window(4),
]
TOLD = [{}, {"speed_rpm": 1480.0, "tool": "T4"}, {"speed_rpm": 1480.0, "tool": 7.0}]


def journal_of(path: Path) -> None:
    Journal(path).commit(run(service(SPEED, TOOL), SENT))


def test_the_database_has_what_was_told_with_each_window(
    influx_standin: InfluxStandIn, influxdb: InfluxDatabase, tmp_path: Path
) -> None:
    """Through lost and refused answers; a row that is sent twice is there once."""
    path = tmp_path / "journal"
    journal_of(path)
    influx_standin.faults.extend([Fault("answer", 503), Fault("lose_answer")])
    sender = InfluxSender(influx_standin.settings(tmp_path, batch_rows=2))
    pending, lines_of = (
        Cursor(path, "influx", ("verdict",)).pending(10),
        lines_for("x", "all"),
    )
    rows = [row_of("verdict", k, lines_of(one)) for k, one in enumerate(pending)]
    drain(sender, MemoryOutbox(rows))
    sender.close()
    query = 'SELECT "speed_rpm", "tool", "tool.word" FROM vibration_context'
    (found,) = influxdb.query(query)
    assert [values[1:] for values in found.values] == [
        [1480.0, None, "T4"],
        [1480.0, 7.0, None],
    ]
    stored = JournalReader(path).rows()
    ends_ns = [row.verdict.end_ns for row in stored if row.verdict.n_samples]
    assert [values[0] for values in found.values] == ends_ns[1:]


def test_outputs_get_the_context_of_each_window(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal_of(path)
    rows = Cursor(path, "influx", ("verdict",)).pending(10)
    contents = [row.content for row in rows]
    assert [
        dict(one.context) for one in contents if isinstance(one, Verdict) and one.n_samples
    ] == TOLD


def test_a_journal_without_the_table_has_none(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal_of(path)
    link = sqlite3.connect(path)
    link.execute("DROP TABLE window_context")
    link.commit()
    assert JournalReader(path).context([1, 2, 3]) == {}
