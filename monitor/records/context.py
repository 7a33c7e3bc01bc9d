"""What a machine does beside vibrating: its speed, load, temperature, product, tool."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

Value = float | str
Context = Mapping[str, Value]  # by name
NO_CONTEXT: Context = MappingProxyType({})
# Name, machine and point that it is of; "" for all points of a machine, or all machines.
ContextKey = tuple[str, str, str]


def keys_for(sensor: str, name: str) -> tuple[ContextKey, ...]:
    """Under which a value of a sensor may be told: a point's goes before its machine's, and that
    before what is told of all machines.
    """
    machine, _, point = sensor.rpartition("/")
    return (name, machine, point), (name, machine, ""), (name, "", "")


@dataclass(frozen=True, slots=True)
class Told:
    """A value and how long it counts."""

    value: Value
    at_ns: int
    valid_ns: int

    def is_valid(self, now_ns: int) -> bool:
        return now_ns - self.at_ns <= self.valid_ns


def in_words(context: Context) -> str:
    """ "speed_rpm 1480, tool T4"."""
    return ", ".join(
        f"{name} {value if isinstance(value, str) else format(value, '.6g')}"
        for name, value in context.items()
    )
