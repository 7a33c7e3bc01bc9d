"""What was told of speed, load, tool and the like, with each window."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable

from monitor.journal.older import has_table
from monitor.records.context import Context

_READ = (
    "SELECT row_id, fields FROM window_context"
    " WHERE row_id IN (SELECT value FROM json_each(?))"
)


def context_of(link: sqlite3.Connection, row_ids: Iterable[int]) -> dict[int, Context]:
    """Of these windows, where any was told."""
    if not has_table(link, "window_context"):
        return {}  # a journal that an older program wrote last
    found = link.execute(_READ, (json.dumps(list(row_ids)),))
    return {row_id: json.loads(fields) for row_id, fields in found}
