"""The audit of the constraints: what is known is said, and what could not be asked is not called
clean.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tests.paths import ROOT

PATH = ROOT / "constraints" / "audit.py"


def audit_saying(monkeypatch: pytest.MonkeyPatch, output: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location("audit", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    commands: list[Any] = []

    def run(command: list[str], **_: Any) -> SimpleNamespace:
        commands.append(command)
        return SimpleNamespace(stdout=output)

    monkeypatch.setattr(subprocess, "run", run)
    return module


@pytest.mark.parametrize(
    ("output", "code", "said"),
    [
        (
            {"dependencies": [{"name": "a", "version": "1", "vulns": []}]},
            0,
            "1 of 1 packages audited, 0 known",
        ),
        (
            {
                "dependencies": [
                    {"name": "a", "version": "1", "vulns": [{"id": "CVE-1"}]},
                    {"name": "b", "skip_reason": ""},
                ]
            },
            1,
            "a 1: CVE-1\n1 of 2 packages audited, 1 known",
        ),
        ({"dependencies": [{"name": "a", "skip_reason": "not found"}]}, 0, "Not audited"),
        ("Traceback ... ConnectionError", 0, "Not audited"),
    ],
)
def test_what_is_known_is_said(
    output: Any,
    code: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    module = audit_saying(
        monkeypatch, output if isinstance(output, str) else json.dumps(output)
    )
    assert module.main() == code
    assert capsys.readouterr().out.startswith(said)
