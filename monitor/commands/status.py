"""`camshaft status`: the books, what waits, and each sensor's last word."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from monitor.commands.arguments import add_config
from monitor.config_file import load_config
from monitor.exit_codes import EXIT_NO, EXIT_OK
from monitor.journal.mutes import Mute
from monitor.journal.reader import JournalReader
from monitor.journal.refusals import Refusal
from monitor.journal.resend import RefusedRows, refused_rows
from monitor.promises import promises
from monitor.records.books import FATES
from monitor.records.context import in_words
from monitor.records.verdict import Status, Verdict
from monitor.text import printable
from monitor.times import clock

EXAMPLES = (
    "camshaft status",
    "camshaft status --json -c /etc/camshaft/camshaft.yaml",
)
EXIT_CODES = {
    0: "the books close: every sample is accounted for",
    1: "they do not",
    2: "refused: configuration or journal cannot be used",
}

N_REFUSALS = 10  # that are shown
TROUBLE_NS = 86_400 * 10**9  # what was told of a sensor that is judged is shown for a day


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument("--json", action="store_true", help="as one JSON line")
    parser.add_argument(
        "--parked", action="store_true", help="the rows that outputs refused, by reason"
    )


def run(arguments: argparse.Namespace) -> int:
    """Exit codes: 0 the books close and rows flow; 1 one of these is not so; 2 refused.

    --parked: 0.
    """
    config = load_config(arguments.config)
    if arguments.parked:
        refused = refused_rows(config.journal.path)
        trees = [asdict(row) for row in refused]
        print(json.dumps({"parked": trees}) if arguments.json else render_refused(refused))
        return EXIT_OK
    reader = JournalReader(config.journal.path)
    found = summary(reader, [one.name for one in config.influx], time.time_ns())
    found["promises"] = promises(config)
    print(json.dumps(found) if arguments.json else render(found))
    return EXIT_NO if found["unbalanced"] or _trouble(found["health"]) else EXIT_OK


def summary(reader: JournalReader, databases: Sequence[str], now_ns: int) -> dict[str, Any]:
    """Everything as plain values, ready for JSON. databases : the configured InfluxDBs."""
    books, counts, latest = reader.books(), reader.counts(), reader.latest()
    health = reader.health()
    troubles = reader.troubles()
    contexts = reader.context(row.row_id for row in latest.values())
    mutes = reader.mutes(now_ns)
    indicators = reader.indicators(row.row_id for row in latest.values())
    sensors = {}
    for name in sorted({*books.samples, *latest}):
        verdict = latest[name].verdict if name in latest else None
        sensors[name] = {
            "status": verdict.status.value if verdict else None,
            "reason": verdict.reason if verdict else "",
            "alarm": verdict.alarm if verdict else "clear",
            "probability": verdict.probability if verdict else None,
            **_novelty(verdict),
            "evidence": _evidence(verdict),
            "context": dict(contexts.get(latest[name].row_id, {}))
            if name in latest
            else {},
            "indicators": indicators.get(latest[name].row_id, {}) if name in latest else {},
            "diagnosis": _diagnosis(reader, verdict),
            "age_s": (now_ns - verdict.end_ns) / 1e9 if verdict else None,
            "windows": counts.get(name, {}),
            "samples": {
                f"{fate}.{reason}".rstrip("."): n
                for (fate, reason), n in books.samples.get(name, {}).items()
            },
            "waiting": books.waiting.get(name, 0),
            "muted": _muted(mutes.get(name)),
            "trouble": _trouble_of(troubles.get(name), verdict, now_ns),
        }
    return {
        "samples": (
            {fate: books.total(fate) for fate in FATES}
            | {"waiting": sum(books.waiting.values())}
        ),
        "unbalanced": books.imbalance(),
        "messages": {
            name: n
            for name, n in sorted(books.counters.items())
            if not name.startswith("windows.")
        },
        "influx": bool(databases),
        "rows": {kind: n._asdict() for kind, n in books.rows(databases).items()},
        "outputs": {
            output: {kind: n._asdict() for kind, n in kinds.items()}
            for output, kinds in books.delivery.items()
        },
        "sending_again": reader.n_to_resend(),
        "refused": [
            _refusal(one) for one in reader.refusals(now_ns - TROUBLE_NS, N_REFUSALS)
        ],
        "health": None
        if health is None
        else {"age_s": (now_ns - health[0]) / 1e9, **health[1]},
        "sensors": sensors,
    }


def _muted(mute: Mute | None) -> dict[str, Any] | None:
    if mute is None:
        return None
    return {"until_ns": mute.until_ns, "author": mute.author, "reason": mute.reason}


def _refusal(one: Refusal) -> dict[str, Any]:
    """Messages of one topic that were refused for one reason."""
    shown = asdict(one) | {"first_bytes": one.first_bytes}
    del shown["head"]
    return shown


def _trouble_of(told: tuple[int, str] | None, verdict: Verdict | None, now_ns: int) -> str:
    """The sentence told last of a sensor, where it may still hold; told: when and what."""
    if told is None:
        return ""
    is_judged = verdict is not None and verdict.status not in (
        Status.BAD_DATA,
        Status.NO_DATA,
    )
    return "" if is_judged and now_ns - told[0] > TROUBLE_NS else told[1]


def _diagnosis(reader: JournalReader, verdict: Verdict | None) -> dict[str, Any] | None:
    """The newest, of a point whose alarm stands."""
    if verdict is None or verdict.alarm != "raised":
        return None
    found = reader.diagnosis_of_alarm(verdict.sensor)
    return None if found is None else found.short


def _novelty(verdict: Verdict | None) -> dict[str, float | None]:
    found = None if verdict is None else verdict.of_kind("novelty")
    return {
        "novelty": None if found is None else found.score,
        "novelty_threshold": None if found is None else found.threshold,
    }


def _evidence(verdict: Verdict | None) -> dict[str, dict[str, Any]]:
    """Every kind with its score, by name."""
    return {
        found.kind: {"score": found.score, "threshold": found.threshold, "unit": found.unit}
        for found in (verdict.evidence if verdict else ())
    }


def render(found: dict[str, Any]) -> str:
    """The summary as text for a terminal of 100 columns."""
    samples = found["samples"]
    sums = (
        "the books close"
        if not found["unbalanced"]
        else f"THE BOOKS DO NOT CLOSE: {found['unbalanced']}"
    )
    rows = (
        f"{n['accepted']:,} {kind} rows accepted, {n['rejected']:,} rejected, {n['waiting']:,}"
        " waiting"
        for kind, n in found["rows"].items()
    )
    messages = (f"{n:,} {name.replace('_', ' ')}" for name, n in found["messages"].items())
    lines = [
        (
            f"Samples   {samples['received']:,} received = {samples['analysed']:,} analysed +"
            f" {samples['judged_bad']:,} judged bad + {samples['dropped']:,} dropped +"
            f" {samples['waiting']:,} waiting: {sums}."
        ),
        "Messages  " + (", ".join(messages) or "none yet"),
        "InfluxDB  "
        + (
            "; ".join(rows)
            if found["influx"]
            else "not configured; the journal is the store"
        ),
        *(
            f"Again     {n:,} rows are still to be sent to {output} again"
            for output, n in found["sending_again"].items()
        ),
        "Service   " + _service(found["health"]),
        *(f"Delivery  {trouble}" for trouble in [_trouble(found["health"])] if trouble),
        "",
        f"{'sensor':<28}{'status':<10}{'alarm':<8}{'P(NG)':>6}{'novelty':>10}{'age':>8}  windows",
    ]
    lines += [_line(name, sensor) for name, sensor in found["sensors"].items()]
    lines += _promise_lines(found.get("promises", {}))
    return "\n".join(lines + _refused_lines(found["refused"]))


def _promise_lines(promised: dict[str, str]) -> list[str]:
    """What alarms with a budget promise."""
    lines = ["", "Alarms with a budget"] if promised else []
    return lines + [
        f"  {printable(name)}: {printable(text)}" for name, text in promised.items()
    ]


def _refused_lines(refused: list[dict[str, Any]]) -> list[str]:
    """What was refused within the last day, by topic and reason."""
    lines = ["", "Refused messages, the latest first"] if refused else []
    for one in refused:
        last = clock(one["last_ns"], None)
        lines.append(f"  {one['n']:,} on {printable(one['topic'])}, the last at {last}:")
        first = f"({one['n_bytes']:,} bytes, the first {one['first_bytes']})"
        lines.append(f"    {printable(one['detail'])} {printable(first)}")
    return lines


def _trouble(health: dict[str, Any] | None) -> str:
    """Why an output does not get all its rows, '' where all do; journals of 0.2 do not tell."""
    return str((health or {}).get("delivery_trouble", ""))


def render_refused(refused: Sequence[RefusedRows]) -> str:
    """Each output's refused rows by reason, for a terminal."""
    if not refused:
        return "No output has refused a row."
    lines = []
    for row in refused:
        plural = "s" * (row.n_rows != 1)
        lines.append(
            f"{row.output}: {row.n_rows:,} {row.kind} row{plural} refused{_span(row)}"
        )
        lines.append(f"    {printable(row.reason)}")
    lines.append("Once the cause is mended: camshaft resend --parked")
    return "\n".join(lines)


