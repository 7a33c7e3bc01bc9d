"""What the alarm with a budget promises, and what is seen: python -m training.promise_figures

Simulated machine-months, how soon a fault is found, whether whole signals agree
with the simulation, and recordings. Prints tables for docs/accuracy.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from scipy.special import gammaincinv

from monitor.evidence.promise import REACH, describe
from monitor.recordings.manifest import load_manifest
from monitor.recordings.recording import RecordingError
from monitor.records.signal import Float64
from monitor.signal.spectrogram import (
    SpectrogramSettings,
    default_grid,
    default_settings,
    spectrogram,
    to_grid,
)
from monitor.simulator.machine import SimulatedMachine
from training.dataset import NG, OK, Dataset, load_dataset
from training.level_process import fit_process
from training.progress import bar
from training.simulated_months import (
    DAY_S,
    KINDS,
    MONTH_S,
    Changes,
    Heard,
    Months,
    fault_db,
)
from training.watched import Watch, commissioned, promise_of, watch

MANIFESTS = Path(__file__).parent / "manifests"
SEED = 17
PERIOD_S = 60.0  # of simulated machines: a window a minute
DAYS, FEW = 15, 200  # that commission: days for a month's budget, or windows of one stretch
SHORT_TIMES = 6  # as many machines commissioned from few windows: they cost little
SEVERITIES = (0.5, 1.0)
FAULT_DAYS = 7
CONFIDENCE = 0.95
HEALTHY_UNTIL, FIT_FROM = 0.25, 0.05  # of life
SNAPSHOT_S, FIRST_SNAPSHOTS = 10.0, (50, 100, 200)
CUT_S = 5.0  # a window of the mills
SIGNAL_S, SIGNAL_WINDOWS = 1.0, 600  # of whole signals: a window, and those that commission
SIGNAL_SETTINGS = default_settings(25_600.0, round(25_600 * SIGNAL_S))


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        bearings = read_bearings()
        mills = read_levels("bosch-cnc", CUT_S)
    except RecordingError as error:
        print(error, file=sys.stderr)
        return 1
    fitted = [heard_bearing(one) for one in bearings.values()]
    parts: tuple[Iterator[str], ...] = (
        months_table(fitted, options.months),
        short_table(fitted, SHORT_TIMES * options.months),
        delay_table(fitted, options.faults),
        signal_table(options.signals),
        bearing_table(bearings),
        mill_table(mills),
    )
    for part in parts:
        print("\n".join(part), end="\n\n", flush=True)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.promise_figures", description=__doc__
    )
    parser.add_argument("--months", type=int, default=100, help="machines, each a month")
    parser.add_argument("--faults", type=int, default=20, help="machines that fail")
    parser.add_argument("--signals", type=int, default=4, help="machines as whole signals")
    return parser


@dataclass
class Tally:
    """Of several machines watched. n_refused : those of which nothing is promised"""

    promised_s: float = 0.0
    watched_s: float = 0.0
    n_broken: int = 0
    n_later: int = 0
    n_confirmed: int = 0
    n_drifts: int = 0
    n_refused: int = 0
    n_machines: int = 0

    def add(self, found: Watch, period_s: float) -> None:
        self.n_machines += 1
        self.promised_s += found.n_promised * period_s
        self.watched_s += found.n_windows * period_s
        self.n_broken += found.n_broken
        self.n_later += len(found.budget) - found.n_broken
        self.n_confirmed += len(found.confirmed)
        self.n_drifts += found.drift is not None
        self.n_refused += found.n_promised == 0


def per(n_events: int, exposure_s: float, unit_s: float) -> str:
    """Events in a unit of time, with the upper end of a one-sided 95 % bound (Poisson)."""
    if exposure_s == 0:
        return "–"
    units = exposure_s / unit_s
    high = float(gammaincinv(n_events + 1, CONFIDENCE)) / units
    return f"{n_events / units:.3g} (at most {high:.3g})"


def months_table(bearings: Sequence[Heard], n_months: int) -> Iterator[str]:
    yield f"Simulated, commissioned from {DAYS} days, budget one a month:"
    yield (
        "| machine | months promised | false alarms a month, budget | 3 of 5 | promise ended by"
        " drift | refused | alarms after that |"
    )
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for changes in KINDS:
        tally = Tally()
        with bar(changes.name, n_months) as tick:
            for number in range(n_months):
                tally.add(_month(bearings, changes, number), PERIOD_S)
                tick()
        yield (
            f"| {changes.name} | {tally.promised_s / MONTH_S:.1f} |"
            f" {per(tally.n_broken, tally.promised_s, MONTH_S)} |"
            f" {per(tally.n_confirmed, tally.watched_s, MONTH_S)} |"
            f" {tally.n_drifts} of {tally.n_machines} | {tally.n_refused} | {tally.n_later} |"
        )


def _month(bearings: Sequence[Heard], changes: Changes, number: int) -> Watch:
    machine = Months(bearings, changes, PERIOD_S, np.random.default_rng([SEED, number]))
    own = commissioned(machine.levels(DAYS * DAY_S), 1, PERIOD_S)
    return watch(own, machine.levels(MONTH_S), MONTH_S)


def short_table(bearings: Sequence[Heard], n_machines: int) -> Iterator[str]:
    """As long again as the promise reaches, with the budget that it can carry."""
    reach_s = REACH * FEW * PERIOD_S
    yield f"Simulated, commissioned from {FEW} windows, budget as far as that reaches:"
    yield "| machine | spans promised | false alarms a span, budget | 3 of 5 | drift | refused |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for changes in KINDS:
        tally, spans = Tally(), 0.0
        for number in range(n_machines):
            random = np.random.default_rng([SEED, number, 1])
            machine = Months(bearings, changes, PERIOD_S, random)
            own = commissioned(machine.levels(FEW * PERIOD_S), 1, PERIOD_S)
            promised_s = promise_of(own, MONTH_S)
            found = watch(own, machine.levels(reach_s), promised_s or MONTH_S)
            tally.add(found, PERIOD_S)
            spans += found.n_promised * PERIOD_S / promised_s if promised_s else 0.0
        yield (
            f"| {changes.name} | {spans:.1f} | {per(tally.n_broken, spans, 1.0)} |"
            f" {per(tally.n_confirmed, tally.watched_s, reach_s)} |"
            f" {tally.n_drifts} of {tally.n_machines} | {tally.n_refused} |"
        )


def delay_table(bearings: Sequence[Heard], n_machines: int) -> Iterator[str]:
    """A day after commissioning the simulator's bearing fault sets in."""
    yield (
        f"From the fault to the alarm, hours; {n_machines} machines, commissioned from {DAYS} days,"
        f" budget one a month, watched for {FAULT_DAYS} days:"
    )
    yield "| machine | severity | budget: found | median | 90 % | 3 of 5: found | median | 90 % |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    bench = default_settings(25_600.0, 2560)
    simulator = [heard_of_signal(number) for number in range(n_machines)]
    steady, restless = KINDS[0], KINDS[-1]
    alike: list[Sequence[Heard]] = [bearings] * n_machines
    for name, heard, changes, settings in (
        ("simulator", [[one] for one in simulator], steady, SIGNAL_SETTINGS),
        (f"bearing, {steady.name}", alike, steady, bench),
        (f"bearing, {restless.name}", alike, restless, bench),
    ):
        for severity in SEVERITIES:
            delays = []
            with bar(f"{name}, severity {severity}", n_machines) as tick:
                for number, one in enumerate(heard):
                    lift_db = fault_db(settings, severity, number)
                    delays.append(_delays(one, changes, number, lift_db))
                    tick()
            budget = [one for one, _ in delays]
            confirmed = [one for _, one in delays]
            yield f"| {name} | {severity} | {_found(budget)} | {_found(confirmed)} |"


