"""`camshaft forward`: MQTT to Kafka, until SIGTERM."""

from __future__ import annotations

import argparse

from monitor.allocator import keep_freed_memory
from monitor.commands.arguments import add_config
from monitor.config_file import load_config
from monitor.log_lines import set_up

EXAMPLES = (
    "camshaft forward",
    "camshaft forward -c /etc/camshaft/camshaft.yaml",
)
EXIT_CODES = {
    0: "stopped by SIGTERM or Ctrl-C",
    2: "refused: the configuration cannot be used",
    70: "a part of it failed; systemd starts it again",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)


def run(arguments: argparse.Namespace) -> int:
    """Exit codes: 0 stopped; 2 refused; 70 failed."""
    # The client of Kafka is an extra, and half of a start.
    from monitor.forward.forwarder import forwarder

    config = load_config(arguments.config)
    set_up(config.logging.level, config.logging.levels, config.logging.format)
    keep_freed_memory()
    return forwarder(config).run()
