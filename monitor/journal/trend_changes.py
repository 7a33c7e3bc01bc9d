"""Which rows of trends outputs have yet to get.

A row of ten minutes grows at every commit. So it is noted once it is closed,
when windows come late to it, and when its sensor falls silent; the row of its
hour along with it. A note says which rows, not what is in them: whoever reads
it gets them as they are then, and a row that changes later is noted again.

Notes go once every output has read them. An output that is new, or comes back
after they went, has all rows noted for it.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterable, Iterator

from monitor.journal.schema import END_NS
from monitor.journal.trend_codec import decode
from monitor.journal.trend_reader import trend_rows
from monitor.journal.trends import ROWS_PER_BLOCK, note_change, slot_bit
from monitor.records.trend import FED_TIERS_S, ChangedTrends, TrendRow, slot_ns

log = logging.getLogger(__name__)

_NOTES = """
SELECT change_id, sensor, tier_s, start_ns, slots FROM trend_change
WHERE change_id > ? ORDER BY change_id LIMIT ?
"""
_TIERS = ", ".join(map(str, FED_TIERS_S))
# Of the blocks that hold a row which begins in a span of time.
_BLOCKS = f"""
SELECT sensor, tier_s, start_ns, slots FROM trend
WHERE tier_s IN ({_TIERS}) AND start_ns + {ROWS_PER_BLOCK} * 1000000000 * tier_s > ?
AND start_ns <= ? ORDER BY start_ns
"""
_IS_GAP = """
SELECT seq > ? AND NOT EXISTS (SELECT 1 FROM trend_change WHERE change_id = ?)
FROM sqlite_sequence WHERE name = 'trend_change'
"""
# A refused one may be wanted again.
_PRUNE = """
DELETE FROM trend_change WHERE change_id <= ? AND change_id NOT IN (
    SELECT row_id FROM dead_letter WHERE kind = 'trend')
"""


def changes(
    link: sqlite3.Connection, after: int, limit: int
) -> Iterator[tuple[int, ChangedTrends]]:
    """The oldest notes after one, each with its rows. Of `limit` rows together, or one note. To be
    read within one transaction.
    """
    n_rows = 0
    for change_id, sensor, tier_s, start_ns, slots in link.execute(_NOTES, (after, limit)):
        n_rows += slots.bit_count()
        if n_rows > max(limit, ROWS_PER_BLOCK):
            return
        rows = _noted_rows(link, sensor, tier_s, start_ns, slots)
        yield change_id, ChangedTrends(sensor, rows)


def note_all(link: sqlite3.Connection, from_ns: int = 0, to_ns: int = END_NS) -> int:
    """Note all rows of the blocks that overlap a span of time, and the open ones. Returns how many
    notes it took.
    """
    insert = "INSERT INTO trend_change (sensor, tier_s, start_ns, slots) "
    n_notes = link.execute(insert + _BLOCKS, (from_ns, to_ns)).rowcount
    opened = _open_rows(link, from_ns, to_ns)
    for sensor, tier_s, start_ns in opened:
        note_change(link, sensor, tier_s, start_ns)
    return n_notes + len(opened)


def count_all(link: sqlite3.Connection, from_ns: int, to_ns: int) -> tuple[int, int, int]:
    """How many notes note_all would take; where the first row begins and the last one ends."""
    blocks = link.execute(_BLOCKS, (from_ns, to_ns)).fetchall()
    spans = [(start, start + ROWS_PER_BLOCK * tier * 10**9) for _, tier, start, _ in blocks]
    opened = _open_rows(link, from_ns, to_ns)
    spans += [(start, start + tier * 10**9) for _, tier, start in opened]
    first_ns = min((start for start, _ in spans), default=0)
    return len(spans), first_ns, max((end for _, end in spans), default=0)


def has_gap(link: sqlite3.Connection, after: int) -> bool:
    """Notes that followed this one were deleted before an output that had got here read them."""
    found = link.execute(_IS_GAP, (after, after + 1)).fetchone()
    return found is not None and bool(found[0])


def prune_changes(link: sqlite3.Connection, outputs: Iterable[str]) -> None:
    """Delete the notes that all of these outputs have read; all where none of them takes trends."""
    names = list(outputs)
    marks = ", ".join("?" * len(names))
    query = (
        "SELECT min(cursor) FROM output_cursor"
        f" WHERE kind = 'trend' AND output IN ({marks})"
    )
    (read,) = link.execute(query, names).fetchone()
    link.execute(_PRUNE, (END_NS if read is None else read,))


def _noted_rows(
    link: sqlite3.Connection, sensor: str, tier_s: int, start_ns: int, slots: int
) -> list[TrendRow]:
    """Those that are still there, and can be read."""
    end_ns = start_ns + ROWS_PER_BLOCK * tier_s * 10**9
    try:
        rows = trend_rows(link, sensor, tier_s, start_ns, end_ns)
    except ValueError as error:
        log.error("Trends of %s are not sent: %s.", sensor, error)
        return []
    return [row for row in rows if slots & slot_bit(tier_s, row.start_ns)]


def _open_rows(
    link: sqlite3.Connection, from_ns: int, to_ns: int
) -> dict[tuple[str, int, int], None]:
    """Sensor, tier and start of the rows that are still open, or part of which is."""
    query = f"SELECT sensor, tier_s, body FROM trend_open WHERE tier_s IN ({_TIERS})"
    found: dict[tuple[str, int, int], None] = {}
    for sensor, tier_s, body in link.execute(query):
        for row in decode(body, tier_s):
            if from_ns < row.end_ns and row.start_ns <= to_ns:
                above = [tier for tier in FED_TIERS_S if tier >= tier_s]
                found |= {(sensor, tier, slot_ns(tier, row.end_ns)): None for tier in above}
    return found
