"""Which limits hold for a sensor, and which of them make its status: of its rule, its commissioning
and its model.
"""

from __future__ import annotations

from monitor.config_sensors import SensorSettings
from monitor.evidence.model_folder import ModelManifest
from monitor.evidence.novelty import NOVELTY_FLOOR
from monitor.records.commissioned import Commissioned

LEAST_BANDS = 0.5  # outside the commissioned range, in all channels


def status_rule(manifest: ModelManifest | None) -> str:
    """network, novelty or either, as in the model's manifest. Without a model only novelty can
    speak.
    """
    return "either" if manifest is None else manifest.status_rule


def logit_threshold(
    rule: SensorSettings, own: Commissioned | None, manifest: ModelManifest | None
) -> float | None:
    """The rule's, else the sensor's own if it was found with this model, else the model's. None
    without a model.

    Logits of relative levels change with the commissioning, so there an own
    threshold holds no longer.
    """
    if manifest is None:
        return None
    if rule.threshold is not None:
        return rule.threshold
    if manifest.needs_baseline:
        return manifest.threshold
    if own is not None and own.logit_threshold is not None and own.model_id == manifest.id:
        return own.logit_threshold
    return manifest.threshold


def novelty_threshold(own: Commissioned, manifest: ModelManifest | None) -> float:
    """The sensor's own, but not below what healthy machines like it reach, where a model's training
    has shown that: first windows do not show how a machine runs in and drifts.
    A person who asked for a rate of false alarms gets that rate.

    Without a model the least is half a band: by less two windows of noise
    differ, and a floor for machines that run in would hide narrow faults of one
    that does not.
    """
    threshold = own.baseline.threshold
    if own.baseline.rate_was_asked:
        return threshold
    learned = None if manifest is None else manifest.novelty_floor
    if learned is not None:
        return max(threshold, learned)
    if threshold <= 0:
        return NOVELTY_FLOOR
    n_bands = len(own.f_edges_hz) - 1
    return max(threshold, LEAST_BANDS / n_bands)


def running_limit_ms2(rule: SensorSettings, own: Commissioned | None) -> float | None:
    """RMS below which the machine stands, where no topic says so. None where nothing tells."""
    if rule.running is not None and rule.running.limit_rms_ms2 is not None:
        return rule.running.limit_rms_ms2
    return None if own is None else own.running_limit_ms2


def _describe_novelty(own: Commissioned, manifest: ModelManifest | None) -> str:
    threshold = novelty_threshold(own, manifest)
    said = f"novelty above {threshold:.3g}"
    if threshold <= own.baseline.threshold:
        return said
    has_learned = manifest is not None and manifest.novelty_floor is not None
    if has_learned or own.baseline.threshold <= 0:
        return f"{said} (other machines reach it while healthy)"
    return f"{said} (half a band, the least)"


def describe(
    rule: SensorSettings, own: Commissioned, manifest: ModelManifest | None
) -> str:
    """What a commissioned sensor's status rests on from now on, for people to read."""
    if own.model_id != ("" if manifest is None else manifest.id):
        return (
            "The windows are of another model than the configuration's: commission again once that"
            " has judged some."
        )
    speaks, novelty = status_rule(manifest), _describe_novelty(own, manifest)
    threshold = logit_threshold(rule, own, manifest)
    logit = "" if threshold is None else f"logit above {threshold:.3g}"
    makes_ng = {"network": logit, "novelty": novelty}.get(speaks) or " or ".join(
        filter(None, (novelty, logit))
    )
    silent = {"network": "novelty", "novelty": "the logit"}.get(speaks)
    beside = (
        f" ({silent} is shown but makes no NG: the model's status_rule is {speaks})"
        if silent
        else ""
    )
    topic = None if rule.running is None else rule.running.topic
    idle = (
        f"idle below {running_limit_ms2(rule, own):.3g} m/s² RMS"
        if topic is None
        else f"idle as {topic} says"
    )
    return f"NG from now on: {makes_ng}{beside}; {idle}."
