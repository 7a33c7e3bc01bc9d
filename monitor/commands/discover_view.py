"""What `camshaft discover` shows: each shape with its settings, reasons, preview and questions."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap

import numpy as np

from monitor.discovery import preview
from monitor.discovery.notes import Question
from monitor.discovery.proposed import Discovery, Proposal
from monitor.discovery.streams import Stream
from monitor.discovery.writing import shown
from monitor.text import printable

N_TOPICS = 3
N_PREVIEWED = 3  # channels of a sensor
WIDTH = 48
N_SHOWN = 4 * WIDTH  # samples of a waveform
LINE, MAX_TEXT = 96, 600


def lines_of(found: Discovery) -> list[str]:
    lines: list[str] = []
    for proposal in found.proposals:
        lines += [*_shape_lines(proposal), ""]
    for passed in found.passed_over:
        n = f"{passed.n_messages} message(s) " if passed.n_messages else ""
        lines.append(f"Left out: {n}on {printable(passed.topic, 60)}, {passed.why}.")
    return lines


def _shape_lines(proposal: Proposal) -> Iterator[str]:
    topics = ", ".join(printable(topic, 60) for topic in proposal.topics[:N_TOPICS])
    more = f" and {len(proposal.topics) - N_TOPICS} more" * (
        len(proposal.topics) > N_TOPICS
    )
    yield f"{proposal.number}. {proposal.n_messages} messages on {topics}{more}"
    if proposal.topic:
        for topic in proposal.subscribed:
            yield from _entry("topic", topic)
        yield from _entry("payload", shown(proposal.payload))
    for rule in proposal.rules:
        names = ", ".join(printable(name, 40) for name in rule.sensors[:N_TOPICS])
        yield from _entry("sensor", f"{shown(rule.settings)}  ({names})")
    for reason in proposal.reasons:
        yield from _entry("because", f"{reason.key}: {reason.text}")
    for why, n in proposal.refusals.most_common(2):
        yield from _entry("not read", f"{n} message(s): {why}")
    for stream in list(proposal.streams.values())[:1]:
        yield from _preview_lines(stream, proposal)


def _entry(name: str, text: str) -> Iterator[str]:
    """Strangers' words among it, over as many lines as it needs."""
    lines = wrap(printable(text, MAX_TEXT), LINE, break_on_hyphens=False)
    for index, line in enumerate(lines):
        yield f"   {name if not index else '':8} {line}"


def _preview_lines(stream: Stream, proposal: Proposal) -> Iterator[str]:
    whole = np.concatenate(stream.samples[:4], axis=1)
    names = proposal.rules[0].settings.get("channels") if proposal.rules else None
    for index, channel in enumerate(whole[:N_PREVIEWED]):
        name = printable(names[index] if names else "", 8)
        part = channel[:N_SHOWN]
        top, bottom = preview.waveform(part, WIDTH)
        yield f"   {name:8} {top}  {part.min():.4g} to {part.max():.4g}, stored"
        yield f"   {'':8} {bottom}  {len(part)} samples"
        yield f"   {'':8} {preview.spectrum(channel, WIDTH)}  spectrum to half the rate, 60 dB"


def open_questions(found: Discovery) -> list[tuple[int, Question]]:
    """(number of the shape, question)"""
    return [(one.number, question) for one in found.proposals for question in one.questions]


def question_lines(number: int, question: Question) -> Iterator[str]:
    yield f"? {number}.{question.key}: {printable(question.text, 300)}"
    for index, choice in enumerate(question.choices, 1):
        why = f"  ({printable(choice.why, 100)})" if choice.why else ""
        yield f"    {index}  {printable(choice.value, 100)}{why}"