def _delays(
    heard: Sequence[Heard], changes: Changes, number: int, lift_db: Float64
) -> tuple[float, float]:
    """Hours from the fault to the alarm with a budget, and to 3 of 5; infinite where none came."""
    machine = Months(heard, changes, PERIOD_S, np.random.default_rng([SEED, number]))
    own = commissioned(machine.levels(DAYS * DAY_S), 1, PERIOD_S)
    healthy = machine.levels(DAY_S)
    failing = machine.levels(FAULT_DAYS * DAY_S) + lift_db
    found = watch(own, np.concatenate([healthy, failing]), MONTH_S)
    n = len(healthy)
    return _first_after(found.budget, n), _first_after(found.confirmed, n)


def _first_after(alarms: Sequence[int], begin: int) -> float:
    later = [one - begin + 1 for one in alarms if one >= begin]
    return min(later) * PERIOD_S / 3600 if later else float("inf")


def _found(hours: Sequence[float]) -> str:
    n_found = int(np.isfinite(hours).sum())
    ordered = np.sort(hours)
    said = [
        ordered[min(int(share * len(ordered)), len(ordered) - 1)] for share in (0.5, 0.9)
    ]
    words = [f"{one:.2g}" if np.isfinite(one) else "not found" for one in said]
    return f"{n_found} of {len(hours)} | {words[0]} | {words[1]}"


