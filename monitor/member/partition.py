"""The configuration of one partition's process, made of its member's."""

from __future__ import annotations

from pathlib import Path

from monitor.config import Config, ConfigError
from monitor.config_file import load_config


def of_partition(config: Config, partition: int) -> Config:
    """Its journal and its instance have the partition's number. Raises ConfigError."""
    kafka, path = config.kafka, config.journal.path
    if config.source != "kafka" or kafka is None:
        raise ConfigError("--partition: is for source = kafka.")
    path = path.with_name(f"{path.stem}-{partition}{path.suffix}")
    return config.model_copy(
        update={
            "instance": f"{config.instance}-{partition}",
            "kafka": kafka.model_copy(update={"partition": partition}),
            "journal": config.journal.model_copy(update={"path": path}),
        }
    )


def load_partition(path: Path, partition: int) -> Config:
    """Raises ConfigError."""
    return of_partition(load_config(path), partition)
