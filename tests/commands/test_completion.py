"""The script in a real bash: what it offers while somebody types."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from monitor.cli import HELP_OF_COMMAND, main

ASK = """
set -u
source "$1"
shift
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_camshaft
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("completion") / "camshaft.bash"
    with pytest.MonkeyPatch.context() as patch, path.open("w") as file:
        patch.setattr("sys.stdout", file)
        assert main(["completion", "bash"]) == 0
    return path


def offered(script: Path, *words: str, cwd: Path | None = None) -> list[str]:
    command = ["bash", "--norc", "-c", ASK, "ask", str(script), "camshaft", *words]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, cwd=cwd)
    return [line for line in ran.stdout.splitlines() if line]


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_it_offers_commands_options_values_and_files(script: Path, tmp_path: Path) -> None:
    assert set(offered(script, "")) == {*HELP_OF_COMMAND, "--help", "--version"}
    assert offered(script, "page-") == ["page-user"]
    assert set(offered(script, "page", "--")) == {"--help", "--config", "--host", "--port"}
    assert offered(script, "page-user", "--role", "o") == ["operator"]
    (tmp_path / "camshaft.yaml").write_text("")
    assert offered(script, "run", "-c", "cam", cwd=tmp_path) == ["camshaft.yaml"]
    assert offered(script, "nothing", "--x") == []


def test_zsh_reads_it_by_its_own_means(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "zsh"]) == 0
    assert capsys.readouterr().out.startswith(
        "autoload -U +X bashcompinit && bashcompinit\n"
    )