def heard_of_signal(seed: int) -> Heard:
    process = fit_process(signal_levels(seed, SIGNAL_WINDOWS)[:, 0], SIGNAL_S)
    return Heard(process, np.zeros(len(process.mean_db)), 1)


def signal_table(n_machines: int) -> Iterator[str]:
    """Whole signals of simulated machines, and the process that is fitted to their levels."""
    yield (
        f"Whole signals, {n_machines} machines: {SIGNAL_WINDOWS} windows of {SIGNAL_S:g} s"
        " commission, four times as many are watched; and levels drawn from the process that was"
        " fitted to them:"
    )
    yield "| | NG, % | false alarms, budget | 3 of 5 | refused | median blocks |"
    yield "| --- | --- | --- | --- | --- | --- |"
    found: dict[str, list[tuple[Watch, int]]] = {"signals": [], "process": []}
    with bar("whole signals", n_machines) as tick:
        for number in range(n_machines):
            levels = signal_levels(number, 5 * SIGNAL_WINDOWS)
            process = fit_process(levels[:, 0], SIGNAL_S)
            random = np.random.default_rng([SEED, number, 2])
            drawn = process.draw(len(levels), SIGNAL_S, random)[:, None]
            for name, one in (("signals", levels), ("process", drawn)):
                found[name].append(_within_reach(one))
            tick()
    for name, watches in found.items():
        n, n_ng = (
            sum(getattr(one, what) for one, _ in watches) for what in ("n_windows", "n_ng")
        )
        yield (
            f"| {name} | {100 * n_ng / n:.2f} | {sum(one.n_broken for one, _ in watches)} |"
            f" {sum(len(one.confirmed) for one, _ in watches)} |"
            f" {sum(one.n_promised == 0 for one, _ in watches)} |"
            f" {np.median([blocks for _, blocks in watches]):.0f} |"
        )


def _within_reach(levels: Float64) -> tuple[Watch, int]:
    own = commissioned(levels[:SIGNAL_WINDOWS], 1, SIGNAL_S)
    budget_s = promise_of(own, MONTH_S) or MONTH_S
    n_blocks = 0 if own.reference is None else own.reference.n_blocks
    return watch(own, levels[SIGNAL_WINDOWS:], budget_s), n_blocks


def signal_levels(seed: int, n: int) -> Float64:
    """Of n windows of a healthy simulated machine; shape (n, 1, n_bands)."""
    settings, found = SIGNAL_SETTINGS, []
    machine = SimulatedMachine("healthy", seed)
    for _ in range(0, n, 50):
        windows = machine.block(50 * settings.n_window).reshape(1, 50, settings.n_window)
        found.append(_levels(spectrogram(windows.swapaxes(0, 1), settings), settings))
    return np.concatenate(found)[:n]


def _levels(psd_db: np.ndarray, settings: SpectrogramSettings) -> Float64:
    on_grid = to_grid(psd_db, default_grid(settings).shape[1])
    return np.asarray(on_grid.mean(axis=3, dtype=np.float64))


@dataclass(frozen=True)
class Recorded:
    """A sensor's windows in order of time. level_db : (n, n_channels, n_bands)"""

    level_db: Float64
    data: Dataset


def read_levels(name: str, window_s: float) -> dict[str, Recorded]:
    """By sensor. Raises RecordingError."""
    manifest = load_manifest(MANIFESTS / f"{name}.yaml")
    n_window = round(window_s * manifest.sample_rate_hz)
    settings = default_settings(manifest.sample_rate_hz, n_window)
    with bar(f"reading {name}", len(manifest.recordings)) as tick:
        data = load_dataset(manifest, settings, tick)
    level_db = _levels(data.psd_db, settings)
    return {
        str(sensor).split("/")[0]: Recorded(
            level_db[data.sensor == sensor], data.select(data.sensor == sensor)
        )
        for sensor in np.unique(data.sensor)
    }


