"""`camshaft discover`: listen to a broker, and write the configuration of what is heard.

What cannot be known is asked, on a terminal alone. A script gets what is
certain, and questions.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from monitor.commands.arguments import check_output_file, number
from monitor.commands.check_config import misfits
from monitor.commands.discover_view import lines_of, open_questions, question_lines
from monitor.config import MqttSettings
from monitor.config_file import parse_config, read_yaml
from monitor.discovery.proposal import discover
from monitor.discovery.proposed import Discovery
from monitor.discovery.topics import is_foreign
from monitor.discovery.writing import configuration, mqtt_section
from monitor.exit_codes import EXIT_NO, EXIT_OK
from monitor.records.signal import Message
from monitor.records.topic import TopicFilter
from monitor.refusals import parse_yaml, sentences
from monitor.settings import ConfigError
from monitor.sources.mqtt.probe import BrokerProbe, ProbeError

CONNECT_S = 10.0
POLL_S = 0.2
MAX_MESSAGES = 3000  # of a topic
MAX_BYTES = 128 << 20  # of all
INSTANCE = "discover"
BY_HAND = ("payload", "messages", "trailer_bytes")  # questions that no single word answers

EXAMPLES = (
    "camshaft discover --broker 192.168.1.20",
    "camshaft discover --broker plant:1883 --topic 'vibration/#' --seconds 60 --out camshaft.yaml",
    "camshaft discover -c broker.yaml --yes --answer unit=g",
)
EXIT_CODES = {
    0: "every shape of messages is configured",
    1: "a question is open, or nothing came; what is certain is written",
    2: "refused: broker, arguments or file cannot be used",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--broker", metavar="HOST[:PORT]", help="without user and TLS")
    parser.add_argument(
        "-c",
        "--config",
        dest="broker_file",
        type=Path,
        metavar="FILE",
        help="takes the section mqtt of a YAML file: user, password, TLS",
    )
    parser.add_argument(
        "--topic", default="#", metavar="FILTER", help="(default #: all topics)"
    )
    parser.add_argument(
        "--seconds",
        type=number(above=0, below=86_400),
        default=30.0,
        metavar="S",
        help="to listen (default 30; Ctrl-C ends it earlier)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("camshaft.yaml"),
        metavar="FILE",
        help="must not exist yet (default camshaft.yaml)",
    )
    parser.add_argument("--yes", action="store_true", help="ask nothing; for scripts")
    parser.add_argument(
        "--answer",
        type=_answer,
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="to a question, by its key; may stand several times",
    )
    parser.add_argument(
        "--picture", type=Path, metavar="FILE", help="save what is said as SVG"
    )


def _answer(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not (key.strip() and equals and value.strip()):
        raise argparse.ArgumentTypeError(f"{text!r} must be KEY=VALUE")
    return key.strip(), value.strip()


def run(arguments: argparse.Namespace) -> int:
    """0: all is configured. 1: a question is open. Raises ConfigError."""
    section, settings = _broker(arguments)
    _check_out(arguments.out)
    if arguments.picture is not None:
        check_output_file(arguments.picture, "--picture")
    messages = _listen(settings, arguments.topic, arguments.seconds)
    is_asking = sys.stdin.isatty() and sys.stdout.isatty() and not arguments.yes
    found = _settled(messages, dict(arguments.answer), is_asking, arguments.picture)
    return _write(found, section, arguments.out)


# -- the broker -----------------------------------------------------------------------------------


def _broker(arguments: argparse.Namespace) -> tuple[dict[str, Any], MqttSettings]:
    """The section mqtt as it is to be written, and checked. Raises ConfigError."""
    if (arguments.broker is None) == (arguments.broker_file is None):
        raise ConfigError("Name the broker: either --broker HOST[:PORT] or -c FILE.")
    if arguments.broker_file is not None:
        tree = read_yaml(arguments.broker_file).get("mqtt")
        section = tree if isinstance(tree, dict) else {}
    else:
        section = _address(arguments.broker)
    try:
        settings = MqttSettings.model_validate(section)
    except ValidationError as error:
        raise ConfigError(sentences(error)) from None
    return mqtt_section(settings), settings


def _address(text: str) -> dict[str, Any]:
    """HOST, HOST:PORT or [IPv6]:PORT. Raises ConfigError."""
    host, _, port = text.rpartition(":")
    if not host or text.endswith("]") or (":" in host and not host.startswith("[")):
        return {"host": text}
    if not (port.isascii() and port.isdigit()):
        raise ConfigError(f"--broker = {text!r}: must be HOST or HOST:PORT.")
    return {"host": host, "port": int(port)}


def _check_out(path: Path) -> None:
    """Raises ConfigError: a configuration is not overwritten by accident."""
    if path.exists():
        raise ConfigError(f"--out = '{path}': exists already; name a new file.")
    check_output_file(path)


def _listen(settings: MqttSettings, topic: str, seconds: float) -> list[Message]:
    """What came. Raises ConfigError where the broker cannot be used."""
    where = f"{settings.host}:{settings.port}"
    try:
        with BrokerProbe(settings, INSTANCE) as probe:
            probe.login(CONNECT_S)
            (refused,) = probe.subscribe([TopicFilter(topic)], CONNECT_S).values()
            if refused and "QoS 0" not in refused:
                raise ConfigError(f"--topic = {topic!r}: the broker refuses it: {refused}.")
            print(f"Listening to {where}, {topic}, for {seconds:g} s.", file=sys.stderr)
            return list(_taken(probe, seconds))
    except ProbeError as error:
        raise ConfigError(f"{where}: {error}.") from None


def _taken(probe: BrokerProbe, seconds: float) -> Iterator[Message]:
    n_messages: Counter[str] = Counter()
    n_bytes, until_s = 0, time.monotonic() + seconds
    try:
        while (left_s := until_s - time.monotonic()) > 0:
            message = probe.next_message(min(left_s, POLL_S))
            if message is None or is_foreign(message.topic):
                continue
            n_messages[message.topic] += 1
            n_bytes += len(message.payload)
            if n_messages[message.topic] <= MAX_MESSAGES and n_bytes <= MAX_BYTES:
                yield message
    except KeyboardInterrupt:
        print("Enough heard.", file=sys.stderr)


# -- questions and answers ------------------------------------------------------------------------


def _settled(
    messages: list[Message], answers: dict[str, str], is_asking: bool, picture: Path | None
) -> Discovery:
    """What is found, after all questions that a person answers."""
    found = discover(messages, answers)
    if not messages:
        print("Nothing came. Is a sensor running, and may this user read its topic?")
    for line in (lines := lines_of(found)):
        print(line)
    if picture is not None:
        _save(lines, picture)
    while is_asking and _ask(found, answers):
        found = discover(messages, answers)
    return found


def _ask(found: Discovery, answers: dict[str, str]) -> bool:
    """The first question that was not answered yet; whether it was now."""
    waiting = [
        (shape, question)
        for shape, question in open_questions(found)
        if question.key not in BY_HAND and f"{shape}.{question.key}" not in answers
    ]
    if not waiting:
        return False
    shape, question = waiting[0]
    for line in question_lines(shape, question):
        print(line)
    try:
        answer = input("  > ").strip()
    except (EOFError, KeyboardInterrupt):
        print()
        return False
    choices = [choice.value for choice in question.choices]
    if answer.isdigit() and 0 < int(answer) <= len(choices) and answer not in choices:
        answer = choices[int(answer) - 1]
    if not answer:
        return False
    answers[f"{shape}.{question.key}"] = answer
    return True


def _save(lines: list[str], path: Path) -> None:
    from monitor.demo.terminal import plain_lines
    from monitor.demo.view import save_picture

    save_picture(
        path,
        plain_lines(["$ camshaft discover --broker 127.0.0.1", "", *lines]),
        "discover",
    )


# -- the file -------------------------------------------------------------------------------------


def _write(found: Discovery, section: Mapping[str, Any], path: Path) -> int:
    sure = [one for one in found.proposals if one.is_complete]
    questions = open_questions(found)
    for shape, question in questions:
        for line in question_lines(shape, question):
            print(line)
    if sure:
        text = configuration(section, sure)
        _check(text, path)
        path.write_text(text, encoding="utf-8")
        print(f"{path} is written. Next: camshaft doctor -c {path}; camshaft run -c {path}")
    if questions:
        print("Answer with --answer KEY=VALUE, or on a terminal without --yes.")
    return EXIT_OK if sure and not questions else EXIT_NO


def _check(text: str, path: Path) -> None:
    """Raises ConfigError where the product would refuse what it proposes."""
    config = parse_config(parse_yaml(text.encode()), path.parent)
    if wrong := list(misfits(config)):
        raise ConfigError("\n".join(wrong))
