"""Processor time of other processes, by thread, as Linux accounts it: a busy machine does not
falsify it as it does the clock.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

Spent = Mapping[str, float]  # process and thread: seconds


def spent_s(processes: Mapping[str, int]) -> Spent:
    """processes : name -> process id. Threads of one name count as one; those without a name of
    their own are libraries'.
    """
    found: dict[str, float] = defaultdict(float)
    for name, pid in processes.items():
        own = Path(f"/proc/{pid}/comm").read_text()
        for task in Path(f"/proc/{pid}/task").iterdir():
            thread = (task / "comm").read_text()
            place = "libraries" if thread == own else thread.strip()
            place = "main" if task.name == str(pid) else place
            found[f"{name}, {place}"] += (
                int((task / "schedstat").read_text().split()[0]) / 1e9
            )
    return found


def since(before: Spent, now: Spent) -> dict[str, float]:
    """The largest first."""
    grown = {name: now[name] - before.get(name, 0.0) for name in now}
    return dict(sorted(grown.items(), key=lambda item: -item[1]))
