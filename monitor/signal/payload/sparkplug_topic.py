"""Topics of Sparkplug B: spBv1.0/group/kind/edge node, and a device behind it.

A bridge may put levels before them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from monitor.records.topic import TopicPattern

NAMESPACE = "spBv1.0"
BIRTHS = ("NBIRTH", "DBIRTH")
DEATHS = ("NDEATH", "DDEATH")
DATA = ("NDATA", "DDATA")
COMMANDS = ("NCMD", "DCMD")
KINDS = (*BIRTHS, *DEATHS, *DATA, *COMMANDS)


@dataclass(frozen=True, slots=True)
class SparkplugTopic:
    """prefix : levels before the namespace, with the slash behind them
    device : "" in messages of the edge node itself
    """

    prefix: str
    group: str
    kind: str
    edge: str
    device: str = ""

    @classmethod
    def parse(cls, topic: str) -> Self | None:
        """None for other topics, and for what is neither of an edge node nor of a device."""
        before, found, rest = f"/{topic}".partition(f"/{NAMESPACE}/")
        levels = rest.split("/")
        if not found or not 3 <= len(levels) <= 4:
            return None
        group, kind, edge, *device = levels
        if kind not in KINDS or (kind[0] == "D") != bool(device):
            return None
        return cls(f"{before[1:]}/" if before else "", group, kind, edge, *device)

    @property
    def node(self) -> tuple[str, str, str]:
        """What names the edge node."""
        return self.prefix, self.group, self.edge

    def of(self, kind: str, device: str | None = None) -> str:
        """The topic of another kind of message. device None: of the same device."""
        own = replace(self, device=self.device if device is None else device)
        levels = [f"{own.prefix}{NAMESPACE}", own.group, kind, own.edge]
        return "/".join([*levels, own.device] if own.device else levels)

    def data_of(self, device: str) -> str:
        """The topic on which a device, or "" the edge node itself, sends its data."""
        return self.of("DDATA" if device else "NDATA", device)


def in_order_with(topic: str) -> str:
    """What the messages have in common that mean something else in another order: the topic, or the
    edge node, whose births and deaths come on topics of their own.
    """
    found = SparkplugTopic.parse(topic)
    return topic if found is None else found.of("", "")


def whole_patterns(pattern: TopicPattern) -> tuple[TopicPattern, ...]:
    """All messages of the edge nodes that a pattern of their data fits; none where it is not of
    Sparkplug's topics. Raises ValueError where it is of others than data.
    """
    levels = pattern.levels
    if NAMESPACE not in levels:
        return ()
    first = levels.index(NAMESPACE) + 1
    kind = levels[first + 1] if len(levels) > first + 1 else ""
    n_levels = {"NDATA": 3, "DDATA": 4}.get(kind)
    if n_levels is None or len(levels) - first != n_levels:
        raise ValueError(
            "is none of Sparkplug's data: spBv1.0/group/DDATA/edge/device or"
            " spBv1.0/group/NDATA/edge"
        )
    node = (*levels[: first + 1], "+", levels[first + 2])
    return TopicPattern(node), TopicPattern((*node, "+"))
