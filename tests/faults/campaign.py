"""What a scenario promises, how its outcome is held against an undisturbed run, and the list of all
scenarios.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from monitor.records.verdict import Status, Verdict
from tests.conftest import server_program
from tests.faults.stage import Options, Outcome, Stage
from tests.servers.influx import InfluxServer
from tests.servers.recording import Recording
from tests.verdicts import score_of

Promise = Literal["nothing lost", "explained", "refused"]
TOLERANCE = 1e-5


class Skipped(Exception):
    """The scenario cannot be played on this machine; str() says why."""


@dataclass(frozen=True)
class Done:
    """What a scenario's play returns: the faults it injected, and how to read what came out."""

    faults: str
    # Unique samples that reached the service, where they are fewer than all.
    n_samples: int | None = None
    n_rejected: int = 0  # rows that InfluxDB was made to refuse
    same_times: bool = True  # rows carry the recording's own times


@dataclass(frozen=True)
class Scenario:
    name: str
    promise: Promise
    play: Callable[[Stage], Done]
    options: Options
    quick: bool


@dataclass(frozen=True)
class Finding:
    """One line of the table. expected, missing and double count rows of the journal and of
    InfluxDB.
    """

    scenario: str
    promise: Promise
    faults: str
    expected: int = 0
    missing: int = 0
    double: int = 0
    outage_s: float = 0.0
    requests_per_row: float = 0.0  # to InfluxDB
    # Samples (breaks: messages, rejected: rows) by reason.
    explained: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    failure: str = ""
    log: str = ""  # the end of the service's, of a failure; or rows that differ
    skipped: str = ""

    @property
    def kept(self) -> bool:
        """The promise was kept."""
        if self.failure or self.double:
            return False
        return (
            self.missing == 0
            if self.promise != "explained"
            else bool(self.explained or not self.missing)
        )

    def tree(self) -> dict[str, Any]:
        return asdict(self) | {"kept": self.kept}


LOG_CHARACTERS = 4000
N_SHOWN = 20  # of rows that differ
SCENARIOS: list[Scenario] = []


def scenario(
    name: str, promise: Promise, *, quick: bool = False, **options: Any
) -> Callable[[Callable[[Stage], Done]], Callable[[Stage], Done]]:
    """Enters a function into the campaign. quick: also part of the test suite,
    in a smaller dose.
    """

    def enter(play: Callable[[Stage], Done]) -> Callable[[Stage], Done]:
        SCENARIOS.append(Scenario(name, promise, play, Options(**options), quick))
        return play

    return enter


@contextmanager
def _with_log(stage: Stage) -> Iterator[None]:
    """What fails inside brings the end of the service's log with it."""
    try:
        yield
    except AssertionError as error:
        error.add_note(stage.service.log()[-LOG_CHARACTERS:])
        raise


class Campaign:
    """Plays scenarios against one real InfluxDB; keeps the outcome of each recording's undisturbed
    run.
    """

    def __init__(self, folder: Path, influx: InfluxServer, quick: bool) -> None:
        self._folder, self._influx, self._quick = folder, influx, quick
        self._undisturbed: dict[Recording, Outcome] = {}
        self._count = 0

    def run(self, one: Scenario) -> Finding:
        begin_s = time.monotonic()
        finding = Finding(one.name, one.promise, "")
        options = in_small(one.options) if self._quick else one.options
        try:
            expected = self.undisturbed(options)
            begin_s = time.monotonic()
            with self._stage(options) as stage, _with_log(stage):
                done = one.play(stage)
                outcome = stage.end(done.n_samples)
                finding = judge(
                    replace(finding, faults=done.faults),
                    done,
                    outcome,
                    expected,
                    options.recording,
                )
        except Skipped as why:
            finding = replace(finding, skipped=str(why))
        except AssertionError as error:
            log = "\n".join(getattr(error, "__notes__", ()))
            finding = replace(finding, failure=str(error) or "assertion failed", log=log)
        return replace(finding, seconds=time.monotonic() - begin_s)

    def undisturbed(self, options: Options) -> Outcome:
        if options.recording not in self._undisturbed:
            plain = Options(recording=options.recording, message_s=options.message_s)
            with self._stage(plain) as stage:
                stage.start()
                stage.play()
                self._undisturbed[options.recording] = stage.end()
        return self._undisturbed[options.recording]

    @contextmanager
    def _stage(self, options: Options) -> Iterator[Stage]:
        self._count += 1
        folder = self._folder / f"{self._count:02d}"
        folder.mkdir()
        with Stage(folder, self._influx, options, self._quick) as stage:
            yield stage