def read_bearings() -> dict[str, Recorded]:
    return read_levels("pronostia-eight", 0.1)


def heard_bearing(recorded: Recorded) -> Heard:
    """Its process while healthy, by the usual rule, and how it ran in before."""
    levels = recorded.level_db.reshape(len(recorded.level_db), -1)
    n = len(levels)
    healthy = levels[int(FIT_FROM * n) : int(HEALTHY_UNTIL * n)]
    run_in_db = levels[: FIRST_SNAPSHOTS[0]].mean(axis=0) - healthy.mean(axis=0)
    return Heard(fit_process(healthy, SNAPSHOT_S), run_in_db, recorded.level_db.shape[1])


def bearing_table(bearings: dict[str, Recorded]) -> Iterator[str]:
    yield (
        "Bearings run to failure, commissioned from their first snapshots, watched to 25 % of life"
        " and then to the end; budget one a month:"
    )
    yield (
        "| bearing | commissioned from | promise | false alarms to 25 % of life, hours | kept |"
        " 3 of 5 | hours before the end, budget | 3 of 5 |"
    )
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for n_first in FIRST_SNAPSHOTS:
        for name, heard in bearings.items():
            until = int(HEALTHY_UNTIL * len(heard.level_db))
            if until > n_first:
                yield f"| {name} | {n_first} | {_bearing(heard.level_db, n_first, until)} |"


def _bearing(level_db: Float64, n_first: int, until: int) -> str:
    own = commissioned(level_db[:n_first], 1, SNAPSHOT_S)
    promised_s = promise_of(own, MONTH_S)
    healthy = watch(own, level_db[n_first:until], MONTH_S)
    life = watch(own, level_db[n_first:], MONTH_S)
    n = len(level_db) - n_first
    hours = healthy.n_windows * SNAPSHOT_S / 3600
    cells = [
        f"one in {promised_s / 3600:.2g} h" if promised_s else "REFUSED",
        f"{len(healthy.budget)} in {hours:.2g}",
        _kept(healthy, promised_s, SNAPSHOT_S),
        str(len(healthy.confirmed)),
        _before_the_end(life.budget, until - n_first, n),
        _before_the_end(life.confirmed, until - n_first, n),
    ]
    return " | ".join(cells)


def _kept(found: Watch, promised_s: float, period_s: float) -> str:
    """No more alarms in any span than the one that is promised."""
    if not promised_s:
        return "refused"
    times_s = [one * period_s for one in found.budget if one < found.n_promised]
    close = [b - a < promised_s for a, b in pairwise(times_s)]
    return "broken" if any(close) else "kept"


def _before_the_end(alarms: Sequence[int], begin: int, n: int) -> str:
    """The first alarm of the rest of life; "stands" where the last one before did not clear."""
    later = [one for one in alarms if one >= begin]
    if later:
        return f"{(n - later[0]) * SNAPSHOT_S / 3600:.2g}"
    return "stands" if alarms else "–"


def mill_table(mills: dict[str, Recorded]) -> Iterator[str]:
    """The first half of each mill's good runs commissions; novelty alone judges."""
    yield "Mills (Bosch CNC), novelty alone, commissioned from half of the good runs:"
    yield (
        "| machine | windows, runs | promise | false alarms in the other half | 3 of 5 | bad runs |"
    )
    yield "| --- | --- | --- | --- | --- | --- |"
    for name, heard in mills.items():
        good = heard.data.label == OK
        runs = list(dict.fromkeys(heard.data.run[good]))
        first = good & np.isin(heard.data.run, runs[: len(runs) // 2])
        own = commissioned(heard.level_db[first], len(runs) // 2, CUT_S)
        rest = watch(own, heard.level_db[good & ~first], MONTH_S)
        bad = watch(own, heard.level_db[heard.data.label == NG], MONTH_S)
        promised_s = promise_of(own, MONTH_S)
        yield (
            f"| {name} | {first.sum()}, {len(runs) // 2} |"
            f" {'one in ' + format(promised_s / 3600, '.2g') + ' h' if promised_s else 'REFUSED'} |"
            f" {len(rest.budget)} | {len(rest.confirmed)} |"
            f" {100 * bad.n_ng / max(1, bad.n_windows):.0f} % NG |"
        )
        yield f"  {describe(MONTH_S, own.reference)}"


if __name__ == "__main__":
    sys.exit(main())
