"""Commissioning from the page: the same guard as the command line's, and the same words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from monitor.commissioner import Attempt, Targets, commission_now, undo_now
from monitor.config import Config
from monitor.journal.commissioning import CommissioningStore, Request
from monitor.records.notes import MAX_SENSOR, NoteError, check_note, integer

N_WINDOWS, MAX_WINDOWS = 100, 5000


def commission(config: Config, values: Mapping[str, object], now_ns: int) -> Attempt:
    """From sensor, n_windows, author, comment and even_so. Raises NoteError, ConfigError,
    ModelError or JournalError.
    """
    author, comment = _who(values)
    even_so = bool(values.get("even_so"))
    if even_so and not comment:
        raise NoteError(
            "The comment is missing: say why the sensor is commissioned even so."
        )
    n_windows = integer(values, "n_windows")
    n_windows = N_WINDOWS if n_windows is None else n_windows
    if not 1 <= n_windows <= MAX_WINDOWS:
        raise NoteError(f"n_windows = {n_windows}: must be from 1 to {MAX_WINDOWS}.")
    with _sensor(config, values) as (store, sensor):
        target = Targets(config).of(sensor)
        if target is None:
            raise NoteError(f"{sensor}: no rule under sensors matches it.")
        why = comment if even_so else ""
        request = Request(sensor, n_windows, author=author, even_so=why)
        return commission_now(store, request, target, now_ns)


def undo(config: Config, values: Mapping[str, object], now_ns: int) -> str:
    """What holds now. Raises as commission does."""
    author, _ = _who(values)
    with _sensor(config, values) as (store, sensor):
        text = undo_now(store, sensor, Targets(config).of(sensor), author, now_ns)
    if text is None:
        raise NoteError(f"{sensor}: nothing to undo.")
    return text


def _who(values: Mapping[str, object]) -> tuple[str, str]:
    author, comment = check_note(values)
    if not author:
        raise NoteError(
            "The name is missing: whoever commissions a sensor says who it was."
        )
    return author, comment


@contextmanager
def _sensor(
    config: Config, values: Mapping[str, object]
) -> Iterator[tuple[CommissioningStore, str]]:
    store = CommissioningStore(config.journal.path)
    try:
        sensor = values.get("sensor")
        if not isinstance(sensor, str) or sensor not in store.sensors():
            raise NoteError(
                f"sensor = {str(sensor)[:MAX_SENSOR]!r}: the journal does not know it."
            )
        yield store, sensor
    finally:
        store.close()
