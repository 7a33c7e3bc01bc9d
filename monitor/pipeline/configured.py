"""The rules that a configuration asks for, with their models loaded."""

from __future__ import annotations

from functools import partial

from monitor.config import Config
from monitor.config_machines import surroundings_at
from monitor.evidence.model_folder import find_model
from monitor.evidence.network import Classifier
from monitor.pipeline.analysis import Analyser
from monitor.pipeline.diagnosing import Answer
from monitor.pipeline.router import Rules


def configured_rules(config: Config) -> Rules:
    """Load every model that the sensors name. Raises ConfigError or ModelError, one sentence."""
    classifiers: dict[str, Classifier] = {}
    for rule in config.sensors:
        if rule.model is not None and rule.model not in classifiers:
            classifiers[rule.model] = Classifier(
                find_model(rule.model, config.models_folder)
            )
    return Rules(
        subscriptions=config.subscriptions,
        analysers=tuple(
            Analyser(rule, classifiers[rule.model] if rule.model else None)
            for rule in config.sensors
        ),
        journal=config.journal,
        max_payload_bytes=config.mqtt.max_payload_bytes,
        max_lag_s=config.max_lag_s,
        failure_modes=config.page.failure_modes,
        context=config.context,
        surroundings=partial(surroundings_at, config.machines),
        answer=_answer(config),
    )


def _answer(config: Config) -> Answer | None:
    """None where no machine is known: what names its parts is then not even loaded."""
    if not config.machines:
        return None
    from monitor.diagnosis.live import answer  # a third of a second, for filters of images

    return answer
