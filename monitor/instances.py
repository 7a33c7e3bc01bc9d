"""The journals of this machine that one configuration tells of: its own, or those of a Kafka
member's partitions, and those that page.instances names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from monitor.config import Config
from monitor.settings import ConfigError


@dataclass(frozen=True, slots=True)
class Instance:
    """A journal of this machine.

    name : "" for the configuration's own
    config : with that journal, and its instance
    is_ours : it is the configuration that the journal's service runs with
    """

    name: str
    config: Config
    is_ours: bool = True

    @property
    def path(self) -> Path:
        return self.config.journal.path


def local_instances(config: Config) -> list[Instance]:
    """In order: its own first. Those of partitions that lie there now."""
    named = [
        Instance(one.name, _with_journal(config, one.name, one.journal), is_ours=False)
        for one in config.page.instances
        if one.journal is not None
    ]
    parts = [of_partition(config, number) for number in partitions_there(config)]
    own = [Instance(part.instance, part) for part in parts] or [Instance("", config)]
    return own + named


def partitions_there(config: Config) -> list[int]:
    """The partitions whose journals lie in a member's folder; none where the configuration is not
    a member's.
    """
    if config.source != "kafka" or config.kafka is None:
        return []
    path = config.journal.path
    if config.kafka.partition is not None:
        return []
    pattern = re.compile(
        rf"{re.escape(path.stem)}-(0|[1-9]\d{{0,8}}){re.escape(path.suffix)}"
    )
    try:
        names = [one.name for one in path.parent.iterdir()]
    except OSError:  # whoever opens the journal says why
        return []
    return sorted(int(found[1]) for name in names if (found := pattern.fullmatch(name)))


def of_partition(config: Config, partition: int) -> Config:
    """Its journal and its instance have the partition's number. Raises ConfigError."""
    kafka, path = config.kafka, config.journal.path
    if config.source != "kafka" or kafka is None:
        raise ConfigError("--partition: is for source = kafka.")
    kafka = kafka.model_copy(update={"partition": partition})
    path = path.with_name(f"{path.stem}-{partition}{path.suffix}")
    named = _with_journal(config, f"{config.instance}-{partition}", path)
    return named.model_copy(update={"kafka": kafka})


def _with_journal(config: Config, name: str, path: Path) -> Config:
    journal = config.journal.model_copy(update={"path": path})
    return config.model_copy(update={"instance": name, "journal": journal})
