"""Commissioning in a running service: fulfils open requests, and notices what the command line
changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from monitor.evidence.commissioning import commission_sensor, describe_rates, stated_rates
from monitor.evidence.novelty import CommissionError
from monitor.journal.commissioning import CommissioningStore, Request
from monitor.records.batch import Event
from monitor.records.commissioned import Commissioned


class Commissioner:
    """Used by the pipeline's thread. Raises JournalError while the journal cannot be written."""

    def __init__(self, journal: Path) -> None:
        self._store = CommissioningStore(journal)
        self._revision: tuple[float, ...] | None = None

    def step(self, now_ns: int) -> tuple[list[Event], Mapping[str, Commissioned] | None]:
        """What was commissioned now, and the baselines and thresholds that hold, or None where
        nothing changed.
        """
        events = [
            event
            for request in self._store.open_requests()
            for event in self._fulfil(request, now_ns)
        ]
        revision = self._store.revision()
        if revision == self._revision:
            return events, None
        self._revision = revision
        return events, self._store.active()

    def _fulfil(self, request: Request, now_ns: int) -> list[Event]:
        """[] while the request's windows are not all there."""
        windows = self._store.healthy_windows(request)
        if windows is None:
            return []
        try:
            outcome: Commissioned | str = commission_sensor(
                windows, request.false_alarm_rate, now_ns
            )
        except CommissionError as error:
            outcome = str(error)
        if not self._store.settle(request, outcome, now_ns):
            return []  # undone meanwhile
        if isinstance(outcome, str):
            return [Event(now_ns, request.sensor, "commissioning_refused", outcome)]
        rates = describe_rates(stated_rates(windows, request.false_alarm_rate))
        text = f"from {request.n_windows} windows. {rates}"
        return [Event(now_ns, request.sensor, "commissioned", text, outcome.model_id)]
