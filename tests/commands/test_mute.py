"""camshaft mute and unmute, and what status says of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.cli import main
from monitor.journal.writer import Journal
from monitor.records.batch import Batch
from tests.page_stage import verdict, write_config

NAMED = ["--author", "Ann", "--reason", "test runs"]


@pytest.fixture
def config(tmp_path: Path) -> str:
    journal = Journal(tmp_path / "camshaft.journal")
    rows = [
        verdict(name, 0, 10**18, False) for name in ("mill-1/a", "mill-1/b", "pump-3/a")
    ]
    journal.commit(Batch(verdicts=rows))
    journal.close()
    return str(write_config(tmp_path))


def test_a_mute_by_pattern_is_seen_and_ended(
    config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["mute", "mill-1/*", "--for", "4h", *NAMED, "-c", config]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [
        "mill-1/a",
        "mill-1/b",
    ]
    main(["status", "-c", config])
    assert capsys.readouterr().out.count("; muted until ") == 2
    assert main(["unmute", "mill-1/a", "--author", "Bob", "-c", config]) == 0
    assert main(["unmute", "mill-1/a", "--author", "Bob", "-c", config]) == 1
    main(["status", "-c", config])
    assert capsys.readouterr().out.count("; muted until ") == 1


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ([*NAMED], "A mute without an end is refused"),
        (
            [*NAMED, "--for", "4 years"],
            "--for '4 years': must be a whole number and a unit",
        ),
        ([*NAMED, "--until", "yesterday"], "must lie in the future"),
        ([*NAMED, "--until", "noon"], "--until 'noon': must be a time"),
        ([*NAMED, "--for", "1h", "--until", "2099-01-01"], "give one of them"),
        (["--for", "1h", "--reason", "x"], "The name is missing"),
        (["--for", "1h", "--author", "Ann"], "The reason is missing"),
    ],
)
def test_what_is_refused(
    config: str, more: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["mute", "mill-1/a", *more, "-c", config]) == 2
    assert sentence in capsys.readouterr().err


def test_a_sensor_that_is_not_there(
    config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["mute", "mill-9/a", "--for", "1h", *NAMED, "-c", config]) == 2
    assert "the journal knows no such sensor" in capsys.readouterr().err