def in_small(options: Options) -> Options:
    """One recording for all, that still crosses the hour."""
    recording = replace(options.recording, n_sensors=3, duration_s=20.0)
    return replace(options, recording=recording)


def judge(
    finding: Finding, done: Done, found: Outcome, expected: Outcome, recording: Recording
) -> Finding:
    """Rows missing and double, and the counted reasons for what was not judged."""
    n_expected = len(expected.rows) + len(expected.database)
    differences = ""
    if finding.promise == "explained":
        missing, double = _explained_rows(done, found, expected, recording)
    else:
        missing, double, differences = _differences(found, expected, done.same_times)
    return replace(
        finding,
        expected=n_expected,
        missing=missing,
        double=double,
        outage_s=found.outage_s,
        requests_per_row=found.requests_per_row,
        explained=_reasons(done, found, recording)
        if finding.promise == "explained"
        else {},
        failure=_unexplained(done, found, recording)
        if finding.promise == "explained"
        else "",
        log=differences,
    )


def _reasons(done: Done, found: Outcome, recording: Recording) -> dict[str, int]:
    """Why samples were not judged, breaks in the stream, rows that InfluxDB refused."""
    counted: Counter[str] = Counter()
    if done.n_samples is not None:
        counted["lost_by_broker"] = (
            recording.n_samples * recording.n_sensors - done.n_samples
        )
    for sensor in recording.sensors:
        for (fate, reason), n in found.books.samples.get(sensor, {}).items():
            if fate in ("dropped", "judged_bad") and reason != "duplicate":
                counted[reason] += n
    counted.update(
        {name: n for name, n in found.books.counters.items() if name.startswith("breaks.")}
    )
    if rejected := found.books.rows(["influx"])["verdict"][1]:
        counted["rejected_rows"] = rejected
    return {reason: n for reason, n in counted.items() if n}


def _differences(
    found: Outcome, expected: Outcome, same_times: bool
) -> tuple[int, int, str]:
    """(missing or different, too many), of journal rows and InfluxDB's rows together, and the
    first of them in words.
    """
    missing = [
        f"journal {key}: {why}"
        for key, row in expected.rows.items()
        if (why := _row_differs(found.rows.get(key), row, same_times))
    ]
    double = [
        f"journal {key}: too many" for key in found.rows.keys() - expected.rows.keys()
    ]
    if not same_times:  # then InfluxDB's rows can only be counted
        n_more = len(found.database) - len(expected.database)
        missing += ["InfluxDB: a row is missing"] * max(0, -n_more)
        double += ["InfluxDB: a row too many"] * max(0, n_more)
        return len(missing), len(double), _first_of(missing + double)
    missing += [
        f"InfluxDB {key}: {why}"
        for key, row in expected.database.items()
        if (why := _fields_differ(found.database.get(key), row))
    ]
    surplus = found.database.keys() - expected.database.keys()
    double += [f"InfluxDB {key}: too many" for key in surplus]
    return len(missing), len(double), _first_of(missing + double)


def _first_of(differences: Sequence[str]) -> str:
    return "\n".join(differences[:N_SHOWN])


def _row_differs(found: Verdict | None, expected: Verdict, same_times: bool) -> str:
    """What differs, '' where nothing does."""
    if found is None:
        return "missing"
    pairs: dict[str, tuple[object, object]] = {
        "status": (found.status, expected.status),
        "reason": (found.reason, expected.reason),
        "network": (score_of(found), score_of(expected)),
        "novelty": (score_of(found, "novelty"), score_of(expected, "novelty")),
    }
    if same_times:
        pairs["start_ns"] = found.start_ns, expected.start_ns
        pairs["end_ns"] = found.end_ns, expected.end_ns
    return _unlike(pairs)


