"""The settings that the service runs with, as others may see them, and orders to reload them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitor.journal.events import store_events
from monitor.journal.schema import connect_existing, reading, transaction
from monitor.records.batch import Event
from monitor.records.notes import signed

RELOAD_ASKED = "reload_asked"  # the kind of an event
_READ = "SELECT at_ns, salt, leaves, refused FROM in_use"
_TELL = "INSERT OR REPLACE INTO in_use VALUES (1, ?, ?, ?, '')"
_REFUSE = "UPDATE in_use SET refused = ?"
_ORDER = "INSERT INTO reload_order (at_ns, author) VALUES (?, ?)"
_OPEN = "SELECT 1 FROM reload_order LIMIT 1"
_TAKE = "DELETE FROM reload_order"


@dataclass(frozen=True, slots=True)
class InUse:
    """What the service took last.

    at_ns : when it did
    salt : of the fingerprints
    leaves : by key: the value as it may be shown, and a fingerprint of the whole
    refused : why it did not take what it was to read after that; "" where it did
    """

    at_ns: int
    salt: bytes
    leaves: Mapping[str, tuple[str, str]]
    refused: str = ""


class InUseStore:
    """A connection of its own, for service and page. Raises JournalError."""

    def __init__(self, path: Path) -> None:
        self._link = connect_existing(path)

    def close(self) -> None:
        self._link.close()

    def tell(self, found: InUse) -> None:
        with transaction(self._link) as link:
            link.execute(_TELL, (found.at_ns, found.salt, json.dumps(dict(found.leaves))))

    def refuse(self, why: str) -> None:
        """The service keeps the settings it had."""
        with transaction(self._link) as link:
            link.execute(_REFUSE, (why,))

    def read(self) -> InUse | None:
        """None where no service has told yet."""
        found = self._first(_READ)
        if found is None:
            return None
        at_ns, salt, leaves, refused = found
        values = {key: (shown, mark) for key, (shown, mark) in json.loads(leaves).items()}
        return InUse(at_ns, salt, values, refused)

    def order(self, author: str, comment: str, at_ns: int) -> None:
        """Make the service read its settings again."""
        text = signed("reload of the settings asked for", author, comment)
        with transaction(self._link) as link:
            link.execute(_ORDER, (at_ns, author))
            store_events(link, Event(at_ns, "", RELOAD_ASKED, text))

    def take(self) -> bool:
        """Whether somebody has asked since. A connection that only looks writes nothing."""
        if self._first(_OPEN) is None:
            return False
        with transaction(self._link) as link:
            link.execute(_TAKE)
        return True

    def _first(self, query: str) -> Any:
        with reading():
            return self._link.execute(query).fetchone()
