"""Trends: what ten minutes, an hour, a day of a sensor come to, for as long as anybody may ask.

They are written in the transaction of the windows that they sum up, so they are
exact after any crash. To be cheap at every commit, only a sensor's row of the
present ten minutes is written then, its **open** row. When a window of other
ten minutes comes, the row is closed: it joins the closed rows, 48 in a block,
and is added to the hour's open row, and so on up to the day. A window that
comes late is added to the closed row that it belongs to and to those above. So
each tier has all but what is still open below it: reading adds that
(trend_reader.py).
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from monitor.journal.trend_codec import decode, encode_closed, encode_open
from monitor.records.trend import (
    FED_TIERS_S,
    TIERS_S,
    BandSums,
    TrendRow,
    all_band_sums,
    slot_ns,
)
from monitor.records.verdict import Status, Verdict

ROWS_PER_BLOCK = 48
NAMES = {600: "ten_minutes", 3600: "hours", 86400: "days"}

_PUT_OPEN = "INSERT OR REPLACE INTO trend_open VALUES (?, ?, ?)"
_BLOCK_KEY = "sensor = ? AND tier_s = ? AND start_ns = ?"
_PUT_BLOCK = (
    "INSERT INTO trend (sensor, tier_s, start_ns, slots, body) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT DO UPDATE SET slots = excluded.slots, body = excluded.body"
)
# Where no output ever took trends, nobody will ask for changes.
_NOTE_CHANGE = """
INSERT INTO trend_change (sensor, tier_s, start_ns, slots) SELECT ?, ?, ?, ?
WHERE EXISTS (SELECT 1 FROM output_cursor WHERE kind = 'trend')
"""
_OLDEST_BLOCKS = """
SELECT block_id, slots FROM trend
WHERE tier_s = ? AND start_ns <= ? ORDER BY start_ns LIMIT ?
"""


@dataclass(frozen=True, slots=True)
class StoredWindow:
    """A window that this transaction stored; end_ns: as the journal holds it."""

    row_id: int
    end_ns: int
    verdict: Verdict


def block_ns(tier_s: int, start_ns: int) -> int:
    """Where the block begins that a closed row belongs to."""
    width_ns = ROWS_PER_BLOCK * tier_s * 10**9
    return start_ns // width_ns * width_ns


def slot_bit(tier_s: int, start_ns: int) -> int:
    """Of the bit mask that says which rows a block has."""
    return 1 << (start_ns // (tier_s * 10**9) % ROWS_PER_BLOCK)


class TrendWriter:
    """Adds windows to the tiers, within the caller's transaction. Where that fails: forget()."""

    def __init__(self) -> None:
        # Each sensor's open rows, by tier, as the journal has them.
        self._open: dict[str, dict[int, TrendRow]] = {}

    def forget(self) -> None:
        """The transaction was rolled back: read again what the journal holds."""
        self._open.clear()

    def add(self, link: sqlite3.Connection, windows: Sequence[StoredWindow]) -> None:
        """Sum up windows that the journal did not hold before, in the order they came."""
        adding = _Adding(link, self._open)
        sums = all_band_sums([window.verdict for window in windows])
        for window, bands in zip(windows, sums, strict=True):
            adding.add(window, bands)
        adding.finish()


