"""What a configuration file would change in the service that runs. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2s
from typing import Any, Literal

from monitor.config import Config
from monitor.journal.in_use import InUse
from monitor.redacted import BLOT, redacted

# Sections that the service reads at its start alone.
NEEDS_RESTART = (
    "advice",
    "influx",
    "instance",
    "journal",
    "kafka",
    "kafka_output",
    "mqtt",
    "notifications",
    "prometheus",
    "source",
    "workers",
)
PAGE = "page"  # the page's own section, of which the service knows nothing
NOT_SET = "not set"
MARK_BYTES = 8

Effect = Literal["reload", "restart", "restart of the page"]


@dataclass(frozen=True, slots=True)
class Change:
    """running, wanted : as they may be shown. takes : what brings it into force"""

    key: str
    running: str
    wanted: str
    takes: Effect


def in_use(config: Config, at_ns: int, salt: bytes) -> InUse:
    """All settings by key, such as sensors[0].sample_rate_hz: as they may be shown, and a
    fingerprint by which a changed secret is known without being told.
    """
    shown = dict(_leaves(redacted(config)))
    whole = _leaves(config.model_dump(mode="json"))
    values = {
        key: (shown.get(key, BLOT), _mark(value, salt))
        for key, value in whole
        if key in shown or value != "null"
    }
    return InUse(at_ns, salt, values)


def changes(running: InUse, page: Config, wanted: Config) -> list[Change]:
    """What differs between what runs and what a file says now, by key.

    page : what the page itself runs with
    """
    before = dict(running.leaves)
    own = in_use(page, 0, running.salt).leaves
    before = {key: value for key, value in before.items() if _section(key) != PAGE}
    before |= {key: value for key, value in own.items() if _section(key) == PAGE}
    after = in_use(wanted, 0, running.salt).leaves
    return [
        Change(key, _shown(before, key), _shown(after, key), _takes(key))
        for key in sorted(before.keys() | after.keys())
        if _is_other(before.get(key), after.get(key))
    ]


def _is_other(before: tuple[str, str] | None, after: tuple[str, str] | None) -> bool:
    return (before and before[1]) != (after and after[1])


def _shown(values: Mapping[str, tuple[str, str]], key: str) -> str:
    return values[key][0] if key in values else NOT_SET


def _takes(key: str) -> Effect:
    section = _section(key)
    if section == PAGE:
        return "restart of the page"
    return "restart" if section in NEEDS_RESTART else "reload"


def _section(key: str) -> str:
    return key.partition(".")[0].partition("[")[0]


def _leaves(tree: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Each value that holds no other, as JSON, by its way through the tree."""
    if isinstance(tree, Mapping) and tree:
        for name, one in tree.items():
            yield from _leaves(one, f"{key}.{name}" if key else str(name))
    elif isinstance(tree, list) and any(isinstance(one, Mapping) for one in tree):
        for number, one in enumerate(tree):
            yield from _leaves(one, f"{key}[{number}]")
    else:
        yield key, json.dumps(tree, ensure_ascii=False)


def _mark(value: str, salt: bytes) -> str:
    return blake2s(value.encode(), key=salt, digest_size=MARK_BYTES).hexdigest()
