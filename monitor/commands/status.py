"""`camshaft status`: the books, what waits, and each sensor's last word; of all the instances of
this machine that the configuration tells of.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from typing import Any

from monitor.commands.arguments import add_config
from monitor.commands.status_text import (
    delivery_trouble,
    render,
    render_plant,
    render_refused,
)
from monitor.config_file import load_config
from monitor.exit_codes import EXIT_NO, EXIT_OK
from monitor.instances import Instance, local_instances
from monitor.journal.mutes import Mute
from monitor.journal.reader import JournalReader
from monitor.journal.refusals import Refusal
from monitor.journal.resend import refused_rows
from monitor.journal.schema import JournalError
from monitor.promises import promises
from monitor.records.books import FATES, Books
from monitor.records.verdict import Status, Verdict

EXAMPLES = (
    "camshaft status",
    "camshaft status --json -c /etc/camshaft/camshaft.yaml",
)
EXIT_CODES = {
    0: "the books close: every sample is accounted for",
    1: "they do not, or an output is in trouble",
    2: "refused: configuration or journal cannot be used",
}

N_REFUSALS = 10  # that are shown
NO_ROW = -1
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
    instances = local_instances(load_config(arguments.config))
    if arguments.parked:
        refused = [row for one in instances for row in refused_rows(one.path)]
        trees = [asdict(row) for row in refused]
        print(json.dumps({"parked": trees}) if arguments.json else render_refused(refused))
        return EXIT_OK
    now_ns = time.time_ns()
    if len(instances) == 1:
        found = _of(instances[0], now_ns)
        print(json.dumps(found) if arguments.json else render(found))
        return EXIT_OK if _is_well(found) else EXIT_NO
    plant = _of_all(instances, now_ns)
    print(json.dumps(plant) if arguments.json else render_plant(plant))
    return EXIT_OK if all(map(_is_well, plant["instances"].values())) else EXIT_NO


def _is_well(found: dict[str, Any]) -> bool:
    if "trouble" in found:
        return False
    return not (found["unbalanced"] or delivery_trouble(found["health"]))


def _of(instance: Instance, now_ns: int) -> dict[str, Any]:
    """Raises JournalError."""
    config = instance.config
    with closing(JournalReader(instance.path)) as reader:
        found = summary(reader, [one.name for one in config.influx], now_ns)
    if instance.is_ours:
        return found | {"promises": promises(config)}
    return found | {"influx": None, "promises": {}}  # its own configuration has these


def _of_all(instances: Sequence[Instance], now_ns: int) -> dict[str, Any]:
    """By instance, and each sensor once: of the instance that judged it last."""
    found: dict[str, dict[str, Any]] = {}
    sensors: dict[str, dict[str, Any]] = {}
    for one in instances:
        name = one.config.instance
        try:
            found[name] = _of(one, now_ns)
        except JournalError as error:
            found[name] = {"trouble": str(error)}
            continue
        for sensor, word in found[name].pop("sensors").items():
            if sensor not in sensors or _age_s(word) < _age_s(sensors[sensor]):
                sensors[sensor] = word | {"instance": name}
    return {"instances": found, "sensors": dict(sorted(sensors.items()))}


def _age_s(word: dict[str, Any]) -> float:
    return math.inf if word["age_s"] is None else float(word["age_s"])


def summary(reader: JournalReader, databases: Sequence[str], now_ns: int) -> dict[str, Any]:
    """Everything as plain values, ready for JSON. databases : the configured InfluxDBs."""
    books, health = reader.books(), reader.health()
    refusals = reader.refusals(now_ns - TROUBLE_NS, N_REFUSALS)
    delivery = books.delivery.items()
    return {
        "samples": _sums(books),
        "unbalanced": books.imbalance(),
        "messages": _messages(books),
        "influx": bool(databases),
        "rows": {kind: n._asdict() for kind, n in books.rows(databases).items()},
        "outputs": {
            output: {kind: n._asdict() for kind, n in kinds.items()}
            for output, kinds in delivery
        },
        "sending_again": reader.n_to_resend(),
        "refused": [_refusal(one) for one in refusals],
        "taken_over": reader.taken_over(),
        "health": health and {"age_s": (now_ns - health[0]) / 1e9, **health[1]},
        "sensors": _sensors(reader, books, now_ns),
    }


def _sums(books: Books) -> dict[str, int]:
    """Of all sensors' samples, by fate."""
    sums = {fate: books.total(fate) for fate in FATES}
    return sums | {"waiting": sum(books.waiting.values())}


def _messages(books: Books) -> dict[str, int]:
    counted = sorted(books.counters.items())
    return {name: n for name, n in counted if not name.startswith("windows.")}


def _sensors(reader: JournalReader, books: Books, now_ns: int) -> dict[str, dict[str, Any]]:
    """By name: the last verdict with what is known beside it."""
    counts, latest, mutes = reader.counts(), reader.latest(), reader.mutes(now_ns)
    row_ids = {name: row.row_id for name, row in latest.items()}
    contexts = reader.context(row_ids.values())
    indicators = reader.indicators(row_ids.values())
    troubles = reader.troubles()
    found = {}
    for name in sorted({*books.samples, *latest}):
        verdict = latest[name].verdict if name in latest else None
        row_id = row_ids.get(name, NO_ROW)
        found[name] = {
            **_word(verdict, now_ns),
            "context": dict(contexts.get(row_id, {})),
            "indicators": indicators.get(row_id, {}),
            "diagnosis": _diagnosis(reader, verdict),
            "windows": counts.get(name, {}),
            "samples": _fates(books, name),
            "waiting": books.waiting.get(name, 0),
            "muted": _muted(mutes.get(name)),
            "trouble": _trouble_of(troubles.get(name), verdict, now_ns),
        }
    return found


def _word(verdict: Verdict | None, now_ns: int) -> dict[str, Any]:
    """A sensor's last verdict; None: it has none yet."""
    return {
        "status": verdict.status.value if verdict else None,
        "reason": verdict.reason if verdict else "",
        "alarm": verdict.alarm if verdict else "clear",
        "probability": verdict.probability if verdict else None,
        **_novelty(verdict),
        "evidence": _evidence(verdict),
        "age_s": (now_ns - verdict.end_ns) / 1e9 if verdict else None,
    }


def _fates(books: Books, sensor: str) -> dict[str, int]:
    """What became of its samples: "dropped.overload", or "analysed" alone."""
    fates = books.samples.get(sensor, {}).items()
    return {f"{fate}.{reason}".rstrip("."): n for (fate, reason), n in fates}


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
