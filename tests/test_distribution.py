"""What is shipped: sdist and wheel are built, and the wheel works in an environment of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.paths import ROOT


def run(*command: str | Path, cwd: Path) -> str:
    words = [str(word) for word in command]
    ran = subprocess.run(words, capture_output=True, text=True, check=False, cwd=cwd)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of sdist and wheel, built from a copy: nothing is left in the working tree."""
    pytest.importorskip("build", reason="needs build, of the development extra")
    source = tmp_path_factory.mktemp("source")
    for name in ("monitor", "training"):
        shutil.copytree(
            ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, ".", cwd=source)
    return out


def test_both_are_there_with_types_models_and_the_page(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    (sdist,) = built.glob("*.tar.gz")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {
        "monitor/py.typed",
        "training/py.typed",
        "monitor/page/static/main.js",
        "monitor/models/simulator/manifest.yaml",
        "monitor/evidence/kinds/novelty.py",
        "training/manifests/bosch-cnc.yaml",
    } <= names
    assert not [name for name in names if name.startswith(("tests/", "node_modules/"))]
    with tarfile.open(sdist) as archive:
        assert any(name.endswith("/pyproject.toml") for name in archive.getnames())


def test_the_wheel_works_by_itself(built: Path, tmp_path: Path) -> None:
    """Dependencies come from this environment; Camshaft from the wheel alone."""
    (wheel,) = built.glob("*.whl")
    environment = tmp_path / "env"
    run(sys.executable, "-m", "venv", "--without-pip", environment, cwd=tmp_path)
    python = environment / "bin" / "python"
    run(
        *(sys.executable, "-m", "pip", "--python", python, "install"),
        *("--quiet", "--no-deps", "--no-index", "--disable-pip-version-check", wheel),
        cwd=tmp_path,
    )
    place = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
    packages = Path(run(python, "-c", place, cwd=tmp_path).strip())
    (packages / "shared.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")

    where = run(python, "-c", "import monitor; print(monitor.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(packages)
    assert "commission" in run(environment / "bin" / "camshaft", "--help", cwd=tmp_path)
    assert "evaluate" in run(environment / "bin" / "camshaft-train", "--help", cwd=tmp_path)
    example = ROOT / "deploy" / "camshaft.example.yaml"
    said = run(environment / "bin" / "camshaft", "check-config", example, cwd=tmp_path)
    assert said.endswith(": good.\n")
    code = (
        "from monitor.evidence.kinds import KINDS\n"
        "from monitor.evidence.model_folder import find_model, read_checked\n"
        "print(sorted(KINDS), find_model('simulator').name, find_model('cnc-milling').name)\n"
    )
    found = run(python, "-c", code, cwd=tmp_path)
    assert found == "['network', 'novelty'] simulator cnc-milling\n"
