"""Several journals of one machine on the command line: a Kafka member's partitions, and those that
page.instances names.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from monitor.cli import main
from monitor.config_file import load_config
from monitor.instances import local_instances
from monitor.journal.writer import Journal
from monitor.records.batch import Batch
from monitor.settings import ConfigError
from tests.page_stage import SECOND_NS, verdict

MEMBER = "source: kafka\nkafka: {brokers: ['h:1'], topic: t, group: g}\n"
COMMON = (
    "instance: mill\nsubscriptions: [{topic: 'v/{machine}/{point}', payload: {format: raw}}]\n"
    "sensors: [{sample_rate_hz: 12800}]\njournal: {path: camshaft.journal}\n"
)


def write(folder: Path, more: str) -> Path:
    path = folder / "camshaft.yaml"
    path.write_text(COMMON + more)
    return path


def fill(path: Path, newest_ago_s: dict[str, int], n: int = 3) -> None:
    batch, now_ns = Batch(), time.time_ns()
    for sensor, ago_s in newest_ago_s.items():
        start_ns = now_ns - (ago_s + n) * SECOND_NS
        batch.verdicts += [verdict(sensor, i, start_ns, False) for i in range(n)]
    journal = Journal(path)
    journal.commit(batch)
    journal.close()


@pytest.fixture
def member(tmp_path: Path) -> Path:
    """Partition 10 has moved here; what partition 2 has of m/b is old."""
    fill(tmp_path / "camshaft-2.journal", {"m/a": 1, "m/b": 900})
    fill(tmp_path / "camshaft-10.journal", {"m/b": 2, "m/c": 1})
    for name in ("camshaft-x.journal", "camshaft-03.journal", "other-4.journal"):
        (tmp_path / name).write_text("no partition's")
    return write(tmp_path, MEMBER)


def test_a_member_has_the_journals_that_lie_in_its_folder(member: Path) -> None:
    found = local_instances(load_config(member))
    assert [one.name for one in found] == ["mill-2", "mill-10"]
    assert [one.path.name for one in found] == ["camshaft-2.journal", "camshaft-10.journal"]
    assert [one.config.kafka and one.config.kafka.partition for one in found] == [2, 10]


def test_one_journal_is_one_instance(tmp_path: Path) -> None:
    fill(tmp_path / "camshaft-2.journal", {"m/a": 1})
    partition = MEMBER.replace("group: g", "group: g, partition: 4")
    for more in ("", MEMBER.replace("kafka\n", "mqtt\n"), partition):
        (found,) = local_instances(load_config(write(tmp_path, more)))
        assert (found.name, found.path.name) == ("", "camshaft.journal")
    (tmp_path / "empty").mkdir()
    (none_yet,) = local_instances(load_config(write(tmp_path / "empty", MEMBER)))
    assert none_yet.path.name == "camshaft.journal"


def test_status_has_each_sensor_once(
    member: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", "-c", str(member), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    of = {name: word["instance"] for name, word in found["sensors"].items()}
    assert of == {"m/a": "mill-2", "m/b": "mill-10", "m/c": "mill-10"}
    assert found["sensors"]["m/b"]["age_s"] < 800
    assert set(found["instances"]) == {"mill-2", "mill-10"}
    assert main(["status", "-c", str(member)]) == 0
    text = capsys.readouterr().out
    assert text.count("the books close") == 2
    assert text.count("m/b ") == 1
    assert text.index("m/a ") < text.index("m/b ") < text.index("m/c ")


def test_a_journal_that_cannot_be_read_hides_no_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(tmp_path / "camshaft.journal", {"m/a": 1})
    config = write(tmp_path, "page: {instances: [{name: annex, journal: gone.journal}]}\n")
    assert main(["status", "-c", str(config)]) == 1
    text = capsys.readouterr().out
    assert "m/a " in text
    assert "gone.journal" in text


def test_a_report_is_of_the_instance_that_has_the_windows(
    member: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for span, instance in ((["--from", "-5min"], "mill-10"), (OLD, "mill-2")):
        words = ["report", "-c", str(member), "--point", "m/b", *span]
        assert main([*words, "--out", str(tmp_path / "r.html")]) == 0
        assert f"by Camshaft ({instance})" in (tmp_path / "r.html").read_text("utf-8")
    assert "3 windows of m/b" in capsys.readouterr().out


OLD = ["--from", "-20min", "--to", "-10min"]


@pytest.mark.parametrize(
    ("instances", "rule"),
    [
        ("{name: mill-3, journal: j}]}\n" + MEMBER + "#", "configuration's own instance"),
        ("{name: a}", "must name either a journal or the url of a page"),
        ("{name: a, journal: j, url: 'https://h/'}", "must name either"),
        ("{name: a, url: 'https://h/'}", "url and token belong together"),
        ("{name: a, url: 'http://h/', token: {env: T}}", "must begin with https://"),
        (
            "{name: a, url: 'https://h/?x', token: {env: T}}",
            "must end with the page's path",
        ),
        ("{name: a, url: 'https://u:p@h/', token: {env: T}}", "no user and password"),
        ("{name: a, journal: j, tls: {}}", "tls is for a url"),
        ("{name: .., journal: j}", "page.instances"),
        ("{name: mill, journal: j}", "is the name of the configuration's own instance"),
        ("{name: a, journal: j}, {name: a, journal: k}", "each name may stand once only"),
    ],
)
def test_what_cannot_be_shown_is_refused(instances: str, rule: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        load_config(write(tmp_path, f"page: {{instances: [{instances}]}}\n"))
    assert rule in str(refused.value)
