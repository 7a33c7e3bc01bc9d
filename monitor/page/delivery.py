"""Sending rows to a database again, as the page asks for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from monitor.config import Config
from monitor.config_outputs import InfluxSettings
from monitor.journal.resend import (
    ResendError,
    ResendPlan,
    ResendRequest,
    ResendStore,
)
from monitor.journal.schema import END_NS
from monitor.page.views import NS_PER_MS
from monitor.records.notes import check_note, integer


def resend(config: Config, values: Mapping[str, Any], now_ns: int) -> ResendPlan:
    """Have the rows sent that the values name; without preview false, only say which these are.

    Raises ResendError, NoteError, JournalError.
    """
    request, (author, comment) = _request(values, config.influx), check_note(values)
    store = ResendStore(config.journal.path)
    try:
        if values.get("preview") is not False:
            return store.plan(request)
        return store.order(request, author, comment, now_ns)
    finally:
        store.close()


def _request(
    values: Mapping[str, Any], databases: Sequence[InfluxSettings]
) -> ResendRequest:
    """A request to send rows again. Raises ResendError, NoteError."""
    output, names = values.get("output"), [database.name for database in databases]
    if output not in names:
        raise ResendError(
            f"output = {str(output)[:80]!r}: must be one of {', '.join(names)}."
        )
    from_ms, to_ms = integer(values, "from_ms"), integer(values, "to_ms")
    only = values.get("refused_only") is not False
    if from_ms is None and not only:
        raise ResendError(
            "from_ms is missing: rows that were accepted need a span of time."
        )
    to_ns = END_NS if to_ms is None else min(to_ms * NS_PER_MS, END_NS)
    return ResendRequest(str(output), min((from_ms or 0) * NS_PER_MS, END_NS), to_ns, only)
