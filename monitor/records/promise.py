"""What an alarm with a budget rests on, and how far it has got."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from monitor.records.context import Context


@dataclass(frozen=True, slots=True)
class Step:
    """A score above `above` adds `gain` to its window's e-value."""

    above: float
    gain: float


Steps = Mapping[str, tuple[Step, ...]]  # by kind of evidence


@dataclass(frozen=True, slots=True)
class Reference:
    """What the healthy windows of a commissioning reached: all that an alarm's promise needs.

    n_windows, n_runs : that were learned from
    n_blocks : how many independent blocks they make
    block : windows in a block of the live stream
    window_s : from one window of the running machine to the next, in seconds
    healthy_s : how long the machine ran healthily meanwhile, in seconds
    alarm : high scores, for the alarm
    drift : middling ones, for the slow detector
    """

    n_windows: int
    n_runs: int
    n_blocks: int
    block: int
    window_s: float
    healthy_s: float
    alarm: Steps = field(default_factory=dict)
    drift: Steps = field(default_factory=dict)

    @property
    def block_s(self) -> float:
        return self.block * self.window_s

    def as_json(self) -> str:
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Reference:
        tree: dict[str, Any] = json.loads(text)
        for name in ("alarm", "drift"):
            tree[name] = {
                kind: tuple(Step(**step) for step in steps)
                for kind, steps in tree[name].items()
            }
        return cls(**tree)


@dataclass(frozen=True, slots=True)
class PromiseState:
    """Where a sensor's two detectors stand: all that a restart needs to go on.

    commissioning_id : that they listen by
    n_in_block : windows so far of the block that is not whole
    alarm_sum, drift_sum : of these windows' e-values
    alarm, drift : Shiryaev-Roberts statistics after the last whole block
    drift_told : an event has asked for another commissioning
    ok_context : what was told of speed, tool and the like at the last OK window
    stood_still : the machine has, since then
    """

    commissioning_id: int | None = None
    n_in_block: int = 0
    alarm_sum: float = 0.0
    drift_sum: float = 0.0
    alarm: float = 0.0
    drift: float = 0.0
    drift_told: bool = False
    ok_context: Context = field(default_factory=dict)
    stood_still: bool = False

    def as_json(self) -> str:
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> PromiseState:
        return cls(**json.loads(text))
