"""A sensor's name from topic and message: "machine/point"."""

from __future__ import annotations

from monitor.signal.payload.base import PayloadError
from monitor.signal.payload.facts import quote

MAX_ID = 96  # of machine or point
FORBIDDEN = frozenset("+#")  # alarm topics carry the names


def sensor_name(of_topic: str, machine: object, point: object) -> str:
    """machine, point : as the message gives them; None where the topic does.

    A slash in an id becomes a dot, as it would split the name. Raises
    PayloadError: bad_name.
    """
    topic_machine, _, topic_point = of_topic.partition("/")
    own_machine = topic_machine if machine is None else _id(machine)
    own_point = topic_point if point is None else _id(point)
    if not own_machine:
        raise PayloadError("bad_name", "Neither topic nor payload names the machine.")
    return f"{own_machine}/{own_point}"


def _id(value: object) -> str:
    """Text, or a whole number, that may stand in a name."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**64:
        return str(value)
    text = value.strip().replace("/", ".") if isinstance(value, str) else ""
    if not 0 < len(text) <= MAX_ID or not text.isprintable() or FORBIDDEN & set(text):
        raise PayloadError(
            "bad_name",
            f"{quote(value)} cannot name a machine or point: 1 to {MAX_ID} printable characters"
            " without + and #.",
        )
    return text
