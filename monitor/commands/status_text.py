"""What `camshaft status` shows on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from monitor.journal.resend import RefusedRows
from monitor.records.context import in_words
from monitor.records.verdict import Status
from monitor.text import printable
from monitor.times import clock

HEADING = f"{'sensor':<28}{'status':<10}{'alarm':<8}{'P(NG)':>6}{'novelty':>10}{'age':>8}  windows"


def render(found: dict[str, Any]) -> str:
    """The summary as text for a terminal of 100 columns."""
    lines = [*_books(found), *_delivery(found), "", HEADING]
    lines += [_line(name, sensor) for name, sensor in found["sensors"].items()]
    lines += _promise_lines(found.get("promises", {}))
    return "\n".join(lines + _refused_lines(found["refused"]))


def render_plant(plant: dict[str, Any]) -> str:
    """Of several instances: what each has stored and sent, then all sensors."""
    lines: list[str] = []
    for name, found in plant["instances"].items():
        lines += ["", f"{printable(name)}:"] if lines else [f"{printable(name)}:"]
        lines += _of_instance(found)
    lines += ["", HEADING]
    lines += [
        f"{_line(name, sensor)}; of {printable(sensor['instance'])}"
        for name, sensor in plant["sensors"].items()
    ]
    for found in plant["instances"].values():
        lines += _promise_lines(found.get("promises", {}))
        lines += _refused_lines(found.get("refused", []))
    return "\n".join(lines)


def _of_instance(found: dict[str, Any]) -> list[str]:
    if "trouble" in found:
        return [printable(found["trouble"])]
    return [*_books(found), *_delivery(found)]


def _books(found: dict[str, Any]) -> list[str]:
    """Of samples and messages."""
    samples, unbalanced = found["samples"], found["unbalanced"]
    sums = f"THE BOOKS DO NOT CLOSE: {unbalanced}" if unbalanced else "the books close"
    messages = [f"{n:,} {name.replace('_', ' ')}" for name, n in found["messages"].items()]
    return [
        f"Samples   {samples['received']:,} received = {samples['analysed']:,} analysed"
        f" + {samples['judged_bad']:,} judged bad + {samples['dropped']:,} dropped"
        f" + {samples['waiting']:,} waiting: {sums}.",
        "Messages  " + (", ".join(messages) or "none yet"),
    ]


def _delivery(found: dict[str, Any]) -> list[str]:
    """To the outputs, and what the service says of it."""
    rows = "not configured; the journal is the store"
    if found["influx"] is None:
        rows = "in the configuration of its own service"
    elif found["influx"]:
        rows = "; ".join(_rows(kind, n) for kind, n in found["rows"].items())
    again = [
        f"Again     {n:,} rows are still to be sent to {output} again"
        for output, n in found["sending_again"].items()
    ]
    trouble = delivery_trouble(found["health"])
    troubles = [f"Delivery  {trouble}"] if trouble else []
    taken = [f"Journal   {found['taken_over']}"] if found.get("taken_over") else []
    return [
        *taken,
        f"InfluxDB  {rows}",
        *again,
        "Service   " + _service(found["health"]),
        *troubles,
    ]


def _rows(kind: str, n: Mapping[str, int]) -> str:
    fates = f"{n['accepted']:,} {kind} rows accepted, {n['rejected']:,} rejected"
    return f"{fates}, {n['waiting']:,} waiting"


def delivery_trouble(health: dict[str, Any] | None) -> str:
    """Why an output does not get all its rows, '' where all do; journals of 0.2 do not tell."""
    return str((health or {}).get("delivery_trouble", ""))


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
