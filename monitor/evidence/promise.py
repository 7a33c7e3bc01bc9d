"""From e-values to an alarm with a stated budget, and what a reference can promise.

An e-detector of Shiryaev-Roberts kind (Shin, Ramdas and Rinaldo,
10.51387/23-NEJSDS51): one is added to R, and it is multiplied by each block's
e-value; the alarm is raised where R reaches c. R less the number of blocks is a
supermartingale while the machine is as it was in commissioning, so on average
at least c blocks pass before a false alarm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from monitor.evidence.limits import status_rule
from monitor.evidence.model_folder import ModelManifest
from monitor.evidence.reference import KEPT
from monitor.records.commissioned import Commissioned
from monitor.records.evidence import Evidence
from monitor.records.promise import Reference, Steps

# A promise reaches this many times the healthy time that it was learned from. Something
# healthy that time did not show, a mode of the machine for instance, may come for the first time:
# of whatever rate it is, it is expected REACH / e times within the reach at most, .74 times.
REACH = 2.0
# Independent ones. Of fewer nothing is promised: even windows above every healthy one would take
# more than ten blocks to reach a month's limit, so a machine may fail before its alarm is raised.
MIN_BLOCKS = 24


def reference_for(own: Commissioned, manifest: ModelManifest | None) -> Reference | None:
    """The part of a commissioning's reference that fits the model which judges now; None where no
    kind of evidence that makes the status is in it.
    """
    reference = own.reference
    if reference is None or own.model_id != ("" if manifest is None else manifest.id):
        return None
    known = set(reference.alarm)
    if manifest is not None and manifest.needs_baseline:
        known.discard("network")  # its logits changed with the commissioning
    speaks = status_rule(manifest)
    if not known or (speaks != "either" and speaks not in known):
        return None
    return replace(
        reference,
        alarm={kind: reference.alarm[kind] for kind in known},
        drift={kind: reference.drift[kind] for kind in known},
    )


def alarm_e_value(evidence: Sequence[Evidence], reference: Reference) -> float | None:
    """Of a window that was judged; None where no kind that decides has a reference.

    Only scores that speak for NG count: no alarm without NG windows.
    """
    return _mean(evidence, reference.alarm, only_ng=True)


def drift_e_value(evidence: Sequence[Evidence], reference: Reference) -> float:
    """Of a window that was judged OK; of NG ones it is the least."""
    if any(found.speaks_for_ng for found in evidence):
        return KEPT
    return _mean(evidence, reference.drift, only_ng=False) or KEPT


def _mean(evidence: Sequence[Evidence], steps: Steps, only_ng: bool) -> float | None:
    """Of each deciding kind's e-value: a mean of e-values is one, however they depend on each
    other.
    """
    deciding = [found for found in evidence if found.decides and found.kind in steps]
    if not deciding:
        return None
    gains = [
        sum(step.gain for step in steps[found.kind] if found.score > step.above)
        for found in deciding
        if found.speaks_for_ng or not only_ng
    ]
    return KEPT + sum(gains) / len(deciding)


def next_statistic(statistic: float, e_value: float, limit: float) -> float:
    """Shiryaev and Roberts's, after another block; no higher than the limit, where it stops."""
    return min((statistic + 1) * e_value, limit)


def limit_of(reference: Reference, budget_s: float) -> float:
    """What the statistic must reach: the blocks in the time that may hold one false alarm."""
    return max(1.0, budget_s / reference.block_s)


def can_promise(reference: Reference) -> bool:
    return reference.n_blocks >= MIN_BLOCKS


def promised_s(reference: Reference, budget_s: float) -> float:
    """Running time, in seconds, in which at most one false alarm is promised; 0 for no promise."""
    if not can_promise(reference):
        return 0.0
    return min(budget_s, reach_s(reference))


def reach_s(reference: Reference) -> float:
    return REACH * reference.healthy_s


def describe(budget_s: float, reference: Reference | None) -> str:
    """What is promised, for people to read; and what it would need where that is less than was
    asked.
    """
    if reference is None:
        return (
            "No promise: the sensor has no commissioning that tells how healthy windows vary"
            " (commission it); n of m decides."
        )
    if not can_promise(reference):
        return f"No promise, n of m decides: {_lack(budget_s, reference)}."
    held_s = promised_s(reference, budget_s)
    promise = f"At most one false alarm in {in_words(held_s)} of running is promised"
    if held_s >= budget_s:
        return f"{promise} ({_rests_on(reference)})."
    return f"{promise}, not in {in_words(budget_s)}: {_lack(budget_s, reference)}."


def _rests_on(reference: Reference) -> str:
    runs = "one run" if reference.n_runs == 1 else f"{reference.n_runs} runs"
    return (
        f"from {reference.n_windows} healthy windows of {runs} in {in_words(reference.healthy_s)}"
        f" of running, worth {reference.n_blocks} independent blocks; with 95 % confidence, while"
        " the machine goes on as it did then"
    )


def _lack(budget_s: float, reference: Reference) -> str:
    runs = "one run" if reference.n_runs == 1 else f"{reference.n_runs} runs"
    return (
        f"that needs healthy windows over {in_words(budget_s / REACH)} of running, worth at least"
        f" {MIN_BLOCKS} independent blocks, and the commissioning has {reference.n_windows} of"
        f" {runs} over {in_words(reference.healthy_s)}, worth {reference.n_blocks}"
    )


def in_words(seconds: float) -> str:
    """A length of time, to two figures: 33 minutes, 4.2 days."""
    for unit, length_s in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length_s:
            return f"{_two_figures(seconds / length_s)} {unit}"
    return f"{_two_figures(seconds)} seconds"


def _two_figures(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"
