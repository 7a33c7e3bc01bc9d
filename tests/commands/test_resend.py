"""`camshaft status --parked`, `camshaft resend` and doctor's word on refused rows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from monitor.cli import main
from monitor.commands.doctor import check_refused
from monitor.config_file import load_config
from monitor.journal.cursors import Cursor
from monitor.journal.views import JournalViews
from monitor.journal.writer import Journal
from monitor.outputs.base import Step
from monitor.records.batch import Batch
from tests.page_stage import write_config
from tests.verdicts import make_verdict

WHY = '422 input field "logit" is type float, already exists as type integer'


class Plant:
    """Seven verdicts, of which the database called "plant" refused three."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.config = write_config(folder)
        self._capsys = capsys
        self.databases("plant")
        path = load_config(self.config).journal.path
        Journal(path).commit(Batch(verdicts=[make_verdict(number) for number in range(7)]))
        cursor = Cursor(path, "plant", ("verdict",))
        rows = cursor.pending(99)
        refused = {row.key: WHY for row in rows if row.row_id in (2, 3, 6)}
        accepted = [row.key for row in rows if row.key not in refused]
        cursor.settle(Step(accepted=accepted, rejected=refused), 1)
        self.waiting = cursor

    def databases(self, *names: str) -> None:
        tree = yaml.safe_load(self.config.read_text())
        tree["influx"] = [
            {"name": name, "url": "http://127.0.0.1:9", "bucket": "b"} for name in names
        ]
        self.config.write_text(yaml.safe_dump(tree))

    def run(self, name: str, *arguments: str) -> tuple[int, str, str]:
        code = main([name, "-c", str(self.config), *arguments])
        return code, *self._capsys.readouterr()


@pytest.fixture
def plant(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Plant:
    monkeypatch.setenv("LOGNAME", "kim")
    return Plant(tmp_path, capsys)


def test_status_lists_refused_rows_by_reason(plant: Plant) -> None:
    code, said, _ = plant.run("status", "--parked")
    assert code == 0
    assert said.startswith("plant: 3 verdict rows refused, 2023-11-14 ")
    assert WHY in said
    assert "camshaft resend --parked" in said
    (row,) = json.loads(plant.run("status", "--parked", "--json")[1])["parked"]
    assert (row["output"], row["kind"], row["n_rows"], row["reason"]) == (
        "plant",
        "verdict",
        3,
        WHY,
    )


def test_refused_rows_are_ordered_once_the_preview_is_read(plant: Plant) -> None:
    code, said, _ = plant.run("resend", "--parked", "--preview")
    assert code == 0
    assert said.startswith(
        "plant would get 3 verdict rows (3 of them refused before) again, of "
    )
    assert not plant.waiting.pending(9)
    code, said, _ = plant.run("resend", "--parked")
    assert code == 0
    assert "plant gets 3 verdict rows" in said
    # a quarter of a batch
    assert [row.row_id for row in plant.waiting.pending(9)] == [2, 3]
    (event,) = JournalViews(load_config(plant.config).journal.path).events_back(None, 9)
    assert event.text.endswith("asked for by kim")
    assert "3 rows are still to be sent to plant again" in plant.run("status")[1]


@pytest.mark.parametrize(
    ("names", "line", "sentence"),
    [
        (["plant", "b"], ["--parked"], "--output is missing: name one of plant, b."),
        (
            [],
            ["--parked"],
            "No InfluxDB is configured: there is nowhere to send rows again.",
        ),
        (
            ["plant"],
            ["--output", "webhook.x", "--parked"],
            "must be an InfluxDB, one of plant.",
        ),
        (
            ["plant"],
            [],
            "--from is missing: name a span of time, or --parked for refused rows.",
        ),
        (["plant"], ["--from", "-1h"], "plant: no row of this span is to be sent again."),
        (
            ["plant"],
            ["--from", "-1h", "--to", "-2h"],
            "the end must come after the beginning.",
        ),
        (["plant"], ["--from", "24.11."], "must be a time: ISO 8601"),
        (["new"], ["--parked"], "output 'new': the journal knows no such output"),
        (["plant"], ["--parked", "--author", "x" * 81], "author has 81 characters"),
    ],
)
def test_what_cannot_be_sent_again_is_one_sentence(
    plant: Plant, names: list[str], line: list[str], sentence: str
) -> None:
    plant.databases(*names)
    code, said, error = plant.run("resend", *line)
    assert (code, said) == (2, "")
    assert sentence in error
    assert error.count("\n") == 1


def test_doctor_mentions_refused_rows(plant: Plant) -> None:
    (finding,) = check_refused(load_config(plant.config))
    assert finding.state == "warning"
    assert "plant has refused 3 row(s) so far, most of them with: 422" in finding.text
    assert "camshaft status --parked" in finding.hint
    plant.databases("other")
    assert not list(check_refused(load_config(plant.config)))
