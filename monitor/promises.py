"""What the alarms with a budget promise, sensor by sensor: for the command line and the page."""

from __future__ import annotations

from collections.abc import Container

from monitor.commissioner import Targets, promise_text
from monitor.config import Config
from monitor.evidence.model_folder import ModelError
from monitor.journal.commissioning import promise_basis
from monitor.records.commissioned import Commissioned
from monitor.settings import ConfigError

DRIFTED = (
    "Promised no more: windows that are still OK no longer sound as in the commissioning; look at"
    " the machine, and if it is healthy commission it again."
)


def promises(config: Config, only: str | None = None) -> dict[str, str]:
    """One sentence for each sensor of the journal whose rule has a budget; of one alone where it is
    named. Raises JournalError.
    """
    if all(rule.alarm.budget is None for rule in config.sensors):
        return {}
    if not config.journal.path.exists():
        return {}
    basis = promise_basis(config.journal.path)
    targets = Targets(config)
    found = {}
    for sensor in basis.sensors:
        if only is None or sensor == only:
            own = basis.active.get(sensor)
            found[sensor] = _promise(targets, sensor, own, basis.drifted)
    return {sensor: text for sensor, text in found.items() if text}


def _promise(
    targets: Targets, sensor: str, own: Commissioned | None, drifted: Container[int | None]
) -> str:
    try:
        target = targets.of(sensor)
    except (ConfigError, ModelError) as error:
        return f"No promise: {error}"
    text = "" if target is None else promise_text(target, own)
    if text and own is not None and own.commissioning_id in drifted:
        return DRIFTED
    return text
