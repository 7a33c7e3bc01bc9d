"""The configuration of one partition's process, made of its member's."""

from __future__ import annotations

from pathlib import Path

from monitor.config import Config
from monitor.config_file import load_config
from monitor.instances import of_partition


def load_partition(path: Path, partition: int) -> Config:
    """Raises ConfigError."""
    return of_partition(load_config(path), partition)
