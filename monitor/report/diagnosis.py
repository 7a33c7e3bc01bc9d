"""What is broken, as the report tells it: the name, or why there is none, and its sum."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

from monitor.records.diagnosis import Diagnosed


def diagnosis_section(found: Diagnosed | None, clock: Callable[[int], str]) -> str:
    """HTML; nothing where nothing was diagnosed."""
    if found is None:
        return ""
    tree = found.tree
    head = (
        f"<h2>What is broken</h2><p><b>{escape(found.text)}.</b></p>"
        f'<p class="quiet">From {tree["signal_s"]:.1f} s of signal that ended'
        f" {clock(found.at_ns)}, channel {escape(tree['channel'])}.</p>"
    )
    if not tree["parts"]:
        return head
    rows = "".join(
        f'<tr><td>{escape(part["label"])}</td><td class="number">{part["f_hz"]:.1f}</td>'
        f'<td class="number">{part["points"]:.2f}</td></tr>'
        for part in tree["parts"]
    )
    columns = '<tr><th>line</th><th class="number">Hz</th><th class="number">adds</th></tr>'
    total = (
        f'<tr class="total"><td>{escape(tree["nearest"])}</td><td></td>'
        f'<td class="number">{tree["score"]:.2f}</td></tr>'
    )
    return f"{head}<table>{columns}{rows}{total}</table>"
