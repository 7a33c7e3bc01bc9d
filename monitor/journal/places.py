"""How far outputs have got, for those who ask about all of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Literal

RowKind = Literal["verdict", "event", "health", "trend"]
ID_OF_KIND: dict[RowKind, str] = {
    "verdict": "row_id",
    "event": "event_id",
    "health": "health_id",
    "trend": "change_id",
}
TABLE_OF_KIND: dict[RowKind, str] = {
    "verdict": "verdict_row",
    "event": "event",
    "health": "health",
    "trend": "trend_change",
}


def furthest_behind(link: sqlite3.Connection, outputs: Iterable[str]) -> int | None:
    """The last verdict that every one of these outputs has; None where none takes verdicts."""
    names = list(outputs)
    marks = ", ".join("?" * len(names))
    found = link.execute(
        f"SELECT min(cursor) FROM output_cursor WHERE kind = 'verdict' AND output IN ({marks})",
        names,
    ).fetchone()
    return None if found[0] is None else int(found[0])
