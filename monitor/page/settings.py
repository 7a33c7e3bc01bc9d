"""What the configuration file would change in the service, and having it read again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any

from monitor.config import Config
from monitor.journal.in_use import InUseStore
from monitor.page.views import NS_PER_MS, Tree
from monitor.records.notes import check_note
from monitor.settings import ConfigError
from monitor.settings_in_use import changes


def settings_view(page: Config, read: Callable[[], Config]) -> Tree:
    """The file against what runs. Raises JournalError.

    page : what the page itself runs with
    read : its configuration file as it is now; raises ConfigError
    since_ms : when the service took its settings; null where none has told
    refused : why it did not take those of the last reload
    wrong : why the file cannot be used as it is now
    """
    with closing(InUseStore(page.journal.path)) as store:
        running = store.read()
    tree: Tree = {
        "since_ms": None if running is None else running.at_ns / NS_PER_MS,
        "refused": "" if running is None else running.refused,
        "wrong": "",
        "changes": [],
    }
    try:
        wanted = read()
    except ConfigError as error:
        return tree | {"wrong": str(error)}
    if running is None:
        return tree
    return tree | {
        "changes": [
            {
                "key": one.key,
                "running": one.running,
                "wanted": one.wanted,
                "takes": one.takes,
            }
            for one in changes(running, page, wanted)
        ]
    }


def order_reload(page: Config, values: Mapping[str, Any], now_ns: int) -> None:
    """From author and comment. Raises NoteError, JournalError."""
    author, comment = check_note(values)
    with closing(InUseStore(page.journal.path)) as store:
        store.order(author, comment, now_ns)
