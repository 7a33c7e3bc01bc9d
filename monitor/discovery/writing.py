"""A proposal as a commented configuration, in YAML for a person to edit further."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from monitor.config import MqttSettings
from monitor.discovery.proposed import Proposal, Rule
from monitor.text import printable

WIDTH = 96
PLAIN = re.compile(r"[A-Za-z_][\w./{}+-]*")
# Words that YAML would take for something else.
SPECIAL = frozenset("true false yes no on off null y n".split())  # noqa: SIM905

HEAD = """\
# Made by `camshaft discover` from what a broker delivered: see what each line rests on.
# All keys are in deploy/camshaft.example.yaml and docs/configure.md.
"""
TAIL = """\
# journal:
#   path: camshaft.journal          # everything that lasts
# A model, limits, alarms, InfluxDB, the page: see deploy/camshaft.example.yaml.
"""


def configuration(mqtt: Mapping[str, Any], proposals: Sequence[Proposal]) -> str:
    """YAML of all complete proposals. mqtt : the section as it is to be written."""
    lines = [HEAD, *_section("mqtt", mqtt), "subscriptions:"]
    # The first that fits a topic takes it: those with topics of their own go first.
    for one in sorted(proposals, key=lambda other: not other.own_topics):
        lines += _subscription(one)
    lines.append("sensors:")
    rules = [(one, rule) for one in proposals for rule in one.rules]
    is_alone = len({_frozen(rule.settings) for _, rule in rules}) == 1
    for one, rule in rules[:1] if is_alone else rules:
        lines += _rule(one, rule, is_alone)
    return "\n".join([*lines, "", TAIL])


def mqtt_section(settings: MqttSettings) -> dict[str, Any]:
    """What is not a default, with host and port always. A secret is named, never written."""
    found = settings.model_dump(mode="json", exclude_defaults=True)
    return {"host": settings.host, "port": settings.port} | found


def _section(name: str, values: Mapping[str, Any]) -> list[str]:
    return [f"{name}:", *(f"  {key}: {shown(value)}" for key, value in values.items()), ""]


def _subscription(proposal: Proposal) -> list[str]:
    topics = ", ".join(proposal.topics[:3]) + (", ..." if len(proposal.topics) > 3 else "")
    lines = _comment(f"{proposal.n_read} messages of {topics}", "  ")
    for reason in proposal.reasons:
        if reason.key not in ("unit", "sample_rate_hz", "acquisition"):
            lines += _comment(f"{reason.key}: {reason.text}", "  ")
    for topic in proposal.subscribed:
        lines += [f"  - topic: {shown(topic)}", "    payload:"]
        lines += [f"      {key}: {shown(value)}" for key, value in proposal.payload.items()]
    return [*lines, ""]


def _rule(proposal: Proposal, rule: Rule, is_alone: bool) -> list[str]:
    lines = []
    for reason in proposal.reasons:
        if reason.key in ("unit", "sample_rate_hz", "acquisition"):
            lines += _comment(f"{reason.key}: {reason.text}", "  ")
    for name in ["*"] if is_alone else rule.sensors:
        settings = rule.settings if is_alone else {"match": escaped(name), **rule.settings}
        first, *rest = settings.items()
        lines.append(f"  - {first[0]}: {shown(first[1])}")
        lines += [f"    {key}: {shown(value)}" for key, value in rest]
    return [*lines, ""]


def escaped(name: str) -> str:
    """A sensor's name as a shell pattern that fits it alone."""
    return re.sub(r"([*?\[])", r"[\1]", name)


def _comment(text: str, indent: str) -> list[str]:
    """Strangers' words among them: one line, no control characters."""
    found, line = [], ""
    for word in printable(text, 400).split():
        if line and len(indent) + len(line) + len(word) + 3 > WIDTH:
            found.append(line)
            line = ""
        line = f"{line} {word}" if line else word
    return [f"{indent}# {one}" for one in [*found, line]]


def shown(value: object) -> str:
    """In YAML, on one line. JSON is YAML, and quotes what needs it."""
    if isinstance(value, str):
        is_plain = PLAIN.fullmatch(value) and value.lower() not in SPECIAL
        return value if is_plain and "{" not in value else _quoted(value)
    if isinstance(value, float):
        return f"{value:.8g}" if "e" not in f"{value:.8g}" else f"{value:.8e}"
    if isinstance(value, Mapping):
        inner = ", ".join(f"{key}: {shown(one)}" for key, one in value.items())
        return f"{{{inner}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(shown, value))}]"
    return json.dumps(value)


def _quoted(text: str) -> str:
    """As JSON, but for signs beyond 16 bits, which YAML does not know as pairs."""
    return "".join(
        char if ord(char) > 0xFFFF else json.dumps(char)[1:-1] for char in text
    ).join('""')


def _frozen(settings: Mapping[str, Any]) -> str:
    return json.dumps(settings, sort_keys=True)