class _Adding:
    """One transaction's work."""

    def __init__(
        self, link: sqlite3.Connection, opened: dict[str, dict[int, TrendRow]]
    ) -> None:
        self._link = link
        self._all_open = opened
        self._changed: set[tuple[str, int]] = set()  # open rows to write
        self._late: dict[tuple[str, int], TrendRow] = {}
        # Rows that outputs are to get; a dictionary keeps their order.
        self._noted: dict[tuple[str, int, int], None] = {}

    def add(self, window: StoredWindow, bands: BandSums | None) -> None:
        sensor = window.verdict.sensor
        start_ns = slot_ns(TIERS_S[0], window.end_ns)
        row = self._row_for(sensor, start_ns)
        row.add(window.row_id, window.verdict, bands)
        if window.verdict.status is Status.NO_DATA:  # it may stay open for long
            for tier_s in FED_TIERS_S:
                self._note(sensor, tier_s, slot_ns(tier_s, window.end_ns))

    def finish(self) -> None:
        for (sensor, _), part in self._late.items():
            self._take(sensor, 0, part)
        for sensor, tier_s, start_ns in self._noted:
            note_change(self._link, sensor, tier_s, start_ns)
        changed = list(self._changed)
        bodies = encode_open([self._all_open[sensor][tier_s] for sensor, tier_s in changed])
        rows = [(*key, body) for key, body in zip(changed, bodies, strict=True)]
        self._link.executemany(_PUT_OPEN, rows)

    def _row_for(self, sensor: str, start_ns: int) -> TrendRow:
        """The row of ten minutes that a window is added to: the open one, or one of late
        windows."""
        tier_s = TIERS_S[0]
        opened = self._open(sensor).get(tier_s)
        if opened is None or opened.start_ns != start_ns:
            if (sensor, start_ns) in self._late:
                return self._late[sensor, start_ns]
            if self._is_closed(sensor, tier_s, start_ns):
                part = self._late[sensor, start_ns] = TrendRow(tier_s, start_ns)
                return part
            opened = self._open_new(sensor, 0, start_ns)
        self._changed.add((sensor, tier_s))
        return opened

    def _take(self, sensor: str, tier: int, part: TrendRow) -> None:
        """Add a part to the row of a tier that it belongs to."""
        tier_s = TIERS_S[tier]
        start_ns = slot_ns(tier_s, part.end_ns)
        self._note(sensor, tier_s, start_ns)
        opened = self._open(sensor).get(tier_s)
        if opened is not None and opened.start_ns == start_ns:
            opened.merge(part)
            self._changed.add((sensor, tier_s))
        elif self._is_closed(sensor, tier_s, start_ns):
            self._add_to_closed(sensor, tier_s, start_ns, part)
            if tier + 1 < len(TIERS_S):
                self._take(sensor, tier + 1, part)
        else:
            self._open_new(sensor, tier, start_ns).merge(part)

    def _open_new(self, sensor: str, tier: int, start_ns: int) -> TrendRow:
        """Close the open row, if there is one, and begin another."""
        tier_s = TIERS_S[tier]
        rows = self._open(sensor)
        closing = rows.get(tier_s)
        opened = rows[tier_s] = TrendRow(tier_s, start_ns)
        self._changed.add((sensor, tier_s))
        if closing is not None:
            self._add_to_closed(sensor, tier_s, closing.start_ns, closing)
            if tier + 1 < len(TIERS_S):
                self._take(sensor, tier + 1, closing)
        return opened

    def _add_to_closed(
        self, sensor: str, tier_s: int, start_ns: int, part: TrendRow
    ) -> None:
        self._note(sensor, tier_s, start_ns)
        rows = self._block(sensor, tier_s, start_ns)
        if start_ns in rows:
            rows[start_ns].is_late = True
        rows.setdefault(start_ns, TrendRow(tier_s, start_ns)).merge(part)
        body = encode_closed(rows[key] for key in sorted(rows))
        block = block_ns(tier_s, start_ns)
        slots = sum(slot_bit(tier_s, key) for key in rows)
        self._link.execute(_PUT_BLOCK, (sensor, tier_s, block, slots, body))

    def _note(self, sensor: str, tier_s: int, start_ns: int) -> None:
        if tier_s in FED_TIERS_S:
            self._noted[sensor, tier_s, start_ns] = None

    def _is_closed(self, sensor: str, tier_s: int, start_ns: int) -> bool:
        key = (sensor, tier_s, block_ns(tier_s, start_ns))
        found = self._link.execute(
            "SELECT slots FROM trend WHERE " + _BLOCK_KEY, key
        ).fetchone()
        return found is not None and bool(found[0] & slot_bit(tier_s, start_ns))

    def _block(self, sensor: str, tier_s: int, start_ns: int) -> dict[int, TrendRow]:
        """The closed rows of a block, by their start."""
        key = (sensor, tier_s, block_ns(tier_s, start_ns))
        found = self._link.execute(
            "SELECT body FROM trend WHERE " + _BLOCK_KEY, key
        ).fetchone()
        rows = decode(found[0], tier_s) if found else ()
        return {row.start_ns: row for row in rows}

    def _open(self, sensor: str) -> dict[int, TrendRow]:
        rows = self._all_open.get(sensor)
        if rows is None:
            rows = self._all_open[sensor] = open_rows(self._link, sensor)
        return rows


def open_rows(link: sqlite3.Connection, sensor: str) -> dict[int, TrendRow]:
    """A sensor's open rows, by tier."""
    found = link.execute("SELECT tier_s, body FROM trend_open WHERE sensor = ?", (sensor,))
    return {tier_s: decode(body, tier_s)[0] for tier_s, body in found}


def note_change(link: sqlite3.Connection, sensor: str, tier_s: int, start_ns: int) -> None:
    """Outputs are to get a row, as it is when they ask; trend_changes.py says when."""
    block = block_ns(tier_s, start_ns)
    link.execute(_NOTE_CHANGE, (sensor, tier_s, block, slot_bit(tier_s, start_ns)))


def thin_trends(
    link: sqlite3.Connection, kept_s: Mapping[int, int], now_ns: int, n_blocks: int
) -> Counter[str]:
    """Delete blocks that are older than their tier is kept; a bounded step. Returns the rows taken,
    by the tier's name.

    Age counts from the newest window at the latest: a host's clock that steps
    years ahead deletes nothing.
    """
    newest = link.execute(
        "SELECT end_ns FROM verdict ORDER BY row_id DESC LIMIT 1"
    ).fetchone()
    taken: Counter[str] = Counter()
    if newest is None:
        return taken
    for tier_s, seconds in kept_s.items():
        end_ns = min(now_ns, newest[0]) - seconds * 10**9
        last_ns = end_ns - ROWS_PER_BLOCK * tier_s * 10**9
        chosen = link.execute(_OLDEST_BLOCKS, (tier_s, last_ns, n_blocks)).fetchall()
        link.executemany(
            "DELETE FROM trend WHERE block_id = ?", [one[:1] for one in chosen]
        )
        taken[NAMES[tier_s]] += sum(slots.bit_count() for _, slots in chosen)
    return taken
