"""python -m tests.faults [--json] [--quick] [--only NAME] [--write FILE]: play the fault campaign,
print its table.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from tests.faults.campaign import Finding, Skipped, all_scenarios, campaign
from tests.faults.report import split, summary, table, write_table


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults", description="Play the fault campaign."
    )
    parser.add_argument("--json", action="store_true", help="end with one JSON line")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="the pick that the test suite plays, in small doses",
    )
    parser.add_argument("--only", metavar="TEXT", help="scenarios whose name contains this")
    parser.add_argument(
        "--write",
        type=Path,
        metavar="FILE",
        help="put the table between the markers in a Markdown file",
    )
    arguments = parser.parse_args()
    if arguments.write is not None:
        try:
            split(arguments.write)  # before the long work
        except OSError as error:
            parser.error(f"--write {arguments.write}: {error.strerror}")
    return arguments


def main() -> int:
    """Exit code 0: every promise was kept; 1: one was not; 2: the servers are missing."""
    arguments = _arguments()
    chosen = [
        one
        for one in all_scenarios()
        if (one.quick or not arguments.quick)
        and (arguments.only or "").lower() in one.name.lower()
    ]
    findings: list[Finding] = []
    try:
        with campaign(arguments.quick) as running:
            for number, one in enumerate(chosen, 1):
                print(f"[{number}/{len(chosen)}] {one.name} ...", end=" ", flush=True)
                findings.append(running.run(one))
                print(summary(findings[-1]), flush=True)
                if findings[-1].log:
                    print(findings[-1].log, file=sys.stderr)
    except Skipped as why:
        print(f"The campaign {why}.", file=sys.stderr)
        return 2
    print("\n" + table(findings))
    if arguments.write is not None:
        write_table(arguments.write, findings)
    if arguments.json:
        print(json.dumps({"scenarios": [finding.tree() for finding in findings]}))
    return 0 if all(finding.kept or finding.skipped for finding in findings) else 1


if __name__ == "__main__":
    sys.exit(main())
