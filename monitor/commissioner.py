"""The commissioning flow, for the command line and the running service alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from monitor.evidence.commissioning import commission_sensor, describe_rates
from monitor.evidence.novelty import CommissionError
from monitor.journal.commissioning import CommissioningStore, Request
from monitor.records.batch import Event
from monitor.records.commissioned import Commissioned, HealthyWindows


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of a request.

    commissioned : None where the windows cannot carry it
    text : what false alarms to expect, or why it was refused
    """

    commissioned: Commissioned | None
    text: str

    @property
    def outcome(self) -> Commissioned | str:
        """As the journal keeps it."""
        return self.text if self.commissioned is None else self.commissioned


def attempt(windows: HealthyWindows, request: Request, now_ns: int) -> Attempt:
    """Commission a sensor from its windows. Touches no journal."""
    try:
        found = commission_sensor(windows, request.false_alarm_rate, now_ns)
    except CommissionError as error:
        return Attempt(None, str(error))
    return Attempt(found.commissioned, describe_rates(found.rates))


class Commissioner:
    """Fulfils open requests in the service, and notices what the command line changed.

    Used by the pipeline's thread. Raises JournalError while the journal cannot be written.
    """

    def __init__(self, journal: Path) -> None:
        self._store = CommissioningStore(journal)
        self._revision: tuple[float, ...] | None = None

    def step(self, now_ns: int) -> tuple[list[Event], Mapping[str, Commissioned] | None]:
        """What was commissioned now, and the baselines and thresholds that hold.

        The second is None where nothing has changed.
        """
        requests = self._store.open_requests()
        events = [event for request in requests for event in self._fulfil(request, now_ns)]
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
        made = attempt(windows, request, now_ns)
        if not self._store.settle(request, made.outcome, now_ns):
            return []  # undone meanwhile
        if made.commissioned is None:
            return [Event(now_ns, request.sensor, "commissioning_refused", made.text)]
        text = f"from {request.n_windows} windows. {made.text}"
        model_id = made.commissioned.model_id
        return [Event(now_ns, request.sensor, "commissioned", text, model_id)]
