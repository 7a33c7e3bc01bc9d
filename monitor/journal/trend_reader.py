"""Reading trends, from any process."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from itertools import islice
from pathlib import Path

from monitor.journal.older import has_table
from monitor.journal.schema import JournalError, connect_read_only, one_moment
from monitor.journal.trend_codec import decode
from monitor.journal.trends import block_ns, open_rows
from monitor.records.renamed import NONE, Formerly, names_of
from monitor.records.trend import TIERS_S, TrendRow, slot_ns


class TrendReader:
    """Read-only view of the trends in a journal that a service may be writing. Raises JournalError
    from every method.

    formerly : rows under a point's former names are added to its own
    """

    def __init__(self, path: Path, formerly: Formerly = NONE) -> None:
        self._link = connect_read_only(path)
        self._formerly = formerly

    def close(self) -> None:
        self._link.close()

    def rows(
        self, sensor: str, tier_s: int, from_ns: int, to_ns: int, n: int | None = None
    ) -> list[TrendRow]:
        """A sensor's rows of a tier that begin in a span of time, oldest first; the first n of
        them where n is given. All windows that are in the journal by now are in them.
        """
        with self._one_moment():
            if not has_table(self._link, "trend"):
                return []  # a journal that an older program wrote last
            found = [
                trend_rows(self._link, name, tier_s, from_ns, to_ns, n)
                for name in names_of(sensor, self._formerly)
            ]
        return found[0] if len(found) == 1 else _added(found)[:n]

    def stay(self) -> None:
        """From here on all that is read is of this moment."""
        self._link.execute("BEGIN")

    def pages(
        self, sensor: str, tier_s: int, from_ns: int, to_ns: int, n: int
    ) -> Iterator[list[TrendRow]]:
        """As rows, n at a time."""
        while rows := self.rows(sensor, tier_s, from_ns, to_ns, n):
            yield rows
            from_ns = rows[-1].start_ns + 1

    def points(self) -> list[str]:
        """All that have trends, sorted."""
        with self._one_moment():
            if not has_table(self._link, "trend"):
                return []
            query = (
                "SELECT sensor FROM trend UNION SELECT sensor FROM trend_open ORDER BY 1"
            )
            return [sensor for (sensor,) in self._link.execute(query)]

    def span_ns(self, sensor: str) -> tuple[int, int] | None:
        """From the first row's start to the last one's end, of any tier; None without rows."""
        found = self.spans_ns(sensor)
        return together(found) if found else None

    def spans_ns(self, sensor: str) -> dict[str, tuple[int, int]]:
        """The same of each of its names that has rows."""
        found = {name: self._span(name) for name in names_of(sensor, self._formerly)}
        return {name: span for name, span in found.items() if span is not None}

    def _span(self, sensor: str) -> tuple[int, int] | None:
        with self._one_moment():
            if not has_table(self._link, "trend"):
                return None
            edges = [
                (row.start_ns, row.end_ns) for row in open_rows(self._link, sensor).values()
            ]
            for tier_s in TIERS_S:
                edges += self._ends(sensor, tier_s)
        if not edges:
            return None
        return min(start for start, _ in edges), max(end for _, end in edges)

    def _ends(self, sensor: str, tier_s: int) -> list[tuple[int, int]]:
        """Start and end of the oldest and of the newest closed row."""
        found = []
        for order in ("ASC", "DESC"):
            query = (
                "SELECT body FROM trend WHERE sensor = ? AND tier_s = ?"
                f" ORDER BY start_ns {order} LIMIT 1"
            )
            for (body,) in self._link.execute(query, (sensor, tier_s)):
                found += [(row.start_ns, row.end_ns) for row in decode(body, tier_s)]
        return found

    @contextmanager
    def _one_moment(self) -> Iterator[None]:
        """All that is read inside is of one moment."""
        try:
            with nullcontext() if self._link.in_transaction else one_moment(self._link):
                yield
        except (sqlite3.Error, ValueError) as error:
            raise JournalError(f"the journal's trends cannot be read: {error}.") from error


def together(spans_ns: Mapping[str, tuple[int, int]]) -> tuple[int, int]:
    """From the first start to the last end. spans_ns : one at least"""
    starts, ends = zip(*spans_ns.values(), strict=True)
    return min(starts), max(ends)


def _added(found: Iterable[list[TrendRow]]) -> list[TrendRow]:
    """Rows of several names, those of one time added up; the last name counts as the newest."""
    whole: dict[int, TrendRow] = {}
    for row in (row for rows in found for row in rows):
        whole.setdefault(row.start_ns, TrendRow(row.tier_s, row.start_ns)).merge(row)
    return [whole[start_ns] for start_ns in sorted(whole)]


def trend_rows(
    link: sqlite3.Connection,
    sensor: str,
    tier_s: int,
    from_ns: int,
    to_ns: int,
    n: int | None = None,
) -> list[TrendRow]:
    """As TrendReader.rows, within the caller's transaction. Raises ValueError for damaged rows,
    sqlite3.Error.
    """
    rows = _closed(link, sensor, tier_s, from_ns, to_ns, n)
    for part in _still_open(link, sensor, tier_s):
        start_ns = slot_ns(tier_s, part.end_ns)
        if from_ns <= start_ns < to_ns:
            rows.setdefault(start_ns, TrendRow(tier_s, start_ns)).merge(part)
    return [rows[start_ns] for start_ns in sorted(rows)[:n]]


def _closed(
    link: sqlite3.Connection,
    sensor: str,
    tier_s: int,
    from_ns: int,
    to_ns: int,
    n: int | None,
) -> dict[int, TrendRow]:
    query = """
        SELECT body FROM trend
        WHERE sensor = ? AND tier_s = ? AND start_ns BETWEEN ? AND ? ORDER BY start_ns
    """
    first_ns = block_ns(tier_s, from_ns)
    found = link.execute(query, (sensor, tier_s, first_ns, to_ns))
    blocks = (decode(body, tier_s) for (body,) in found)
    rows = (row for block in blocks for row in sorted(block, key=_start_ns))
    inside = (row for row in rows if from_ns <= row.start_ns < to_ns)
    return {row.start_ns: row for row in islice(inside, n)}


def _start_ns(row: TrendRow) -> int:
    """In their block rows lie together that have the same quantities and bands."""
    return row.start_ns


def _still_open(link: sqlite3.Connection, sensor: str, tier_s: int) -> list[TrendRow]:
    """The open rows of this tier and below, oldest first."""
    opened = open_rows(link, sensor)
    found = [opened[one] for one in TIERS_S if one in opened and one <= tier_s]
    return sorted(found, key=lambda row: row.start_ns)