def _fields_differ(found: Mapping[str, Any] | None, expected: Mapping[str, Any]) -> str:
    if found is None:
        return "missing"
    names = sorted(found.keys() | expected.keys())
    return _unlike({name: (found.get(name), expected.get(name)) for name in names})


def _unlike(pairs: Mapping[str, tuple[object, object]]) -> str:
    unlike = (
        f"{name} is {found}, not {expected}"
        for name, (found, expected) in pairs.items()
        if not _close(found, expected)
    )
    return ", ".join(unlike)


def _close(a: object, b: object) -> bool:
    """Whole numbers, times among them, are exact."""
    if isinstance(a, int) and isinstance(b, int):
        return a == b
    if isinstance(a, float | int) and isinstance(b, float | int):
        return math.isclose(a, b, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return a == b


def _explained_rows(
    done: Done, found: Outcome, expected: Outcome, recording: Recording
) -> tuple[int, int]:
    """Whole windows that were not judged; samples that were judged twice, in windows."""
    judged = sum(
        v.n_samples for v in found.rows.values() if v.status is not Status.BAD_DATA
    )
    wanted = sum(v.n_samples for v in expected.rows.values())
    n_published = recording.n_samples * recording.n_sensors
    counted = sum(found.books.total(fate) for fate in ("analysed", "judged_bad"))
    double = max(0, counted + sum(found.books.waiting.values()) - n_published)
    missing = math.ceil((wanted - judged) / recording.n_window) + done.n_rejected
    return max(0, missing), math.ceil(double / recording.n_window)


def _unexplained(done: Done, found: Outcome, recording: Recording) -> str:
    """'' where every published sample has a counted fate; what the broker never had shows as breaks
    in the stream.
    """
    n_published = recording.n_samples * recording.n_sensors
    books = found.books
    repeated = sum(
        n
        for book in books.samples.values()
        for (_, why), n in book.items()
        if why == "duplicate"
    )
    dropped = books.total("dropped") - repeated
    settled = (
        books.total("analysed")
        + books.total("judged_bad")
        + dropped
        + sum(books.waiting.values())
    )
    lost_before_us = n_published - (
        done.n_samples if done.n_samples is not None else n_published
    )
    if settled + lost_before_us < n_published:
        return f"{n_published - settled - lost_before_us} samples without a counted reason"
    if lost_before_us and not any(name.startswith("breaks.") for name in books.counters):
        return f"{lost_before_us} samples lost before the service, and it saw no break"
    if done.n_rejected and books.rows(["influx"])["verdict"][1] != done.n_rejected:
        return f"{books.rows(['influx'])['verdict'][1]} rows rejected, {done.n_rejected} expected"
    return ""


def all_scenarios() -> Sequence[Scenario]:
    """In the order of the table."""
    from tests.faults import (  # noqa: F401  (they enter their scenarios)
        broker_faults,
        disk_faults,
        influx_faults,
        sensor_faults,
        service_faults,
    )

    order = ("service", "broker", "influx", "disk", "sensor")
    return sorted(
        SCENARIOS,
        key=lambda one: order.index(one.play.__module__.rpartition(".")[2].split("_")[0]),
    )


@contextmanager
def campaign(quick: bool) -> Iterator[Campaign]:
    """A campaign in a temporary folder with a real InfluxDB. Raises Skipped where a server is
    missing.
    """
    missing = [name for name in ("mosquitto", "influxd") if server_program(name) is None]
    if missing:
        raise Skipped(
            f"needs {' and '.join(missing)} (Debian packages mosquitto, influxdb)"
        )
    program = server_program("influxd")
    assert program is not None
    with tempfile.TemporaryDirectory(prefix="camshaft-faults-") as name:
        influx = InfluxServer(program, Path(name))
        try:
            yield Campaign(Path(name), influx, quick)
        finally:
            influx.close()