def _span(row: RefusedRows) -> str:
    if row.first_ns is None or row.last_ns is None:
        return ", no longer in the journal"
    gone = f", {row.n_gone:,} of them no longer in the journal" if row.n_gone else ""
    return f", {clock(row.first_ns, None)} to {clock(row.last_ns, None)}{gone}"


def _service(health: dict[str, Any] | None) -> str:
    if health is None:
        return "no figures yet"
    seen = datetime.now(UTC).timestamp() - health["age_s"]
    when = datetime.fromtimestamp(seen, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    delay = (
        f", verdicts within {health['latency_p99_ms']:.0f} ms (99 %)"
        if "latency_p99_ms" in health
        else ""
    )
    broker = "connected" if health["broker_connected"] else "NOT CONNECTED"
    if health.get("broker_session_contested"):
        broker += " (ANOTHER CLIENT USES mqtt.client_id)"
    return f"as of {when}: broker {broker}, {health['windows_per_s']:.1f} windows/s{delay}"


def _line(name: str, sensor: dict[str, Any]) -> str:
    chance = "" if sensor["probability"] is None else f"{sensor['probability']:.2f}"
    novelty = (
        ""
        if sensor["novelty"] is None
        else f"{sensor['novelty']:.2f}/{sensor['novelty_threshold']:.2f}"
    )
    age = "" if sensor["age_s"] is None else f"{sensor['age_s']:.0f} s"
    windows = ", ".join(f"{n} {status}" for status, n in sorted(sensor["windows"].items()))
    word = f"{printable(name):<28}{sensor['status'] or '-':<10}{sensor['alarm']:<8}"
    line = f"{word}{chance:>6}{novelty:>10}{age:>8}  {windows}"
    if sensor["status"] in (Status.BAD_DATA, Status.NO_DATA):
        line += f"; now {sensor['reason']}"
    if sensor["context"]:
        line += f"; {printable(in_words(sensor['context']))}"
    if muted := sensor.get("muted"):
        until = clock(muted["until_ns"], None)
        line += f"; muted until {until} by {printable(muted['author'])}"
    diagnosis = sensor.get("diagnosis") or {}
    below = [text for text in (diagnosis.get("text"), sensor.get("trouble")) if text]
    return "\n    ".join([line, *(printable(text) for text in below)])
