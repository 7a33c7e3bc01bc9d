"""Known vulnerabilities of what constraints/*.txt name, by pip-audit. Run it by `make check`.

Exit code 1 where one is known. Where the database cannot be reached nothing is known, and the
hashes alone hold: said, exit code 0.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

TIMEOUT_S = 10


def main() -> int:
    found = [
        package
        for path in sorted(Path(__file__).parent.glob("*.txt"))
        for package in audit(path)
    ]
    audited = {package["name"] for package in found if "vulns" in package}
    names = {package["name"] for package in found}
    known = {
        (one["name"], one["version"], vuln["id"])
        for one in found
        for vuln in one.get("vulns", [])
    }
    for name, version, vulnerability in sorted(known):
        print(f"{name} {version}: {vulnerability}")
    if audited:
        print(
            f"{len(audited)} of {len(names)} packages audited, {len(known)} known vulnerabilities."
        )
    else:
        print(
            "Not audited, the database of vulnerabilities cannot be reached: the constraints'"
            " hashes alone hold."
        )
    return 1 if known else 0


def audit(path: Path) -> list[dict[str, Any]]:
    """What pip-audit says of each package: name, version, vulns, or name and skip_reason. [] where
    it says nothing.
    """
    command = [
        sys.executable,
        "-m",
        "pip_audit",
        "--requirement",
        str(path),
        "--require-hashes",
        "--disable-pip",
    ]
    options = ["--format", "json", "--progress-spinner", "off", "--timeout", str(TIMEOUT_S)]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    try:
        dependencies: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        return []
    return dependencies


if __name__ == "__main__":
    sys.exit(main())
