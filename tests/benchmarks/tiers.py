"""python -m tests.benchmarks.tiers [--points 200] [--years 3] [--json]: how much room years of
trends take, and how long they take to open and to look at.

The rows of a few points, each the sum of made-up windows, go through the
service's own writer; the other points are copies of them.
"""

from __future__ import annotations

import argparse
import json
import math
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlencode

import numpy as np

from monitor.journal.schema import connect, transaction
from monitor.journal.trends import NAMES, _Adding
from monitor.records.sketch import bucket_of
from monitor.records.trend import (
    DAY_S,
    HOUR_S,
    PROBABILITY,
    TEN_MINUTES_S,
    BandSums,
    Spread,
    TrendRow,
)
from tests.page_stage import serve

START_NS = 1_767_225_600 * 10**9  # 2026-01-01
N_MADE = 1  # point whose rows are made; the others are copies
N_VALUES = 60  # of a quantity in a row: more windows hardly fill more buckets
N_BANDS = 24
KINDS = ("network", "novelty")
# As many as signal.indicators may name one day.
INDICATORS = tuple(f"indicator_{index}" for index in range(8))
TEN_MINUTES_DAYS = 60
F_EDGES = tuple(float(edge) for edge in np.geomspace(50, 12_800, N_BANDS + 1).round(1))


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.tiers", description=__doc__
    )
    parser.add_argument("--points", type=int, default=200)
    parser.add_argument("--years", type=float, default=3.0)
    parser.add_argument("--json", action="store_true", help="end with one JSON line")
    arguments = parser.parse_args()
    n_days = round(365.25 * arguments.years)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal"
        made_s = fill(path, arguments.points, n_days)
        print(f"{arguments.points} points, {n_days} days, filled in {made_s:.0f} s")
        figures = {"filled_s": made_s, **sizes(path)}
        figures |= times(Path(folder), arguments.points, n_days)
    if arguments.json:
        print(json.dumps(figures))


def fill(path: Path, n_points: int, n_days: int) -> float:
    """Seconds that it took."""
    start_s = time.perf_counter()
    with closing(connect(path)) as link:
        n_made = min(N_MADE, n_points)
        for point in range(n_made):
            _make_point(link, point, n_days)
        for point in range(n_made, n_points):
            _copy_point(link, point % n_made, point)
        link.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return time.perf_counter() - start_s


def sensor_name(point: int) -> str:
    return f"hall {point // 40}/machine {point // 4}/bearing {point % 4}"


def _make_point(link: sqlite3.Connection, point: int, n_days: int) -> None:
    """Hours, and at the end ten minutes: what the tiers hold after so many days."""
    rng = np.random.default_rng(point)
    n_fine = min(TEN_MINUTES_DAYS, n_days)
    fine_ns = START_NS + (n_days - n_fine) * DAY_S * 10**9
    with transaction(link):
        adding = _Adding(link, {})
        for row in _rows(rng, HOUR_S, START_NS, (n_days - n_fine) * 24):
            adding._take(sensor_name(point), 1, row)
        for row in _rows(rng, TEN_MINUTES_S, fine_ns, n_fine * 144):
            adding._take(sensor_name(point), 0, row)
        adding.finish()


def _rows(
    rng: np.random.Generator, tier_s: int, start_ns: int, n: int
) -> Iterator[TrendRow]:
    """Levels that wander, as those of machines do."""
    n_quantities = len(KINDS) + len(INDICATORS)
    walk = np.cumsum(rng.normal(0, 0.01, (n, n_quantities)), axis=0)
    levels = np.exp(0.5 * np.tanh(walk))
    spectrum_db = rng.normal(-40, 10, N_BANDS)
    maps = rng.normal(0, 0.1, (len(KINDS), N_BANDS))
    for index in range(n):
        row = TrendRow(tier_s, start_ns + index * tier_s * 10**9)
        n_windows = tier_s - int(rng.integers(0, 3))
        row.windows, row.span_ns = {"OK": n_windows}, {"OK": n_windows * 10**9}
        _add_spreads(rng, row, levels[index])
        noise_db = rng.normal(0, 0.3, N_BANDS)
        power = 10 ** ((spectrum_db + noise_db + 5 * levels[index, 0]) / 10) * n_windows
        shares = rng.normal(1, 0.2, (len(KINDS), N_BANDS)) * maps * n_windows
        cells = dict(zip(KINDS, shares, strict=True))
        row.bands[F_EDGES] = BandSums(n_windows, power, cells)
        row.worst_excess, row.worst_row = float(rng.normal(-3, 1)), int(index * tier_s + 17)
        yield row


