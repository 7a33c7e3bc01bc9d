"""The campaign's table: for the terminal, and as Markdown between two markers of a document.

python -m tests.faults.report FILE... < output of python -m tests.faults --json
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.faults.campaign import Finding

BEGIN, END = "<!-- fault campaign: begin -->", "<!-- fault campaign: end -->"
HEADINGS = (
    "scenario",
    "promise",
    "injected",
    "rows",
    "missing",
    "double",
    "longest outage",
    "requests a row",
    "counted reasons",
)


def summary(finding: Finding) -> str:
    """A line for one scenario as it ends."""
    if finding.skipped:
        return f"skipped: {finding.skipped}"
    if finding.failure:
        return f"FAILED in {finding.seconds:.0f} s: {finding.failure}"
    word = "kept" if finding.kept else "BROKEN"
    return (
        f"{finding.promise}: {word} ({finding.missing} missing, {finding.double} double,"
        f" {finding.seconds:.0f} s)"
    )


def verdict(findings: Sequence[Finding]) -> str:
    """All scenarios in one sentence."""
    played = [finding for finding in findings if not finding.skipped]
    broken = [finding.scenario for finding in played if not finding.kept]
    said = f"{len(played) - len(broken)} of {len(played)} scenarios kept their promise"
    if len(played) < len(findings):
        said += f", {len(findings) - len(played)} could not be played on this machine"
    return said + (f"; broken: {', '.join(broken)}." if broken else ".")


def cells(finding: Finding) -> tuple[str, ...]:
    if finding.skipped or finding.failure:
        why = (
            f"skipped: {finding.skipped}"
            if finding.skipped
            else f"FAILED: {finding.failure.splitlines()[0]}"
        )
        return (finding.scenario, finding.promise, why, "", "", "", "", "", "")
    return (
        finding.scenario,
        finding.promise if finding.kept else f"{finding.promise}: BROKEN",
        finding.faults,
        f"{finding.expected:,}",
        f"{finding.missing:,}",
        f"{finding.double:,}",
        f"{finding.outage_s:.1f} s",
        f"{finding.requests_per_row:.2f}",
        ", ".join(f"{name} {n:,}" for name, n in finding.explained.items()) or "-",
    )


def table(findings: Sequence[Finding]) -> str:
    """For a terminal."""
    rows = [HEADINGS, *(cells(finding) for finding in findings)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    lines = (
        "  ".join(
            cell.ljust(width) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    )
    return "\n".join([*lines, "", verdict(findings)])


def markdown(findings: Sequence[Finding]) -> str:
    rows = [HEADINGS, ("---",) * len(HEADINGS), *(cells(finding) for finding in findings)]
    lines = (
        "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows
    )
    return "\n".join([verdict(findings), "", *lines])


def split(path: Path) -> tuple[str, str]:
    """A document's text before and after its table. Raises ValueError where it has no markers."""
    before, found, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    _, closed, after = rest.partition(END)
    if not found or not closed:
        raise ValueError(f"{path} has no lines {BEGIN} and {END}.")
    return before, after


def write_table(path: Path, findings: Sequence[Finding]) -> None:
    """Put the table between the markers. Raises ValueError as split() does."""
    before, after = split(path)
    path.write_text(
        f"{before}{BEGIN}\n{markdown(findings)}\n{END}{after}", encoding="utf-8"
    )


def main() -> None:
    found = json.loads(sys.stdin.read().strip().splitlines()[-1])["scenarios"]
    findings = [
        Finding(**{name: value for name, value in one.items() if name != "kept"})
        for one in found
    ]
    for path in sys.argv[1:]:
        write_table(Path(path), findings)


if __name__ == "__main__":
    main()
