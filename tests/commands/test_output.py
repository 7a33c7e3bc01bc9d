"""What every command does with names that a terminal cannot show."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import yaml

from monitor.journal.writer import Journal
from monitor.pipeline.pipeline import Pipeline
from tests.signals import START_NS, messages, noise, rules
from tests.signals import configure as settings


def test_a_name_that_the_terminal_cannot_show(tmp_path: Path) -> None:
    """Case s16-locale-tz: `status` ended in a traceback on a Latin-1 or ASCII output."""
    pipeline = Pipeline(rules(settings()), {}, {}, 0.0)
    sent = messages(noise(1000), [1000], sensor="Kühler/泵")
    pipeline.process(sent, START_NS, 0.0)
    journal = Journal(tmp_path / "camshaft.journal")
    journal.commit(pipeline.take_batch(True))
    journal.close()
    config = tmp_path / "camshaft.yaml"
    tree = {
        "subscriptions": [{"topic": "v/{machine}/{point}", "payload": {"format": "raw"}}],
        "sensors": [{"sample_rate_hz": 2000}],
    }
    config.write_text(yaml.safe_dump(tree))
    found = subprocess.run(
        [sys.executable, "-m", "monitor.cli", "status", "-c", str(config)],
        env={**os.environ, "PYTHONIOENCODING": "latin-1"},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert found.returncode == 0, found.stderr.decode()
    assert "Kühler/?" in found.stdout.decode("latin-1")