def _add_spreads(rng: np.random.Generator, row: TrendRow, levels: np.ndarray) -> None:
    names = (*KINDS, *INDICATORS)
    for name, level in zip(names, levels, strict=True):
        row.spreads[name] = _spread(level * np.exp(rng.normal(0, 0.1, N_VALUES)), 2.0)
    logits = rng.normal(-6, 1, N_VALUES)
    row.spreads["network"] = _spread(logits, 0.5)
    row.spreads[PROBABILITY] = _spread((1 / (1 + np.exp(-logits))).round(3), 0.6)


def _spread(values: np.ndarray, threshold: float) -> Spread:
    spread = Spread()
    for value in values.tolist():
        spread.add(value, threshold, bucket_of(value))
    factor = math.ceil(600 / N_VALUES)
    spread.n, spread.total = spread.n * factor, spread.total * factor
    spread.buckets = {bucket: n * factor for bucket, n in spread.buckets.items()}
    return spread


def _copy_point(link: sqlite3.Connection, source: int, target: int) -> None:
    names = sensor_name(target), sensor_name(source)
    with transaction(link):
        link.execute(
            "INSERT INTO trend (sensor, tier_s, start_ns, slots, body)"
            " SELECT ?, tier_s, start_ns, slots, body FROM trend WHERE sensor = ?",
            names,
        )
        link.execute(
            "INSERT INTO trend_open SELECT ?, tier_s, body FROM trend_open WHERE sensor = ?",
            names,
        )


def sizes(path: Path) -> dict[str, float]:
    """Of the journal, said and by name."""
    found: dict[str, float] = {}
    print(f"{'tier':<14}{'rows':>12}{'bytes a row':>14}{'MiB':>10}")
    with closing(connect(path)) as link:
        link.create_function("n_rows", 1, int.bit_count)
        query = "SELECT tier_s, sum(n_rows(slots)), sum(length(body)) FROM trend GROUP BY tier_s"
        for tier_s, n_rows, n_bytes in link.execute(query):
            each = n_bytes / n_rows
            print(f"{NAMES[tier_s]:<14}{n_rows:>12,}{each:>14.0f}{n_bytes / 2**20:>10.0f}")
            found |= {f"{NAMES[tier_s]}_rows": n_rows, f"{NAMES[tier_s]}_bytes": n_bytes}
    found["journal_bytes"] = path.stat().st_size
    print(f"the whole journal, with its indexes: {path.stat().st_size / 2**20:,.0f} MiB")
    return found


def times(folder: Path, n_points: int, n_days: int) -> dict[str, float]:
    """How long the journal takes to open, and each view of the page for three points: said, and the
    longest by name.
    """
    start_s = time.perf_counter()
    connect(folder / "journal").close()
    found = {"opened_ms": 1e3 * (time.perf_counter() - start_s)}
    print(f"opened in {found['opened_ms']:.0f} ms")
    end_ms = START_NS // 10**6 + n_days * DAY_S * 1000
    points = sorted({n_points // 5, n_points // 2, n_points - 1})
    with serve(folder, journal="journal") as page:
        _, _, headers = page.ask("GET", "/")
        session = {"Cookie": headers["set-cookie"].partition(";")[0]}
        for days in (n_days, 730, 365, 40, 7, 5, 1):
            from_ms = end_ms - round(days * DAY_S * 1000)
            took_ms = []
            for point in points:
                values = {"sensor": sensor_name(point), "from_ms": from_ms, "to_ms": end_ms}
                start_s = time.perf_counter()
                page.ask("GET", f"/api/trend?bands=1&{urlencode(values)}", headers=session)
                took_ms.append(1e3 * (time.perf_counter() - start_s))
            print(
                f"a view of {days:>5} days: {', '.join(f'{ms:.0f}' for ms in took_ms)} ms"
            )
            found[f"view_of_{days}_days_ms"] = max(took_ms)
    return found


if __name__ == "__main__":
    main()
