"""`camshaft run`: the service, until SIGTERM."""

from __future__ import annotations

import argparse
import logging

from monitor.allocator import keep_freed_memory
from monitor.commands.arguments import add_config
from monitor.config_file import load_config
from monitor.config_pairs import doubts
from monitor.log_lines import set_up

EXAMPLES = (
    "camshaft run",
    "camshaft run -c /etc/camshaft/camshaft.yaml",
)
EXIT_CODES = {
    0: "stopped by SIGTERM or Ctrl-C",
    2: "refused: configuration, model or journal cannot be used",
    70: "a part of the service failed; systemd starts it again",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)


def run(arguments: argparse.Namespace) -> int:
    """Exit codes: 0 stopped; 2 refused; 70 a thread failed."""
    # Most of a start: not spent where the configuration is refused.
    from monitor.service import Service

    config = load_config(arguments.config)
    set_up(config.logging.level, config.logging.levels, config.logging.format)
    for doubt in doubts(config):
        logging.getLogger(__name__).warning("%s", doubt)
    keep_freed_memory()
    return Service(arguments.config, config).run()
