"""`camshaft run`: the service, until SIGTERM."""

from __future__ import annotations

import argparse
import logging
import sys
from functools import partial
from typing import TYPE_CHECKING

from monitor.allocator import keep_freed_memory
from monitor.commands.arguments import add_config
from monitor.config import Config
from monitor.config_file import load_config
from monitor.config_pairs import doubts
from monitor.exit_codes import EXIT_SUPERSEDED
from monitor.log_lines import set_up

if TYPE_CHECKING:
    from monitor.kafka.state_topic import StateTopic

EXAMPLES = (
    "camshaft run",
    "camshaft run -c /etc/camshaft/camshaft.yaml",
)
EXIT_CODES = {
    0: "stopped by SIGTERM or Ctrl-C",
    2: "refused: configuration, model or journal cannot be used",
    3: "another process has taken the partition of Kafka over",
    70: "a part of the service failed; systemd starts it again",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    # What a member of a Kafka group tells the processes that it starts.
    parser.add_argument("--partition", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--generation", type=int, help=argparse.SUPPRESS)


def run(arguments: argparse.Namespace) -> int:
    """Exit codes: 0 stopped; 2 refused; 3 superseded; 70 a thread failed."""
    config = load_config(arguments.config)
    set_up(config.logging.level, config.logging.levels, config.logging.format)
    if arguments.partition is not None:
        return _run_child(arguments, config)
    for doubt in doubts(config):
        logging.getLogger(__name__).warning("%s", doubt)
    if _is_member(config):
        from monitor.member.member import Member  # the client of Kafka is an extra

        return Member(arguments.config, config).run()
    # Most of a start: not spent where the configuration is refused.
    from monitor.service import Service

    keep_freed_memory()
    return Service(arguments.config, config, state=_state(config, None)).run()


def _state(config: Config, generation: int | None) -> StateTopic | None:
    """Taken over from the partition's owner before, where there is a topic for it."""
    if config.source != "kafka":
        return None
    from monitor.succession.start import take_partition  # the client of Kafka is an extra

    return take_partition(config, generation)


def _is_member(config: Config) -> bool:
    """Of a Kafka group: it runs a process for each partition that it gets."""
    kafka = config.kafka if config.source == "kafka" else None
    return kafka is not None and kafka.partition is None


def _run_child(arguments: argparse.Namespace, config: Config) -> int:
    """One partition, for as long as the member is heard that started us."""
    from monitor.instances import of_partition
    from monitor.journal.positions import SupersededError
    from monitor.member.lease import SHARE, keep_lease
    from monitor.member.partition import load_partition
    from monitor.service import Service
    from monitor.sources.configured import configured_source

    own = of_partition(config, arguments.partition)
    assert own.kafka is not None  # of_partition has checked it
    keep_lease(sys.stdin.fileno(), own.kafka.session_timeout_s * SHARE)
    keep_freed_memory()
    load = partial(load_partition, partition=arguments.partition)
    # The member commits: of others Kafka takes none while the group has members.
    source, generation = partial(configured_source, commits=False), arguments.generation
    try:
        state = _state(own, generation)
        return Service(arguments.config, own, source, generation, load, state).run()
    except SupersededError as error:
        logging.getLogger(__name__).error("%s", error)
        return EXIT_SUPERSEDED
