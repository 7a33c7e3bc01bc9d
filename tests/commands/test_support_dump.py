"""What a bug report gets, and what it must never get: secrets are planted everywhere."""

from __future__ import annotations

import json
import stat
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitor.cli import main
from monitor.journal.writer import Journal
from monitor.page import users
from monitor.page.people import Role
from monitor.records.batch import BadPayload, Batch, Event
from tests.page_stage import SECOND_NS, fill

START_NS = 1_764_000_000 * SECOND_NS


class Secrets:
    """Words that nothing else holds; each knows where it was planted."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self._folder, self._patch = folder, patch
        self.planted: dict[str, str] = {}

    def word(self, where: str) -> str:
        word = f"S3CRET{len(self.planted):02d}zyxwvutsrqponml"
        self.planted[word] = where
        return word

    def file(self, where: str, text: str = "{}") -> dict[str, str]:
        path = self._folder / where
        path.write_text(text.format(self.word(where)) + "\n")
        return {"file": str(path)}

    def env(self, where: str) -> dict[str, str]:
        self._patch.setenv(where, self.word(where))
        return {"env": where}


def configuration(folder: Path, secrets: Secrets) -> dict[str, Any]:
    hashed = users.hash_password("correct horse")
    secrets.planted[hashed.rpartition("$")[2]] = "the hash of a user's password"
    (folder / "users").write_text(users.User("Ann", Role.ADMIN, hashed).line + "\n")
    hook = {"name": "chat", "url": f"https://chat.example/hooks/{secrets.word('url path')}"}
    hook["url"] += f"?key={secrets.word('url query')}"
    return {
        "mqtt": {
            "host": "broker.example",
            "username": secrets.word("mqtt.username"),
            "password": secrets.file("mqtt.password"),
        },
        "subscriptions": [{"topic": "v/{machine}/{point}", "payload": {"format": "raw"}}],
        "sensors": [{"sample_rate_hz": 12800}],
        "journal": {"path": "journal"},
        "influx": {
            "url": f"http://influx.example:8086/{secrets.word('influx path')}",
            "bucket": "b",
            "token": secrets.env("INFLUX_TOKEN"),
        },
        "notifications": {
            "webhooks": [
                {
                    **hook,
                    "authorization": secrets.file("authorization", "Bearer {}"),
                    "fields": {"chat_id": secrets.word("fields")},
                },
                {
                    "name": "pager",
                    "url": "https://events.example/v2",
                    "template": "pagerduty",
                    "routing_key": secrets.file("pagerduty"),
                },
            ],
            "mails": [
                {
                    "name": "m",
                    "host": "mail.example",
                    "username": secrets.word("mail.username"),
                    "password": secrets.file("mail.password"),
                    "sender": f"{secrets.word('sender')}@plant.example",
                    "to": [f"{secrets.word('to')}@plant.example"],
                }
            ],
        },
        "page": {
            "password": secrets.file("page.password"),
            "users": {"file": str(folder / "users")},
            "tokens": [{"name": "scada", "token": secrets.file("scada")}],
        },
    }


def leak(journal: Path, words: list[str]) -> None:
    """The worst case: somebody's text holds them."""
    found = Journal(journal)
    for word in words:
        found.commit(
            Batch(events=[Event(START_NS, "m/p", "label", f"the password is {word}!")])
        )
    found.store_health(START_NS, {"delivery_trouble": f"refused {' '.join(words)}"})
    found.commit(
        Batch(
            bad_payloads=[
                BadPayload(START_NS, "v/m/p", "not_json", "Detail.", 4, b"\x00\xffab")
            ]
        )
    )
    found.close()


def members(path: Path) -> dict[str, str]:
    with tarfile.open(path) as tar:
        return {
            member.name.rpartition("/")[2].removesuffix(".json"): (
                tar.extractfile(member) or path.open("rb")
            )
            .read()
            .decode()
            for member in tar.getmembers()
        }


def dump(folder: Path, tree: dict[str, Any]) -> tuple[int, Path]:
    (folder / "camshaft.yaml").write_text(yaml.safe_dump(tree))
    out = folder / "support.tar.gz"
    return main(["support-dump", "-c", str(folder / "camshaft.yaml"), str(out)]), out


def test_no_secret_is_in_it_wherever_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    secrets = Secrets(tmp_path, monkeypatch)
    tree = configuration(tmp_path, secrets)
    fill(tmp_path / "journal", n_windows=3, start_ns=START_NS)
    # names, not secrets
    shown_nowhere_else = {"mqtt.username", "mail.username", "sender", "to"}
    read = [
        word for word, where in secrets.planted.items() if where not in shown_nowhere_else
    ]
    leak(tmp_path / "journal", read)
    code, out = dump(tmp_path, tree)
    assert code == 0
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    parts = members(out)
    everything = "\n".join(parts.values()) + capsys.readouterr().out
    assert {where for word, where in secrets.planted.items() if word in everything} == set()
    assert len(secrets.planted) == 16
    assert "the password is ***!" in parts["events"]


def test_what_a_bug_report_needs_is_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = configuration(tmp_path, Secrets(tmp_path, monkeypatch))
    fill(tmp_path / "journal", n_windows=3, start_ns=START_NS)
    leak(tmp_path / "journal", [])
    _, out = dump(tmp_path, tree)
    parts = {name: json.loads(text) for name, text in members(out).items()}
    assert parts["versions"]["camshaft"]
    assert "numpy" in parts["versions"]["packages"]
    assert parts["configuration"]["sensors"][0]["sample_rate_hz"] == 12800
    assert parts["configuration"]["influx"][0]["url"] == "http://influx.example:8086/***"
    assert parts["configuration"]["mqtt"]["password"] == {"file": "***"}
    assert parts["bad_payloads"][0]["head"] == "00ff6162"
    assert "samples" in parts["status"]
    assert parts["health"][0]["delivery_trouble"] == "refused "
    assert {event["kind"] for event in parts["events"]} == {"silent"}
    assert parts["journal"]["bytes"]["journal"] > 0


def test_without_a_journal_it_says_so_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out = dump(tmp_path, configuration(tmp_path, Secrets(tmp_path, monkeypatch)))
    parts = members(out)
    assert code == 0
    assert "there is no such file; has the service run yet?" in parts["status"]
    assert not (tmp_path / "journal").exists()


def test_a_configuration_with_a_secret_in_the_wrong_place_is_not_copied(
    tmp_path: Path,
) -> None:
    code, out = dump(tmp_path, {"mqtt": {"username": "u", "password": "hunter2-hunter2"}})
    assert code == 0
    everything = "\n".join(members(out).values())
    assert "mqtt.password" in everything
    assert "hunter2" not in everything


def test_a_place_that_cannot_be_written_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "camshaft.yaml").write_text("{}")
    words = [
        "support-dump",
        "-c",
        str(tmp_path / "camshaft.yaml"),
        str(tmp_path / "no" / "f"),
    ]
    assert main(words) == 2
    assert "there is no folder" in capsys.readouterr().err
