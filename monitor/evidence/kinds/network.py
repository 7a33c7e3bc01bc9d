"""The network's evidence: its logit, and the class activation map that adds up to it."""

from __future__ import annotations

from monitor.evidence import limits
from monitor.evidence.base import Facts, register
from monitor.records.evidence import LOGIT, Evidence


class Network:
    name = "network"

    def evidence(self, facts: Facts) -> Evidence | None:
        """None for a sensor without a model."""
        if facts.network is None or facts.manifest is None:
            return None
        return Evidence(
            kind=self.name,
            unit=LOGIT,
            score=facts.network.logit,
            threshold=limits.logit_threshold(facts.rule, facts.own, facts.manifest),
            cells=facts.network.contribution,
            bias=facts.manifest.head.bias,
            residual=facts.network.residual,
        )


register(Network())
