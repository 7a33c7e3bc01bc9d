"""`camshaft run`: the service, until SIGTERM."""

from __future__ import annotations

import argparse
import logging
import sys
import time

from monitor.allocator import keep_freed_memory
from monitor.commands.arguments import add_config
from monitor.config_file import load_config
from monitor.config_pairs import doubts

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
    from monitor.service import (
        Service,  # after the configuration was found good: it takes most of a start
    )

    config = load_config(arguments.config)
    logging.basicConfig(
        level=config.logging.level,
        format="%(asctime)sZ %(levelname)s %(message)s",
        stream=sys.stderr,
    )
    logging.Formatter.converter = time.gmtime
    for doubt in doubts(config):
        logging.getLogger(__name__).warning("%s", doubt)
    keep_freed_memory()
    return Service(arguments.config, config).run()
