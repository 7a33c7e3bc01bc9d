"""Which models judge here, to be compared with those that judged before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from monitor.config import Config
from monitor.evidence.model_folder import find_model, load_model_manifest, manifest_sha256


def models_of(config: Config) -> dict[str, str]:
    """SHA-256 of each configured model's manifest, which has those of its files; by its id. Raises
    ModelError.
    """
    names = {rule.model for rule in config.sensors if rule.model is not None}
    folders = [find_model(name, config.models_folder) for name in sorted(names)]
    return {load_model_manifest(one).id: manifest_sha256(one) for one in folders}


def differences(before: Mapping[str, str], here: Mapping[str, str]) -> Iterator[str]:
    """What a person should know of models, a sentence each."""
    for model_id, digest in before.items():
        if model_id not in here:
            yield f"Model {model_id!r}, which judged before, is not configured here."
        elif here[model_id] != digest:
            yield (
                f"Model {model_id!r} is another here than the one that judged before: its manifest"
                f" has SHA-256 {here[model_id][:12]}..., there it was {digest[:12]}..."
            )
