"""camshaft status says what an output is in trouble with, and its exit code does."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.cli import main
from monitor.commands.status import summary
from monitor.commands.status_text import render
from monitor.config_file import write_yaml
from monitor.journal.reader import JournalReader
from monitor.journal.writer import Journal
from monitor.outputs.base import Step
from monitor.outputs.runner import Runner, delivery_fields
from monitor.records.batch import BadPayload, Batch, Event
from monitor.records.verdict import Status
from tests.verdicts import make_verdict

TROUBLE = "InfluxDB answered 401 unauthorized access. Rows wait in the journal."
LEFT_OUT = "InfluxDB refuses, and is no longer sent: field logit of vibration_verdict."


class Output:
    """Is given its steps."""

    name = title = "InfluxDB"
    kinds = ("verdict",)
    from_start = True
    batch_rows = 10
    rejection = "{row_id} {reason}"
    log_period_s = 60.0

    def __init__(self, *steps: Step) -> None:
        self.steps = list(steps)

    def step(self, rows: object, now_ns: int) -> Step:
        return self.steps.pop(0)

    def close(self) -> None:
        """Nothing is open."""


class Nothing:
    def pending(self, limit: int) -> list[object]:
        return []

    def settle(self, fates: object, at_ns: int) -> None:
        """Nothing waits."""


def test_trouble_and_what_is_left_out_are_figures_of_the_service() -> None:
    output = Output(
        Step(accepted=[("verdict", 1)], n_left_out=3, left_out=LEFT_OUT),
        Step(accepted=[("verdict", 2)], n_left_out=4, left_out=LEFT_OUT),
        Step(trouble=TROUBLE),
        Step(accepted=[("verdict", 3)]),
    )
    runner = Runner(output, Nothing(), jitter=lambda: 1.0)  # type: ignore[arg-type]
    found = []
    for now_s in range(4):
        runner.step(60.0 * now_s, 0)
        found.append(tuple(delivery_fields([runner]).values()))
    assert found == [(3, LEFT_OUT), (7, LEFT_OUT), (7, f"{TROUBLE} {LEFT_OUT}"), (7, "")]


def test_what_is_wrong_with_a_sensor_is_said_beside_it(tmp_path: Path) -> None:
    """Cases d29-odr-off and d31-snapshot-too-short: the word stood in no column, or nothing did."""
    journal = Journal(tmp_path / "journal")
    now_ns = 1_800_000_000_000_000_000
    bad = make_verdict(0, "a/p", status=Status.BAD_DATA, reason="rate_mismatch")
    batch = Batch(verdicts=[bad, make_verdict(0, "b/p"), make_verdict(0, "d/p")])
    batch.books["c/p", "received", ""] = batch.books["c/p", "dropped", "segment_end"] = 512
    long_ago_ns = now_ns - 3 * 86_400 * 10**9
    batch.events += [
        Event(long_ago_ns, "a/p", "rate_wrong", "runs at 1040 Hz"),
        Event(long_ago_ns, "b/p", "clock_wrong", "no longer so"),
        Event(long_ago_ns, "c/p", "snapshot_too_short", "never judged"),
        Event(now_ns - 10**9, "d/p", "clock_wrong", "56 years behind"),
    ]
    journal.commit(batch)
    lines = render(summary(JournalReader(journal.path), [], now_ns)).splitlines()
    shown = [line.strip() for line in lines[lines.index("") + 2 :]]
    assert "; now rate_mismatch" in shown[0]
    assert shown[1] == "runs at 1040 Hz"
    assert [line.split()[0] for line in shown[2:]] == ["b/p", "c/p", "never", "d/p", "56"]


@pytest.mark.parametrize("trouble", ["", TROUBLE])
def test_status_shouts(
    trouble: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "camshaft.yaml"
    write_yaml(
        config,
        {
            "subscriptions": [{"topic": "{machine}", "payload": {"format": "raw"}}],
            "sensors": [{"sample_rate_hz": 1000}],
            "influx": {"url": "http://127.0.0.1:1", "bucket": "b"},
        },
    )
    journal = Journal(tmp_path / "camshaft.journal")
    figures = {"broker_connected": True, "windows_per_s": 1.5, "delivery_trouble": trouble}
    journal.store_health(1_700_000_000_000_000_000, figures)
    journal.close()
    code = main(["status", "-c", str(config)])
    said = capsys.readouterr().out
    assert code == (1 if trouble else 0)
    assert (f"Delivery  {TROUBLE}" in said) == bool(trouble)


def test_what_was_refused_is_shown_with_its_first_bytes(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    now_ns = 1_800_000_000_000_000_000
    detail = "Payload is not JSON."
    bad = [
        BadPayload(
            now_ns - n * 10**9 + len(name),
            f"t/{topic}",
            "not_json",
            detail,
            900,
            b"\x1f\x8b\x08",
            name,
        )
        for n in range(1000, 0, -1)
        for topic, name in (("a", "m/a"), ("\x1b[2J", ""))
    ]
    old = BadPayload(
        now_ns - 2 * 86_400 * 10**9, "t/old", "empty", "Payload has no bytes.", 0, b""
    )
    journal.commit(Batch(bad_payloads=[old]))
    for first in range(0, len(bad), 100):
        journal.commit(Batch(bad_payloads=bad[first : first + 100]))
    found = summary(JournalReader(journal.path), [], now_ns)
    assert [(one["topic"], one["sensor"], one["n"]) for one in found["refused"]] == [
        ("t/a", "m/a", 1000),
        ("t/\x1b[2J", "", 1000),
    ]
    lines = render(found).splitlines()
    shown = lines[lines.index("Refused messages, the latest first") :]
    assert shown[1].startswith("  1,000 on t/a, the last at ")
    assert shown[2] == f"    {detail} (900 bytes, the first 1f 8b 08)"
    assert all(line.isprintable() for line in lines)


def test_refusals_are_bounded(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    for first in range(0, 2500, 500):
        batch = Batch()
        for n in range(first, first + 500):
            batch.bad_payloads.append(BadPayload(n, f"t/{n}", "empty", "None.", 0, b""))
        journal.commit(batch)
    kept = JournalReader(journal.path).refusals(0, 5000)
    assert [one.topic for one in kept] == [f"t/{n}" for n in range(2499, 1499, -1)]
