"""From evidence to a status, and from statuses to an alarm."""

from __future__ import annotations

import math
from dataclasses import dataclass

from monitor.records.verdict import Status


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of one window that could be judged. None: that kind of evidence does not exist
    for this sensor.
    """

    logit: float | None = None
    threshold: float | None = None  # logit units
    novelty: float | None = None
    novelty_threshold: float | None = None


def decide(evidence: Evidence) -> tuple[Status, str]:
    """Status and reason. Either kind of evidence alone makes NG; neither hides the other.

    The reason of NG names what spoke: network, novelty, or network+novelty.
    """
    speaks = []
    if (
        evidence.logit is not None
        and evidence.threshold is not None
        and evidence.logit > evidence.threshold
    ):
        speaks.append("network")
    if _judged_by_novelty(evidence) and evidence.novelty > evidence.novelty_threshold:  # type: ignore[operator]
        speaks.append("novelty")
    if speaks:
        return Status.NG, "+".join(speaks)
    if evidence.logit is None and not _judged_by_novelty(evidence):
        return Status.LEARNING, "not_commissioned"
    return Status.OK, ""


def probability(logit: float) -> float:
    """P(NG) = sigmoid(logit), without overflow at either end."""
    if logit >= 0:
        return 1.0 / (1.0 + math.exp(-logit))
    odds = math.exp(logit)
    return odds / (1.0 + odds)


def _judged_by_novelty(evidence: Evidence) -> bool:
    return evidence.novelty is not None and evidence.novelty_threshold is not None
